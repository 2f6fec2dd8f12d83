"""Opens what a delivery needs before its first request: folders, the suppression list and the snapshot."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.api.rate_limiter import RateLimiter
from airflow_provider_blux.delivery.checkpoint_store import FileStore, Store
from airflow_provider_blux.delivery.deliver import Delivery
from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.progress import Watcher
from airflow_provider_blux.delivery.receipts import Hashes, ReceiptsFile
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.row_digests import RowDigests
from airflow_provider_blux.delivery.run import Run, Stop
from airflow_provider_blux.delivery.settings import Settings, check_snapshot
from airflow_provider_blux.delivery.snapshot import Forgetting, Snapshot
from airflow_provider_blux.delivery.snapshot_files import WAY_OUT, WAY_OUT_OF_DELETIONS, SnapshotFolder, Target
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.hooks.options import HookOptions
from airflow_provider_blux.hooks.shared_rate import shared_limiter
from airflow_provider_blux.records.shapes import RULES_VERSION, RowShape, never_sent
from airflow_provider_blux.sources.files import StorageSource
from airflow_provider_blux.sources.paths import BEFORE_THE_PATH, for_airflow, url_of

log = logging.getLogger(__name__)


def open_delivery(
    client: BluxClient,
    endpoints: Sequence[Endpoint],
    settings: Settings,
    options: HookOptions,
    *,
    stop: Stop,
    limiter: RateLimiter,
    watchers: Sequence[Watcher],
    receipt_key: str | None,
    receipts_path: str | None = None,
    suppression_path: str | Sequence[str] | None = None,
) -> Delivery:
    """Return a delivery whose files are open: missing folders are created, and the suppression list is read.

    :param limiter: used if the task does not share its rate limit through Redis.
    :param receipt_key: key of the hashes in receipts and snapshots; ``None`` for hashes without a key.
    :raises BluxConfigError: an argument is wrong; the message names it.
    :raises BluxSourceError: there is no suppression list at ``suppression_path``, or it cannot be read.
    """
    run, hashes = options.get("run") or Run.unnamed(), Hashes(receipt_key)
    rejects = receipts = suppression = None
    store = _store(options)
    if (rejects_path := options.get("rejects_path")) is not None:
        rejects = RejectsFile(_folder(rejects_path, "rejects_path"), run.try_file, endpoints[0].operation)
    if receipts_path is not None:
        if receipt_key is None:
            log.warning(
                "The connection has no receipt_key, so a short id can be found from its receipt by trying all ids. Set "
                "receipt_key, as docs/receipts.md describes."
            )
        receipts = ReceiptsFile(_folder(receipts_path, "receipts_path"), run, hashes)
    if suppression_path is not None:
        suppression = _suppression(suppression_path, hashes, settings.shaping.check_ids)
    return Delivery(
        client,
        endpoints,
        settings,
        stop=stop,
        limiter=shared_limiter(settings, endpoints[0], client, stop) or limiter,
        store=store,
        rejects=rejects,
        receipts=receipts,
        suppression=suppression,
        snapshot=_snapshot(
            options.get("snapshot_path"), settings, endpoints[0], client, run=run, receipt_key=receipt_key
        ),
        watchers=watchers,
    )


def _store(options: HookOptions) -> Store | None:
    store, path, run = options.get("checkpoint"), options.get("checkpoint_path"), options.get("run")
    if store is not None or path is None:
        return store
    if run is None:
        raise BluxConfigError("checkpoint_path needs run, which gives the checkpoint its file name.")
    return FileStore(_folder(path, "checkpoint_path"), run.task_file)


def _suppression(path: str | Sequence[str], hashes: Hashes, check_ids: bool) -> Suppression:
    header = RowShape("delete_users", "application").header
    source = StorageSource(path, hive_partitioning=False, check_columns_of=header.read, argument="suppression_path")
    if source.has_no_file():
        raise BluxSourceError(
            f"suppression_path: there is no list at {source}, so deleted users could be created again. Before "
            "the first deletion put an empty file into the folder, such as none.jsonl."
        )
    suppression = Suppression(source, hashes, str(source), check_ids=check_ids)
    log.info("Suppression list %s: number of users to leave out: %s.", source, f"{len(suppression):,}")
    return suppression


def _snapshot(
    path: str | None, settings: Settings, endpoint: Endpoint, client: BluxClient, *, run: Run, receipt_key: str | None
) -> Snapshot | None:
    check_snapshot(path, settings.full_refresh, settings.max_absent)
    if path is None:
        return None
    if run.map_index >= 0 and settings.max_absent is not None:
        raise BluxConfigError(
            "max_absent does not work in a mapped task: it reads only a part of the users, and all others would count "
            "as missing. Leave it out, or set it on a task that reads them all."
        )
    is_devices, shaping = endpoint.operation == "update_devices", settings.shaping
    access = client.access[endpoint.api]
    target = Target(
        records="devices" if is_devices else "users",
        api=endpoint.api,
        url=access.url,
        application=access.application,
        key=Hashes(receipt_key).key_id,
    )
    deletes, id_field = endpoint.operation == "delete_users", "device_id" if is_devices else "user_id"
    folder = _folder(path, "snapshot_path")
    if not settings.validate_only:
        folder.prepare()
    kind = Forgetting if deletes else Snapshot
    return kind(
        SnapshotFolder(folder, target, WAY_OUT_OF_DELETIONS if deletes else WAY_OUT),
        target,
        RowDigests(
            receipt_key,
            f"{RULES_VERSION} {endpoint.api} {endpoint.list_key} {shaping}",
            never_sent(endpoint.operation, endpoint.api, shaping),
        ),
        run,
        id_column=shaping.column_of(id_field),
        full_refresh=settings.full_refresh,
        read_only=settings.validate_only,
    )


def _folder(path: str, argument: str) -> Folder:
    # A template without a value renders to one of these, which would be a folder in the worker's current directory.
    if isinstance(path, str) and path.strip() in ("", "None"):
        raise BluxConfigError(f"{argument} is {'the text None' if path.strip() else 'empty'}; name a folder.")
    url = url_of(path)
    if not isinstance(url, str):  # render_template_as_native_obj makes a number of 20260131
        raise BluxConfigError(f"{argument} is of type {type(path).__name__}; it must be the path of a folder, as text.")
    try:
        place = ObjectStoragePath(for_airflow(url))
        before = BEFORE_THE_PATH.match(url)  # `None` for a local path without a scheme
        return Folder(place.fs, place.path, argument, (before and before[1]) or "")
    except (ImportError, ValueError, TypeError) as error:
        raise BluxConfigError(
            f"{argument} is not a folder that can be opened ({type(error).__name__}). Check the URL, and that the "
            "Airflow provider of its storage is installed (for S3: apache-airflow-providers-amazon[s3fs])."
        ) from error

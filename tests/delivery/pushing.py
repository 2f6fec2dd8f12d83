"""Runs deliveries against the emulator without Airflow, and without waiting for anything longer than needed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.api.auth import Access
from airflow_provider_blux.api.client import BluxClient, Request
from airflow_provider_blux.api.endpoints import Api, Endpoint, Operation, endpoints_for
from airflow_provider_blux.api.rate_limiter import RateLimiter
from airflow_provider_blux.delivery.deliver import Delivery
from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.progress import Watcher
from airflow_provider_blux.delivery.receipts import ReceiptsFile
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.row_digests import RowDigests
from airflow_provider_blux.delivery.run import Run, Stop
from airflow_provider_blux.delivery.settings import DeliveryOptions, resolved_settings
from airflow_provider_blux.delivery.snapshot import Forgetting, Snapshot
from airflow_provider_blux.delivery.snapshot_files import SnapshotFolder, Target
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.records.encoding import encode

# What the tests of outcomes send at; the pace has tests of its own.
UNPACED = 5000.0
# Users whose digests begin with the same two bytes, so they share a bucket, as users of a large snapshot do.
OF_ONE_BUCKET = ["u503", "u16998", "u38391", "u51758", "u70789"]


def own_threads() -> list[threading.Thread]:
    """Return the running threads except the emulator's, which end a moment after their clients."""
    return [thread for thread in threading.enumerate() if not thread.name.startswith("blux-emulator")]


class Impatient(Stop):
    """Waits a thousandth of the requested time."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 1000)


class Memory:
    """A checkpoint store that a test can look into, and that passes through JSON as the real ones do."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.saves = 0

    def load(self) -> Any:
        return None if self.text is None else json.loads(self.text)

    def save(self, state: dict[str, Any]) -> None:
        self.text = json.dumps(state)
        self.saves += 1

    def clear(self) -> None:
        self.text = None


def target_of(operation: str = "upsert_users", api: str = "application", **changes: Any) -> Target:
    """Return the target of a snapshot."""
    records = "devices" if operation == "update_devices" else "users"
    values = {"records": records, "api": api, "url": "https://blux.example", "application": "demo-app", **changes}
    return Target(**values)


def snapshot_in(
    place: Any,
    operation: Operation = "upsert_users",
    api: Api = "application",
    *,
    key: str | None = None,
    reading: str = "as it is",
    excluded: Iterable[str] = (),
    map_index: int = -1,
    task_id: str = "task",
    target: Target | None = None,
    **options: Any,
) -> Snapshot:
    """Return the snapshot of one run.

    :param place: a file system of fsspec, or a folder on the disk.
    """
    target = target or target_of(operation, api)
    folder = place if isinstance(place, Folder) else Folder(LocalFileSystem(), str(place), "snapshot_path")
    kind = Forgetting if operation == "delete_users" else Snapshot
    return kind(
        SnapshotFolder(folder, target),
        target,
        RowDigests(key, reading, frozenset(excluded)),
        Run(dag_id="dag", run_id="run", task_id=task_id, map_index=map_index),
        id_column="device_id" if operation == "update_devices" else "user_id",
        **options,
    )


def client_of(blux: Emulator, *, timeout: float = 30.0) -> BluxClient:
    connection = blux.connection()
    extra = connection["extra"]
    return BluxClient(
        {
            "application": Access(
                api="application", url=connection["host"], application=connection["login"], key=connection["password"]
            ),
            "open": Access(
                api="open", url=extra["open_api_url"], application=extra["project_id"], key=extra["open_api_key"]
            ),
        },
        timeout=timeout,
    )


def request_of(endpoint: Endpoint, records: Iterable[Any]) -> Request:
    return Request(endpoint, endpoint.body([encode(record) for record in records]))


def push(
    blux: Emulator,
    operation: Operation,
    rows: Iterable[Any],
    *,
    api: Api | None = None,
    stop: Stop | None = None,
    store: Any = None,
    rejects: RejectsFile | None = None,
    receipts: ReceiptsFile | None = None,
    suppression: Suppression | None = None,
    snapshot: Snapshot | None = None,
    timeout: float = 30.0,
    watchers: Sequence[Watcher] = (),
    **options: Any,
) -> Report:
    """Deliver ``rows``; ``options`` are options of the operators."""
    chosen: Api = api or ("application" if operation in ("upsert_users", "delete_users") else "open")
    endpoints = endpoints_for(operation, chosen)
    given: DeliveryOptions = {"rate_limit": UNPACED, **options}  # type: ignore[typeddict-item]
    settings = resolved_settings(given, endpoints, None)
    stop = stop or Impatient()
    with client_of(blux, timeout=timeout) as client:
        delivery = Delivery(
            client,
            endpoints,
            settings,
            stop=stop,
            limiter=RateLimiter(settings.rate_limit, sleep=stop.sleep),
            store=store,
            rejects=rejects,
            receipts=receipts,
            suppression=suppression,
            snapshot=snapshot,
            watchers=watchers,
        )
        return delivery.run(rows)


def in_order(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the CRM holds after the flat rows arrived one by one: custom properties by user."""
    held: dict[str, dict[str, Any]] = {}
    for row in rows:
        properties = {name: value for name, value in row.items() if name != "user_id" and value is not None}
        held.setdefault(str(row["user_id"]), {}).update(properties)
    return held


def held(blux: Emulator) -> dict[str, dict[str, Any]]:
    """Return the custom properties of every user that the emulator holds."""
    return {user_id: user["custom_user_properties"] for user_id, user in blux.users()}

"""``BluxHook``: creates an API client from an Airflow connection, and delivers records with it."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from inspect import signature
from typing import TYPE_CHECKING, Any, Unpack, cast
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_blux.api.endpoints import APIS, OPERATIONS, Api, Endpoint, Operation, endpoints_for
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.settings import (
    MAX_USERS,
    Settings,
    check_list_key,
    check_rejects_path,
    resolved_settings,
)
from airflow_provider_blux.exceptions import (
    BluxAuthError,
    BluxCheckpointError,
    BluxConfigError,
    BluxError,
    BluxGuardError,
    BluxPaceError,
    BluxRejectLimitError,
    BluxSourceError,
)
from airflow_provider_blux.hooks import connection_form
from airflow_provider_blux.hooks.compat import mask_secret
from airflow_provider_blux.hooks.connection import Credentials, read
from airflow_provider_blux.hooks.options import (
    DeletionOptions,
    DeviceOptions,
    EventOptions,
    HookOptions,
    UserOptions,
    check_names,
    check_run_options,
    on_unknown_of,
)
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.signatures import keys_of, listing, misnamed

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset

    from airflow_provider_blux.api.client import BluxClient
    from airflow_provider_blux.api.rate_limiter import RateLimiter
    from airflow_provider_blux.delivery.report import Report

__all__ = ["BluxHook"]

# Errors without an endpoint whose message must name the connection. Other such errors concern a source or an argument.
_OF_THE_DELIVERY = (BluxCheckpointError, BluxGuardError, BluxPaceError, BluxRejectLimitError)

log = logging.getLogger(__name__)


class BluxHook(BaseHook):
    """Push records to Blux.

    Calls of one hook for the same API, operation and ``rate_limit``, one after another, keep to the limit together.

    :param blux_conn_id: the Airflow connection, of type ``blux``; ``blux_default`` unless given.
    :param api: ``"application"`` or ``"open"``. By default, the API that has the operation and for which the connection
        has credentials; the Application API if this is true of both.
    """

    conn_name_attr = "blux_conn_id"
    default_conn_name = "blux_default"
    conn_type = connection_form.CONNECTION_TYPE
    hook_name = "Blux"

    def __init__(self, blux_conn_id: str = default_conn_name, api: Api | None = None, **kwargs: Any) -> None:
        if error := misnamed("BluxHook", kwargs, {*signature(BaseHook).parameters, "blux_conn_id", "api"}):
            raise error
        super().__init__(**kwargs)
        self.blux_conn_id = blux_conn_id
        self.api = check_api(api)
        self._stop: Stop | None = None
        self._is_stopped = False
        self._limiters: dict[Any, RateLimiter] = {}  # of earlier calls, which the next ones continue

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the extra fields of the connection form; called by Airflow before 3.2."""
        return connection_form.widgets()

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return how the connection form shows its standard fields; called by Airflow before 3.2."""
        return {key.replace("-", "_"): value for key, value in connection_form.UI_FIELD_BEHAVIOUR.items()}

    @cached_property
    def credentials(self) -> Credentials:
        """The checked content of the Airflow connection, which is read once; Airflow then masks its secrets in logs."""
        credentials = read(self.get_connection(self.blux_conn_id))
        keys = [access.key for access in credentials.access.values()]
        for secret in [*keys, credentials.receipt_key]:
            if secret:
                mask_secret(secret)
        return credentials

    def get_conn(self, pool_size: int = 1) -> BluxClient:
        """Return a new API client; close it after use.

        :param pool_size: number of connections to the API that the client keeps open.
        """
        from airflow_provider_blux.api.client import READ_TIMEOUT, BluxClient

        credentials = self.credentials
        return BluxClient(
            credentials.access,
            timeout=credentials.timeout or READ_TIMEOUT,
            verify=credentials.verify,
            pool_size=pool_size,
        )

    @listing(keys_of(UserOptions))
    def upsert_users(
        self,
        records: Iterable[Any],
        *,
        suppression_path: str | Sequence[str] | None = None,
        **options: Unpack[UserOptions],
    ) -> Report:
        """Create users, or update the properties that are given.

        :param records: users in the form of :func:`airflow_provider_blux.records.users.user`.
        :param suppression_path: files of user ids, or receipts of deletions; the users in them are not sent.
        :param options: see :class:`~airflow_provider_blux.hooks.options.HookOptions`.
        :raises BluxError: the delivery failed; see :mod:`airflow_provider_blux.exceptions`.
        """
        return self._deliver("upsert_users", records, options, suppression_path=suppression_path)

    @listing(keys_of(DeletionOptions))
    def delete_users(
        self,
        records: Iterable[Any],
        *,
        max_users: int | None = MAX_USERS,
        receipts_path: str | None = None,
        **options: Unpack[DeletionOptions],
    ) -> Report:
        """Delete users.

        :param records: ids, or rows with a column ``user_id``.
        :param max_users: maximum number of users to delete (100,000 unless given), checked before anything is deleted;
            ``None`` for no limit.
        :param receipts_path: folder for a receipt of every accepted request.
        :param options: see :class:`~airflow_provider_blux.hooks.options.HookOptions`.
        :raises BluxGuardError: the records have more users than ``max_users``. Nothing was deleted, unless the
            source has grown since it was counted.
        :raises BluxError: the delivery failed; see :mod:`airflow_provider_blux.exceptions`.
        """
        return self._deliver("delete_users", records, options, max_users=max_users, receipts_path=receipts_path)

    @listing(keys_of(EventOptions))
    def send_events(
        self,
        records: Iterable[Any],
        *,
        suppression_path: str | Sequence[str] | None = None,
        **options: Unpack[EventOptions],
    ) -> Report:
        """Send events.

        :param records: events in the form of :func:`airflow_provider_blux.records.events.event`.
        :param suppression_path: files of user ids, or receipts of deletions; events of the users in them are not sent.
        :param options: see :class:`~airflow_provider_blux.hooks.options.HookOptions`.
        :raises BluxError: the delivery failed; see :mod:`airflow_provider_blux.exceptions`.
        """
        if "on_unknown" in options:
            options["on_unknown"] = on_unknown_of(options["on_unknown"])
        return self._deliver("send_events", records, options, suppression_path=suppression_path)

    @listing(keys_of(DeviceOptions))
    def update_devices(
        self,
        records: Iterable[Any],
        *,
        list_key: str = "devices",
        suppression_path: str | Sequence[str] | None = None,
        **options: Unpack[DeviceOptions],
    ) -> Report:
        """Create devices, or update them.

        :param records: devices in the form of :func:`airflow_provider_blux.records.devices.device`.
        :param list_key: name of the list of devices in the request body. Blux's documentation does not show this body,
            so check in your own project that devices arrive.
        :param suppression_path: files of user ids, or receipts of deletions; devices of the users in them are not sent.
        :param options: see :class:`~airflow_provider_blux.hooks.options.HookOptions`.
        :raises BluxError: the delivery failed; see :mod:`airflow_provider_blux.exceptions`.
        """
        check_list_key(list_key)
        return self._deliver("update_devices", records, options, list_key=list_key, suppression_path=suppression_path)

    def accepted_ids(self, user_ids: Iterable[Any], receipts: Iterable[str] | None) -> list[Any]:
        """Return those of ``user_ids`` that have a receipt of an accepted deletion.

        :param user_ids: text, integers or UUIDs, as they were sent.
        :param receipts: URLs of receipts files, as in ``receipts`` of a report; ``None`` if there are none.
        :raises BluxReceiptError: a receipt was changed, or made with another key than the connection's ``receipt_key``.
        :raises BluxSourceError: a file cannot be read.
        :raises BluxConfigError: ``user_ids`` or ``receipts`` is no list, such as one id, one path or a report; or
            ``user_ids`` holds rows, or ``receipts`` holds something that is no path.
        """
        from airflow_provider_blux.delivery.receipts import Hashes
        from airflow_provider_blux.hooks.receipts import accepted_hashes

        ids, files = _items(user_ids), [] if receipts is None else _items(receipts)
        has_rows = any(isinstance(one, Mapping | list | tuple) for one in ids or ())
        if ids is None or files is None or has_rows or not all(isinstance(file, str) for file in files):
            raise BluxConfigError(
                "accepted_ids takes a list of receipts files, such as report['receipts'] (of several reports: "
                "summarize_reports(reports)['receipts']), and a list of ids, not of rows."
            )
        hashes = Hashes(self.credentials.receipt_key)
        accepted = accepted_hashes(files, hashes)
        # An id with a lone surrogate is never sent, so it is in no receipt.
        return [user_id for user_id in ids if hashes.of(str(user_id).encode(errors="surrogatepass")) in accepted]

    def asset(self, operation: Operation) -> Asset:
        """Return the Airflow asset that an operation changes in the application or project of the connection.

        :raises BluxConfigError: there is no such operation, the API does not have it, or the connection has no
            credentials for it.
        """
        from airflow_provider_blux.assets.blux import asset_of

        if operation not in OPERATIONS:
            raise BluxConfigError(f"operation must be one of {', '.join(OPERATIONS)}.")
        api = self._endpoints(operation, None)[0].api
        return asset_of(operation, self.credentials.access[api].application)

    def test_connection(self) -> tuple[bool, str]:
        """Test the credentials of each API without creating, changing or deleting anything.

        Returns whether all credentials work, and a message with the result for each API: see
        :mod:`airflow_provider_blux.hooks.connection_test`.
        """
        from airflow_provider_blux.hooks.connection_test import probe

        try:
            for fault in self.credentials.faults.values():
                raise fault
            with self.get_conn() as client:
                return probe(client)
        except BluxError as error:
            # The Test button gives the connection a random id, which is meaningless to the user.
            return False, str(error).removeprefix(f"Connection {self.blux_conn_id}: ")

    def _deliver(
        self,
        operation: Operation,
        records: Iterable[Any],
        options: Mapping[str, Any],
        *,
        max_users: int | None = None,
        list_key: str | None = None,
        receipts_path: str | None = None,
        suppression_path: str | Sequence[str] | None = None,
    ) -> Report:
        from airflow_provider_blux.delivery.filters import guarded
        from airflow_provider_blux.hooks.delivery import open_delivery
        from airflow_provider_blux.hooks.observability import HookLineage, Metrics
        from airflow_provider_blux.sources.rows import close

        check_names(getattr(BluxHook, operation), options)
        given = cast("HookOptions", options)
        check_run_options(given)
        records, endpoints = _checked(records), self._endpoints(operation, list_key)
        settings = resolved_settings(given, endpoints, self.credentials.rate_limits.get(operation))
        check_rejects_path(settings.max_rejects, given.get("rejects_path"))
        self._log_start(records, endpoints[0], settings)
        stop = self._stop = Stop()
        if self._is_stopped:  # stopped before this delivery
            stop.set()
        with (
            self.get_conn(pool_size=settings.concurrency) as client,
            self._limiter(endpoints[0], settings, stop) as limiter,
        ):
            delivery = open_delivery(
                client,
                endpoints,
                settings,
                given,
                stop=stop,
                limiter=limiter,
                watchers=[Metrics(), HookLineage(self), *given.get("watchers", ())],
                receipt_key=self.credentials.receipt_key,
                receipts_path=receipts_path,
                suppression_path=suppression_path,
            )
            rows = records
            try:
                if max_users is not None:
                    # Only the id of a row is read, but the mapping must be applied to find it.
                    shape = RowShape(operation, endpoints[0].api, settings.shaping)
                    rows = guarded(records, max_users, shape=shape, is_stopped=lambda: self._is_stopped)
                return delivery.run(rows)
            except BluxError as error:
                raise self._located(error, endpoints[0]) from error.__cause__
            except SystemExit as error:  # with the exit code 0, Airflow 2 would mark the task as successful
                failure = BluxSourceError(
                    f"{_described(records)} called sys.exit, so records may be missing. Remove the call: return, or "
                    "raise an error."
                )
                failure.report = vars(error).get("report")
                raise failure from error
            finally:
                if isinstance(records, Generator):  # what it has left would be taken for all by a next call with it
                    close(records, "records")

    @contextmanager
    def _limiter(self, endpoint: Endpoint, settings: Settings, stop: Stop) -> Iterator[RateLimiter]:
        """Give the rate limiter of earlier calls to one call. A call at the same time in another thread has its own."""
        from airflow_provider_blux.api.rate_limiter import RateLimiter

        key = endpoint.api, endpoint.operation, settings.rate_limit
        limiter = self._limiters.pop(key, None) or RateLimiter(settings.rate_limit)
        limiter.sleep = stop.sleep
        try:
            yield limiter
        finally:
            self._limiters[key] = limiter

    def _log_start(self, records: Iterable[Any], endpoint: Endpoint, settings: Settings) -> None:
        shared = f" shared through {settings.rate_limit_conn_id}" if settings.rate_limit_conn_id else ""
        log.info(
            "Blux %s: %s to %s by connection %s; %g requests/s%s, %d records each.%s",
            endpoint,
            _described(records),
            self.credentials.access[endpoint.api].url,
            self.blux_conn_id,
            settings.rate_limit,
            shared,
            settings.batch_size,
            " Nothing is sent (validate_only)." if settings.validate_only else "",
        )

    def _located(self, error: BluxError, endpoint: Endpoint) -> BluxError:
        """Put the connection, and the endpoint if the error has none, in front of an error's message; return the error.

        If the API refused the credentials, the message then also says what to check. An error that does not concern the
        connection, such as one in the records, is returned unchanged.

        :param endpoint: the endpoint of the delivery.
        """
        if isinstance(error, BluxAuthError):
            return error.located(self.credentials.refused(endpoint.api, after_acceptance=error.after_acceptance))
        if error.endpoint:
            return error.located(f"Connection {self.blux_conn_id}")
        if isinstance(error, _OF_THE_DELIVERY):
            host = urlsplit(self.credentials.access[endpoint.api].url).netloc
            return error.located(f"Connection {self.blux_conn_id}, {endpoint} at {host}")
        return error

    def _endpoints(self, operation: Operation, list_key: str | None) -> tuple[Endpoint, ...]:
        """Return the endpoints of an operation at the chosen API, the one with the most records per request first.

        :param list_key: name of the list in the request body; ``None`` for the name that each endpoint defines.
        :raises BluxConfigError: the API does not have the operation, or the connection has no credentials for it.
        """
        if self.api:
            endpoints_for(operation, self.api)  # raises an error if this API does not have the operation
        endpoints = endpoints_for(operation, self.credentials.api_for(operation, self.api))
        if list_key is None:
            return endpoints
        return tuple(replace(endpoint, list_key=list_key) for endpoint in endpoints)

    def stop(self) -> None:
        """Stop the running delivery between two requests. A later delivery of this hook sends nothing."""
        self._is_stopped = True
        if self._stop:
            self._stop.request()


def _described(records: Iterable[Any]) -> str:
    """Return a description of ``records`` for the log.

    It is the text of a source, which names a path or a query. Any other value could show personal data, so only its
    type is named.
    """
    is_source = type(records).__module__.startswith(__package__.partition(".")[0] + ".sources")
    return str(records) if is_source else f"a {type(records).__name__}"


def _items(value: Any) -> list[Any] | None:
    """Return the items of a list or the like; ``None`` for a single value, a dict or a data frame."""
    from airflow_provider_blux.sources.frames import frame_of

    is_no_list = not isinstance(value, Iterable) or isinstance(value, str | Mapping) or frame_of(value, "") is not None
    return None if is_no_list else list(value)


def _checked(records: Any) -> Iterable[Any]:
    """Return an iterable of single records: the rows of a data frame, or the items of another iterable.

    :raises BluxConfigError: ``records`` is neither an iterable of records nor a data frame.
    """
    from airflow_provider_blux.sources.frames import frame_of
    from airflow_provider_blux.sources.inline import InlineSource
    from airflow_provider_blux.sources.rows import is_one_value, items_of, yielded

    if frame_of(records, "records") is not None:
        return InlineSource(records, "records")
    if isinstance(records, Iterable) and not is_one_value(records):
        return yielded(items_of(records), "records is a generator")
    raise BluxConfigError(f"records is of type {type(records).__name__}; it must be an iterable of records.")


def check_api(api: Any) -> Api | None:
    """Return ``api`` if it is the name of an API or ``None``.

    :raises BluxConfigError: ``api`` is anything else.
    """
    if api is None or api in APIS:
        return api  # type: ignore[no-any-return]
    raise BluxConfigError(f"api must be one of {', '.join(APIS)}, or be left out.")

"""``BluxHook``: an Airflow connection turned into a client, and records into deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_blux.api.endpoints import APIS, Api, Operation, apis_of, endpoints_for
from airflow_provider_blux.delivery.settings import DeliveryOptions, check_tolerance, settled
from airflow_provider_blux.exceptions import BluxAuthError, BluxConfigError, BluxError, BluxRequestError
from airflow_provider_blux.hooks import form
from airflow_provider_blux.hooks.credentials import Credentials, read

if TYPE_CHECKING:
    from airflow_provider_blux.api.client import BluxClient
    from airflow_provider_blux.delivery.checkpoint import Store
    from airflow_provider_blux.delivery.folder import Folder
    from airflow_provider_blux.delivery.rejects import RejectsFile
    from airflow_provider_blux.delivery.report import Report
    from airflow_provider_blux.delivery.run import Run

MAX_USERS = 100_000


class HookOptions(DeliveryOptions, total=False):
    """The arguments that every method of the hook takes beside the records.

    ``rejects_path``, ``checkpoint_path``: folders in object storage. ``checkpoint``: keeps progress in place of a
    folder. ``run``: names the files; a ``checkpoint_path`` needs one, since another try must find its file.
    """

    rejects_path: str | None
    checkpoint_path: str | None
    checkpoint: Store | None
    run: Run | None


class BluxHook(BaseHook):
    """Push records to Blux.

    :param blux_conn_id: the Airflow connection, of type ``blux``.
    :param api: ``"application"`` or ``"open"``; by default the one that the connection has credentials for, the
        Application API when both.
    """

    conn_name_attr = "blux_conn_id"
    default_conn_name = "blux_default"
    conn_type = form.CONNECTION_TYPE
    hook_name = "Blux"

    def __init__(self, blux_conn_id: str = default_conn_name, api: Api | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blux_conn_id = blux_conn_id
        self.api = check_api(api)

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's extra fields (Airflow before 3.2)."""
        return form.widgets()

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return the form's standard fields (Airflow before 3.2)."""
        return form.behaviour()

    @cached_property
    def credentials(self) -> Credentials:
        """The connection, read once and checked."""
        from airflow.providers.common.compat.sdk import mask_secret

        credentials = read(self.get_connection(self.blux_conn_id))
        for access in credentials.access.values():
            for secret in access.secrets():
                mask_secret(secret)
        return credentials

    def get_conn(self, pool_size: int = 1) -> BluxClient:
        """Return a new API client; close it after use.

        :param pool_size: connections kept open.
        """
        from airflow_provider_blux.api.client import READ_TIMEOUT, BluxClient

        credentials = self.credentials
        return BluxClient(
            credentials.access,
            timeout=credentials.timeout or READ_TIMEOUT,
            verify=credentials.verify,
            pool_size=pool_size,
        )

    def upsert_users(self, records: Iterable[Any], **options: Unpack[HookOptions]) -> Report:
        """Create users, or update the properties that are given.

        :param records: users as :func:`airflow_provider_blux.records.users.user` takes them.
        :raises BluxError: see :mod:`airflow_provider_blux.exceptions`.
        """
        return self._deliver("upsert_users", records, options)

    def delete_users(
        self, records: Iterable[Any], *, max_users: int | None = MAX_USERS, **options: Unpack[HookOptions]
    ) -> Report:
        """Delete users.

        :param records: ids, or rows with a column ``user_id``.
        :param max_users: refuse, before anything is deleted, to delete more; ``None`` switches the guard off.
        :raises BluxGuardError: there are more; nothing was sent.
        """
        from airflow_provider_blux.delivery.guard import guarded

        return self._deliver("delete_users", guarded(_checked(records), max_users), options)

    def send_events(self, records: Iterable[Any], **options: Unpack[HookOptions]) -> Report:
        """Send events, each at least once.

        :param records: events as :func:`airflow_provider_blux.records.events.event` takes them.
        """
        return self._deliver("send_events", records, options)

    def update_devices(
        self, records: Iterable[Any], *, list_key: str = "devices", **options: Unpack[HookOptions]
    ) -> Report:
        """Create devices, or update them.

        :param records: devices as :func:`airflow_provider_blux.records.devices.device` takes them.
        :param list_key: name of the list in the body. No page shows this body: check it against your own project.
        """
        return self._deliver("update_devices", records, options, list_key=list_key)

    def test_connection(self) -> tuple[bool, str]:
        """Prove the credentials of each API without creating, changing or deleting anything.

        An empty list of users is sent: the API refuses it (400) once it has accepted the credentials, and has
        nothing to store in any case.
        """
        try:
            found = [self._probe(api) for api in self.credentials.access]
        except BluxError as error:
            return False, str(error)
        if not found:
            return False, f"Connection {self.blux_conn_id} holds no credentials of either API."
        return all(works for works, _ in found), " ".join(words for _, words in found)

    def _probe(self, api: Api) -> tuple[bool, str]:
        name = f"{api.capitalize()} API"
        with self.get_conn() as client:
            try:
                client.send(client.prepare(endpoints_for("upsert_users", api)[0], []))
            except BluxAuthError as error:
                return False, f"{name}: the credentials are refused ({error.status})."
            except BluxRequestError as error:
                if error.status not in (400, 422):
                    return False, f"{name}: {error} Check the URL."
            except BluxError as error:
                return False, f"{name}: {error}"
        return True, f"{name}: the credentials are accepted."

    def _deliver(
        self, operation: Operation, records: Iterable[Any], options: HookOptions, list_key: str | None = None
    ) -> Report:
        from airflow_provider_blux.delivery.deliver import Delivery
        from airflow_provider_blux.delivery.stopping import Stop

        records = _checked(records)
        if self.api and self.api not in apis_of(operation):
            endpoints_for(operation, self.api)  # raises, naming the API that has it
        api = self.credentials.api_for(operation, self.api)
        endpoints = endpoints_for(operation, api)
        if list_key is not None:
            endpoints = tuple(replace(endpoint, list_key=list_key) for endpoint in endpoints)
        rejects, store = _outputs(options)
        settings = settled(options, endpoints, self.credentials.rate_limits.get(operation))
        self._stop = Stop()
        with self.get_conn(pool_size=settings.concurrency) as client:
            delivery = Delivery(client, endpoints, settings, stop=self._stop, store=store, rejects=rejects)
            try:
                return delivery.run(records)
            except BluxAuthError as error:
                raise error.located(self.credentials.refused(api)) from None

    def stop(self) -> None:
        """Stop the delivery that is running in another thread, between two requests."""
        if stop := getattr(self, "_stop", None):
            stop.set()


def _checked(records: Any) -> Iterable[Any]:
    if isinstance(records, Iterable) and not isinstance(records, str | bytes | bytearray | Mapping):
        return records
    raise BluxConfigError(f"records is of type {type(records).__name__}; it must be an iterable of records.")


def check_api(api: Any) -> Api | None:
    """Return ``api`` when it is one, or ``None``.

    :raises BluxConfigError: for anything else.
    """
    if api is None or api in APIS:
        return api  # type: ignore[no-any-return]
    raise BluxConfigError(f"api must be one of {', '.join(APIS)}, or be left out; it is {api!r}.")


def _outputs(options: HookOptions) -> tuple[RejectsFile | None, Store | None]:
    """Take what a run writes beside its report out of the options, each proven writable before the first request."""
    from airflow_provider_blux.delivery.checkpoint import FileStore
    from airflow_provider_blux.delivery.rejects import RejectsFile
    from airflow_provider_blux.delivery.run import Run

    given, store = options.pop("run", None), options.pop("checkpoint", None)
    rejects_path, checkpoint_path = options.pop("rejects_path", None), options.pop("checkpoint_path", None)
    check_tolerance(options.get("max_rejects", 0), rejects_path)
    run = given or Run.unnamed()
    if store is None and checkpoint_path is not None:
        if given is None:
            raise BluxConfigError("checkpoint_path needs run, by which another try finds what this one saved.")
        store = FileStore(_folder(checkpoint_path, "checkpoint_path"), run.task_file)
    rejects = RejectsFile(_folder(rejects_path, "rejects_path"), run.try_file) if rejects_path is not None else None
    return rejects, store


def _folder(path: str, argument: str) -> Folder:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_blux.delivery.folder import Folder

    try:
        place = ObjectStoragePath(path)
        return Folder(place.fs, place.path, argument)
    except (ImportError, ValueError, TypeError) as error:
        raise BluxConfigError(f"{argument} is not a folder that can be opened ({type(error).__name__}).") from error

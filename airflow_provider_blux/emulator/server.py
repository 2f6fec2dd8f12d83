"""The emulator as a Python object: start it, get an Airflow connection to it, read the records it has received."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import sqlite3
import ssl
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from airflow_provider_blux.emulator.backend import DEMO, Address, Backend, Credentials, Settings
from airflow_provider_blux.emulator.faults import fault_from
from airflow_provider_blux.emulator.http_server import Server
from airflow_provider_blux.emulator.rates import LimitKind

_EVERY_ADDRESS = ("", "0.0.0.0")  # noqa: S104 - only compared with `host`

_HOST_NAME = re.compile(r"[\w.-]+")


class Emulator:
    """Both APIs of Blux on a port of this machine, served by threads of this process while a ``with`` block runs.

    While it is not running, only ``start`` and ``stop`` can be called; other methods raise ``RuntimeError``.

    :param host: the address to listen on. One that is not loopback needs a ``certificate``.
    :param port: the port to listen on; 0 for any free port.
    :param certificate: folder to which each start writes a new certificate. With it, the emulator answers over TLS.
    :param names: host names by which clients reach the emulator. They are in the certificate, and the first one is in
        the emulator's URL. Without names, ``host`` is the name.
    :param state: SQLite file for the received records and requests. Without a file, they are lost when the emulator
        stops.
    :param police_rates: whether requests above the rates that the APIs allow are answered with 429.
    :param limit_kind: kind of limiter that chooses these requests: ``sliding_second``, ``spacing`` or ``token_bucket``.
    :param application_id: a credential that clients must send, as are ``secret_key``, ``project_id`` and
        ``open_api_key``.
    :raises ValueError: there is no ``certificate``, although ``host`` is not loopback or there are ``names``; or there
        are no ``names``, although ``host`` is ``0.0.0.0``; or another argument is not valid.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: str | Path | None = None,
        names: Sequence[str] = (),
        state: str | Path | None = None,
        police_rates: bool = False,
        limit_kind: LimitKind = "sliding_second",
        application_id: str = DEMO.application_id,
        secret_key: str = DEMO.secret_key,
        project_id: str = DEMO.project_id,
        open_api_key: str = DEMO.open_api_key,
    ) -> None:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise ValueError("port must be a whole number from 0 to 65535, and 0 takes a free one.")
        if isinstance(names, str) or not all(isinstance(name, str) and _HOST_NAME.fullmatch(name) for name in names):
            raise ValueError("names must be a list of host names (--name), such as blux: no URL, no port, no blanks.")
        if certificate is None and (names or not _is_loopback(host)):
            raise ValueError(
                "Beyond loopback the emulator answers over TLS only, because a connection refuses plain http there: "
                "name a folder for its certificate (--certificate)."
            )
        if host in _EVERY_ADDRESS and not names:
            raise ValueError("Name the host by which clients reach the emulator (--name), for its certificate.")
        self._host, self._port, self._names = host, port, tuple(name.lower() for name in names)
        self._certificate = Path(certificate) if certificate is not None else None
        self._state = Path(state) if state is not None else None
        self._settings = Settings(police_rates=police_rates, limit_kind=limit_kind)
        self._credentials = Credentials(
            application_id=application_id, secret_key=secret_key, project_id=project_id, open_api_key=open_api_key
        )
        self._running: tuple[Backend, Server] | None = None

    def start(self) -> Self:
        """Start serving; return this emulator. Raise ``RuntimeError`` if it is already running.

        :raises OSError: the address, the port, the state file or the certificate's folder cannot be used.
        :raises ValueError: one of ``names`` is not a valid host name.
        """
        if self._running:
            raise RuntimeError("The emulator is already running.")
        with contextlib.ExitStack() as opened:
            server = opened.enter_context(_listening(self._host, self._port))
            address, context = self._address(server.server_address[1])
            try:
                backend = Backend(
                    address=address, credentials=self._credentials, settings=self._settings, state=self._state
                )
            except sqlite3.Error as error:
                raise OSError(f"The state file {self._state} cannot be used: {error}.") from error
            server.start(backend, context)
            opened.pop_all()
        self._running = backend, server
        return self

    def stop(self) -> None:
        """Stop serving: no thread and no socket is left. A state file is kept."""
        if self._running:
            backend, server = self._running
            self._running = None
            server.stop()
            backend.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the URL of the Open API.

        With ``/prod`` added, it is the URL of the Application API; with ``/_emulator``, of the control plane.
        """
        return self._backend.address.url

    def connection(self) -> dict[str, Any]:
        """Return the Airflow connection to this emulator."""
        return self._backend.credentials.connection(self._backend.address)

    def connection_json(self) -> str:
        """Return the Airflow connection to this emulator as JSON, the value for ``AIRFLOW_CONN_BLUX_DEFAULT``."""
        return json.dumps(self.connection())

    def state(self) -> dict[str, Any]:
        """Return ``counts``, ``requests`` and ``max_requests_in_one_second``.

        ``counts`` has the numbers of records, events and deleted ids. ``requests`` is a list with the number of
        requests for each API, operation and status. ``max_requests_in_one_second`` has the highest number of requests
        within any one second, by API and operation.
        """
        return self._backend.state()

    def counts(self) -> dict[str, int]:
        """Return the numbers of users, profiles, events, devices, deleted users and deleted profiles.

        Users are those of the Application API, profiles those of the Open API.
        """
        return self._backend.store.counts()

    def user(self, user_id: str) -> dict[str, Any] | None:
        """Return a user of the Application API; ``None`` if there is no such user.

        The user has ``user_properties`` and ``custom_user_properties``, even if they are empty.
        """
        return self._backend.store.record("users", user_id)

    def profile(self, user_id: str) -> dict[str, Any] | None:
        """Return a user profile of the Open API; ``None`` if there is no such profile."""
        return self._backend.store.record("profiles", user_id)

    def device(self, device_id: str) -> dict[str, Any] | None:
        """Return a device; ``None`` if there is no such device."""
        return self._backend.store.record("devices", device_id)

    def events(self, user_id: str) -> list[dict[str, Any]]:
        """Return a user's events in order of arrival; an event that arrived twice is in the list twice."""
        return self._backend.store.events(user_id)

    def deletion(self, user_id: str) -> dict[str, Any] | None:
        """Return the ``user_id`` and the ``deletions`` of a user; ``None`` if no API accepted a deletion.

        ``deletions`` is a list with one object for each API that accepted deletions: ``api``, ``time`` (Unix time of
        the last deletion) and ``times`` (number of deletions).
        """
        return self._backend.store.deletion(user_id)

    def users(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield all users of the Application API as pairs of id and record, sorted by id: ``dict(blux.users())``."""
        return self._backend.store.records("users")

    def profiles(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield all user profiles of the Open API as pairs of id and record, sorted by id."""
        return self._backend.store.records("profiles")

    def devices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield all devices as pairs of id and record, sorted by id."""
        return self._backend.store.records("devices")

    def all_events(self) -> Iterator[dict[str, Any]]:
        """Yield all events in order of arrival."""
        return self._backend.store.all_events()

    def deleted_users(self) -> Iterator[str]:
        """Yield the ids whose deletion the Application API accepted, each once, sorted."""
        return self._backend.store.deleted_ids("application")

    def deleted_profiles(self) -> Iterator[str]:
        """Yield the ids whose deletion the Open API accepted, each once, sorted."""
        return self._backend.store.deleted_ids("open")

    def requests(self) -> list[dict[str, Any]]:
        """Return every request to the two APIs, in the order of the answers.

        Each has ``seq`` (serial number), ``arrived`` (Unix time), ``api``, ``operation``, ``records`` (number of
        records), ``status`` (``None`` if there was no answer) and ``fault`` (the kinds of the faults that struck it,
        joined by ``+``; ``None`` without a fault).
        """
        return self._backend.store.requests()

    def fault(self, *, kind: str, **fields: Any) -> None:
        """Make later requests fail or wait: :mod:`airflow_provider_blux.emulator.faults` lists the kinds and fields.

        :raises ValueError: the kind or a field is unknown, or a value is wrong.
        """
        self._backend.faults.add(fault_from({"kind": kind, **fields}))

    def faults(self) -> list[dict[str, Any]]:
        """Return the planned faults, each with how many matching requests it has ``seen`` and ``struck``."""
        return self._backend.faults.as_json()

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._backend.faults.clear()

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change the named settings; return all settings.

        The settings are ``police_rates``, ``limit_kind``, ``retry_after``, ``rates``, ``latency`` and ``seed``.

        :raises ValueError: there is no such setting, or its value is wrong.
        """
        self._backend.change_settings(changes)
        return self._backend.settings.as_json()

    def reset(self) -> None:
        """Delete everything received and all faults; restore the settings of the start."""
        self._backend.reset()

    @property
    def _backend(self) -> Backend:
        if not self._running:
            raise RuntimeError("The emulator is not running. Use it in a with block, or call start() first.")
        return self._running[0]

    def _address(self, port: int) -> tuple[Address, ssl.SSLContext | None]:
        names = self._names or (self._host.lower(),)
        if self._certificate is None:
            return Address(url=f"http://{names[0]}:{port}", names=names), None
        from airflow_provider_blux.emulator.certificate import certify

        context, verify = certify(self._certificate, names)
        return Address(url=f"https://{names[0]}:{port}", names=names, verify=verify), context


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> Server:
    try:
        return Server(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {port} of {host} is in use. Take another one, or 0 for a free one."
            raise OSError(errno.EADDRINUSE, message) from error
        raise OSError(f"The emulator cannot listen on {host}: {error.strerror}.") from error

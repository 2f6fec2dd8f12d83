"""The control plane under ``/_emulator/``: read received records and requests, plan faults, change settings, reset.

It also serves the web page at ``/``, for a person who wants to see what has been received.

Requests from this machine need no credentials, so any web page in a browser on this machine could try to read and
change the emulator. To prevent that, the control plane refuses a request if its ``Host`` or ``Origin`` has a host that
is neither a loopback name nor a name of the emulator.

Requests from other machines arrive only if the emulator listens on an address that is not loopback. They need the
application's id and secret key (HTTP Basic).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from airflow_provider_blux.emulator import shapes
from airflow_provider_blux.emulator.backend import Backend
from airflow_provider_blux.emulator.faults import fault_from
from airflow_provider_blux.emulator.messages import Answer, Request, Route, json_answer, text_answer
from airflow_provider_blux.emulator.shapes import RefusedError

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# The page is a single file, and sends requests only to the control plane.
_PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

# Returns an answer, or the content of one in JSON; None stands for {"message": "ok"}.
Handler = Callable[[Request], Answer | dict[str, Any] | list[Any] | None]


class Control:
    """Answers requests to the control plane."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        """Return the routes of the control plane and its page: one for each method and path."""
        backend, store = self._backend, self._backend.store
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "/", _page),
            ("POST", "/_emulator/reset", lambda _: backend.reset()),
            ("GET", "/_emulator/state", lambda _: backend.state()),
            ("GET", "/_emulator/overview", self._overview),
            ("GET", "/_emulator/requests", self._requests),
            ("GET", "/_emulator/faults", lambda _: backend.faults.as_json()),
            ("POST", "/_emulator/faults", self._add_fault),
            ("DELETE", "/_emulator/faults", lambda _: backend.faults.clear()),
            ("GET", "/_emulator/settings", lambda _: backend.settings.as_json()),
            ("PUT", "/_emulator/settings", self._change_settings),
            ("GET", "/_emulator/users/{id:path}/events", lambda request: store.events(request.parts["id"])),
            ("GET", "/_emulator/users/{id:path}", partial(self._record, "users")),
            ("GET", "/_emulator/profiles/{id:path}", partial(self._record, "profiles")),
            ("GET", "/_emulator/devices/{id:path}", partial(self._record, "devices")),
            ("GET", "/_emulator/deletions/{id:path}", lambda request: _found(store.deletion(request.parts["id"]))),
        ]
        return [Route(method, path, partial(self._answer, handler)) for method, path, handler in handlers]

    def _answer(self, handler: Handler, request: Request) -> Answer:
        try:
            self._admit(request)
            content = handler(request)
        except ValueError as error:  # such as a wrong fault or setting
            return json_answer({"message": str(error)}, 400)
        except RefusedError as refused:
            return json_answer({"message": refused.message}, refused.status, refused.headers)
        if isinstance(content, Answer):
            return content
        return json_answer({"message": "ok"} if content is None else content)

    def _admit(self, request: Request) -> None:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        names = (*_LOOPBACK, *self._backend.address.names)
        if not _leads_to(names, f"//{host}") or (origin and not _leads_to(names, origin)):
            raise RefusedError("the control plane answers this machine only", 403)
        credentials = self._backend.credentials
        pair = base64.b64encode(f"{credentials.application_id}:{credentials.secret_key}".encode()).decode()
        if not ip_address(request.peer).is_loopback and request.headers.get("Authorization") != f"Basic {pair}":
            headers = {"WWW-Authenticate": 'Basic realm="Blux emulator"'}
            raise RefusedError("the control plane asks for the application's id and secret key", 401, headers)

    def _overview(self, _: Request) -> dict[str, Any]:
        # Everything that the page shows is in one answer, so that all numbers are from the same moment.
        backend = self._backend
        return {
            **backend.state(),
            "settings": backend.settings.as_json(),
            "faults": backend.faults.as_json(),
            "latest_requests": backend.store.newest_requests(20),
            "newest_users": backend.store.newest("users", 10),
            "newest_profiles": backend.store.newest("profiles", 10),
            "connection": json.dumps(backend.credentials.connection(backend.address)),
        }

    def _requests(self, request: Request) -> list[dict[str, Any]]:
        if unknown := request.parameters().keys() - {"limit", "offset"}:
            raise RefusedError(f"{min(unknown)} is not one of the parameters limit, offset")
        return self._backend.store.requests(_whole(request, "limit", -1), _whole(request, "offset", 0))

    def _add_fault(self, request: Request) -> Answer:
        self._backend.faults.add(fault_from(shapes.parse(request.body())))
        return json_answer(self._backend.faults.as_json(), 201)

    def _change_settings(self, request: Request) -> dict[str, Any]:
        changes = shapes.parse(request.body())  # whatever its Content-Type: `curl -d` sends another one
        if not isinstance(changes, dict):
            raise RefusedError("the settings must be an object")
        self._backend.change_settings(changes)
        return self._backend.settings.as_json()

    def _record(self, kind: str, request: Request) -> dict[str, Any]:
        return _found(self._backend.store.record(kind, request.parts["id"]))


def _page(_: Request) -> Answer:
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    headers = {"content-security-policy": _PAGE_POLICY, "cache-control": "no-store"}
    return text_answer(text, "text/html; charset=utf-8", 200, headers)


def _found(record: dict[str, Any] | None) -> dict[str, Any]:
    if record is None:
        raise RefusedError("not received", 404)
    return record


def _whole(request: Request, name: str, default: int) -> int:
    given = request.parameters().get(name)
    if given is None:
        return default
    text = given[-1]
    if not (text.isascii() and text.isdecimal()) or len(text) > 15:
        raise RefusedError(f"{name} must be a whole number")
    return int(text)


def _leads_to(names: Collection[str], url: str) -> bool:
    try:
        return urlsplit(url).hostname in names
    except ValueError:
        return False

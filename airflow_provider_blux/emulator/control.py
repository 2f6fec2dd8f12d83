"""The control plane under ``/_emulator/``: look at what arrived, plan faults, change settings, start afresh.

It asks for no credentials. So it answers this machine only: a ``Host`` that is not a loopback name is refused, and so
is an ``Origin`` elsewhere; otherwise any web page open in a browser on this machine could read and change what is here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_blux.emulator import shapes
from airflow_provider_blux.emulator.backend import Backend
from airflow_provider_blux.emulator.faults import fault_from
from airflow_provider_blux.emulator.shapes import RefusedError

PREFIX: Final = "/_emulator"

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_Handler = Callable[[Request], Awaitable[Response]]


class Control:
    """Answers the control plane's requests."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        """Return the routes."""
        handlers: list[tuple[str, str, _Handler]] = [
            ("POST", "/reset", self._reset),
            ("GET", "/state", self._state),
            ("GET", "/overview", self._overview),
            ("GET", "/requests", self._requests),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/settings", self._settings),
            ("PUT", "/settings", self._change_settings),
            ("GET", "/users/{id:path}", self._user_or_events),
            ("GET", "/profiles/{id:path}", partial(self._record, "profiles")),
            ("GET", "/devices/{id:path}", partial(self._record, "devices")),
            ("GET", "/deletions/{id:path}", self._deletion),
        ]
        return [Route(PREFIX + path, _local_only(handler), methods=[method]) for method, path, handler in handlers]

    async def _reset(self, _: Request) -> Response:
        self._backend.reset()
        return _ok()

    async def _state(self, _: Request) -> Response:
        return JSONResponse(self._backend.state())

    async def _overview(self, request: Request) -> Response:
        # All that the page shows, in one answer, so that its numbers belong together.
        backend = self._backend
        url = str(request.base_url).rstrip("/")
        return JSONResponse(
            {
                **backend.state(),
                "settings": backend.settings.as_json(),
                "faults": backend.faults.as_json(),
                "latest_requests": backend.journal.newest(20),
                "newest_users": backend.model.newest("users", 10),
                "newest_profiles": backend.model.newest("profiles", 10),
                "connection": backend.credentials.connection_json(url),
            }
        )

    async def _requests(self, request: Request) -> Response:
        limit, offset = _whole(request, "limit", -1), _whole(request, "offset", 0)
        return JSONResponse(self._backend.journal.requests(limit, offset))

    async def _faults(self, _: Request) -> Response:
        return JSONResponse(self._backend.faults.as_json())

    async def _add_fault(self, request: Request) -> Response:
        try:
            fault = fault_from(await _payload(request))
        except ValueError as error:
            raise RefusedError(str(error)) from error
        self._backend.faults.add(fault)
        return JSONResponse(self._backend.faults.as_json(), 201)

    async def _clear_faults(self, _: Request) -> Response:
        self._backend.faults.clear()
        return _ok()

    async def _settings(self, _: Request) -> Response:
        return JSONResponse(self._backend.settings.as_json())

    async def _change_settings(self, request: Request) -> Response:
        changes = await _payload(request)
        if not isinstance(changes, dict):
            raise RefusedError("the settings are an object")
        try:
            self._backend.change_settings(changes)
        except ValueError as error:
            raise RefusedError(str(error)) from error
        return await self._settings(request)

    async def _user_or_events(self, request: Request) -> Response:
        if request.scope["raw_path"].endswith(b"/events"):
            return JSONResponse(self._backend.model.events(_id_in(request, suffix="/events")))
        return await self._record("users", request)

    async def _record(self, kind: str, request: Request) -> Response:
        return _found(self._backend.model.record(kind, _id_in(request)))

    async def _deletion(self, request: Request) -> Response:
        return _found(self._backend.model.deletion(_id_in(request)))


def _ok() -> Response:
    return JSONResponse({"message": "ok"})


def _found(record: dict[str, Any] | None) -> Response:
    return JSONResponse({"message": "not received"}, 404) if record is None else JSONResponse(record)


def _id_in(request: Request, suffix: str = "") -> str:
    # From the path as it was sent: there a slash within an id (%2F) and one between two names (/) still differ.
    raw = request.scope["raw_path"].decode("ascii").removeprefix(PREFIX).removesuffix(suffix)
    return unquote(raw.split("/", 2)[2])


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 15:
        raise RefusedError(f"{name} must be a whole number")
    return int(text)


async def _payload(request: Request) -> Any:
    # Whatever its Content-Type: curl -d sends another one.
    return shapes.parse(await request.body(), "application/json")


def _local_only(handler: _Handler) -> _Handler:
    async def answer(request: Request) -> Response:
        origin = request.headers.get("origin")
        if not _is_loopback(f"//{request.headers.get('host', '')}") or (origin and not _is_loopback(origin)):
            return JSONResponse({"message": "the control plane answers this machine only"}, 403)
        try:
            return await handler(request)
        except RefusedError as refused:
            return JSONResponse({"message": refused.message}, refused.status)

    return answer


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False

"""The web server, in a thread of its own. Only this module and those it serves need the extra ``emulator``."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from airflow_provider_blux.emulator import page
from airflow_provider_blux.emulator.backend import Backend
from airflow_provider_blux.emulator.connection import Connection
from airflow_provider_blux.emulator.control import Control
from airflow_provider_blux.emulator.wire import Wire

if TYPE_CHECKING:
    from starlette.requests import Request


def application(backend: Backend) -> Starlette:
    """Return the application: both APIs, the control plane and the page."""
    app = Starlette(
        routes=[*Wire(backend).routes(), *Control(backend).routes(), *page.routes()],
        exception_handlers={HTTPException: _json_error},
    )
    # A slash too many is a mistake of the client's, and a redirect would hide it.
    app.router.redirect_slashes = False
    return app


async def _json_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


class _Server(uvicorn.Server):
    """Stops at once: a client that is still there has its connection cut, a request on hold is dropped."""

    def __init__(self, backend: Backend) -> None:
        config = uvicorn.Config(
            application(backend),
            # Only this protocol knows how to cut a connection, on asyncio's own event loop.
            http=Connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)
        self._backend = backend
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._backend.stopping.set()
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.reset()
        await super().shutdown(sockets)


class Serving:
    """A server at work on a socket that is already bound; :meth:`stop` ends it and closes the socket."""

    def __init__(self, backend: Backend, sock: socket.socket) -> None:
        self._server = _Server(backend)
        self._sock = sock
        # A daemon, so that a test run that is torn down hard does not hang on it.
        self._thread = threading.Thread(target=self._run, name="blux-emulator", daemon=True)
        self._thread.start()
        self._server.settled.wait()
        if not self._server.started:
            self._thread.join()
            raise RuntimeError("the emulator's server did not start; the log says why")

    def stop(self) -> None:
        """Stop the server and wait until its thread has ended."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve([self._sock]))
        finally:
            self._sock.close()
            self._server.settled.set()

"""Connections that remember when their request arrived and can be cut, and the answers that cut them."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send
    from uvicorn.config import Config
    from uvicorn.server import ServerState

# Linger for no time at all: what was not read or sent is thrown away, and the peer gets a RST instead of a FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(H11Protocol):
    """One connection; its requests find it, and their time of arrival, in their scope's ``state``."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)

    def data_received(self, data: bytes) -> None:
        """Take the time of the first bytes of a request; uvicorn gives each request a copy of the state."""
        if self.cycle is None or self.cycle.response_complete:
            self.app_state["arrived"] = time.monotonic()
        super().data_received(data)

    def reset(self) -> None:
        """Reset the connection at once."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and not self.transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()


def connection_of(scope: Scope) -> Connection:
    """Return the connection on which a request came."""
    connection: Connection = scope["state"]["connection"]
    return connection


async def _gone(receive: Receive) -> None:
    # uvicorn takes an application that returns without an answer for broken, unless the peer is gone by then.
    while (await receive())["type"] != "http.disconnect":
        pass


class Reset(Response):
    """No answer: the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset the connection."""
        del send
        connection_of(scope).reset()
        await _gone(receive)


class Truncated(JSONResponse):
    """Half an answer: the headers promise all of the body, and the connection is closed in its middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the first half and close the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        connection_of(scope).transport.close()
        await _gone(receive)

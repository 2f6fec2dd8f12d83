"""The web server: one thread accepts connections, and each connection has a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import ssl
import struct
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread, current_thread
from typing import Any, Final

from airflow_provider_blux.emulator.backend import Backend
from airflow_provider_blux.emulator.control import Control
from airflow_provider_blux.emulator.messages import NO_BODY, Answer, Request, Route, answer, json_answer, phrase
from airflow_provider_blux.emulator.wire import Wire

log = logging.getLogger(__name__)

# With a linger time of 0, closing discards unread and unsent data, and the client gets a RST instead of a FIN.
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_MOST_DIGITS_OF_A_LENGTH: Final = 8
# The longest time that stopping waits for the thread that accepts connections.
_POLL_SECONDS: Final = 0.01


class _Connection(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    # An answer to a request line without a version also has a status and headers, unlike in HTTP/0.9.
    default_request_version = "HTTP/1.0"
    disable_nagle_algorithm = True
    timeout = 60.0
    server: Server

    def answer_request(self) -> None:
        """Answer a request whose request line and headers have been read."""
        arrived = time.monotonic()
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            return self.send_error(411)
        if not (length.isascii() and length.isdecimal()):
            return self.send_error(400)
        if len(length) > _MOST_DIGITS_OF_A_LENGTH:
            return self.send_error(413)
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path,
            query=query,
            headers=self.headers,
            peer=self.client_address[0],
            arrived=arrived,
            read=lambda: self._read(int(length)),
        )
        try:
            found = answer(self.server.routes, request)
            if found.status is not None:
                request.body()  # the unread rest of a body would be read as the next request
        except OSError:
            raise
        except Exception:
            log.exception("The emulator cannot answer a request")
            found = json_answer({"message": "Internal Server Error"}, 500)
            self.close_connection = True
        return self._send(found)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = answer_request  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a malformed or too large request with status ``code``, and close the connection."""
        del message, explain
        self.close_connection = True
        self._send(json_answer({"message": phrase(code)}, code))
        # Closing a connection with unread data would reset it, and the answer would be lost.
        socket.socket.shutdown(self.connection, socket.SHUT_WR)
        self.connection.settimeout(1)
        while self.rfile.read(8192):
            pass

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Log nothing, because the store records every request."""

    def _read(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the client has hung up within its request")
        return body

    def _send(self, found: Answer) -> None:
        status, body = found.status, found.body
        if status is None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            return
        headers = {"date": self.date_time_string(), "connection": "close" if self.close_connection else "keep-alive"}
        if status in NO_BODY:
            body = b""
        else:
            headers["content-length"] = str(len(body))
        if found.is_truncated:
            body, self.close_connection = body[: len(body) // 2], True
        lines = [f"HTTP/1.1 {status} {phrase(status)}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **found.headers}.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        # In one write: a second packet might wait until the client acknowledges the first.
        self.wfile.write(head if self.command == "HEAD" else head + body)


class Server(ThreadingHTTPServer):
    """A server that listens as soon as it is created, and answers requests from :meth:`start` until :meth:`stop`.

    :raises OSError: the port is in use, or there is no such address.
    """

    request_queue_size = 1024
    routes: Sequence[Route] = ()

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), _Connection)
        self._connections: dict[Thread, socket.socket] = {}
        # A daemon thread, like the threads of the connections, so that an aborted test run does not wait for it.
        self._thread = Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="blux-emulator", daemon=True)

    def server_bind(self) -> None:
        """Bind the socket. Unlike the base class, do not look up the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)

    def start(self, backend: Backend, context: ssl.SSLContext | None) -> None:
        """Start a thread that answers requests, over TLS if there is a ``context``; return at once."""
        if context:
            # A client that does not finish the TLS handshake blocks only the thread of its own connection.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._backend = backend
        self.routes = [*Wire(backend).routes(), *Control(backend).routes()]
        self._thread.start()

    def stop(self) -> None:
        """Stop at once: reset connections, drop delayed requests, end all threads and close all sockets."""
        self._backend.stopping.set()
        self.shutdown()
        self._thread.join()
        open_connections = list(self._connections.items())
        for _, connection in open_connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                # Ends a pending read without sending anything. `SSLSocket.shutdown` would drop the TLS state that the
                # reading thread still uses.
                socket.socket.shutdown(connection, socket.SHUT_RD)
        for thread, _ in open_connections:
            if thread.is_alive():  # a thread that failed to start cannot be joined
                thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection."""
        thread = Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="blux-emulator-connection",
            daemon=True,
        )
        self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of a connection until it is closed."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.pop(current_thread(), None)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection without the shutdown of the base class.

        A shutdown sends a FIN. A connection that is to be reset must send nothing before its RST.
        """
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the error of a connection, except an ``OSError``: the client may close its connection at any time."""
        del request, client_address
        if not isinstance(error := sys.exception(), OSError):
            log.error("The emulator cannot serve a connection", exc_info=error)

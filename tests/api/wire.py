"""Servers with given answers, byte by byte, and a tunnelling proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SECONDS = 10
_END_OF_HEAD = b"\r\n\r\n"


class Wire:
    """The connections and requests of a server.

    ``requests`` holds complete requests, each with the number of its connection. ``hung_up`` is released when the
    server itself has closed a connection.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[tuple[int, bytes]] = []
        self.connections = 0
        self.hung_up = threading.Semaphore(0)

    @property
    def over(self) -> list[int]:
        """The number of the connection of each request."""
        return [number for number, _ in self.requests]


@contextmanager
def answering(
    *answers: bytes, hang_up: bool = False, tls: ssl.SSLContext | None = None, after: threading.Event | None = None
) -> Iterator[Wire]:
    """Serve one answer for each request; after the last answer, repeat it.

    :param after: event without which no request is answered.
    :param hang_up: whether every connection is closed after its first answer, without ``Connection: close``.
    """

    def serve(client: socket.socket, wire: Wire, number: int) -> None:
        if tls is not None:
            client = tls.wrap_socket(client, server_side=True)
        with client:
            while request := _request(client):
                wire.requests.append((number, request))
                if after is not None and not after.wait(SECONDS):
                    break
                client.sendall(answers[min(len(wire.requests), len(answers)) - 1])
                if hang_up:
                    break
        wire.hung_up.release()

    with _listening(serve) as wire:
        yield wire


@contextmanager
def tunnelling(answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> Iterator[Wire]:
    """Run a proxy that answers ``CONNECT`` with ``answer`` and then forwards bytes in both directions."""

    def serve(client: socket.socket, wire: Wire, number: int) -> None:
        with client:
            head = _request(client)
            wire.requests.append((number, head))
            client.sendall(answer)
            host, _, port = head.split()[1].decode().rpartition(":")
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=SECONDS) as server:
                back = threading.Thread(target=_carry, args=(server, client))
                back.start()
                _carry(client, server)
                back.join()

    with _listening(serve) as wire:
        yield wire


@contextmanager
def refusing_early(answer: bytes) -> Iterator[int]:
    """Answer after the headers of a request, do not read its body, and close the connection; yield the port."""

    def serve(client: socket.socket, wire: Wire, number: int) -> None:
        with client:
            client.recv(1024)
            client.sendall(answer)

    with _listening(serve) as wire:
        yield wire.port


@contextmanager
def ignoring() -> Iterator[int]:
    """Accept connections and read nothing from them; yield the port."""
    is_over = threading.Event()

    def serve(client: socket.socket, wire: Wire, number: int) -> None:
        with client:
            is_over.wait()

    with _listening(serve) as wire:
        try:
            yield wire.port
        finally:
            is_over.set()


@contextmanager
def dripping(beginning: bytes) -> Iterator[int]:
    """Answer each request with ``beginning``, then with single bytes at intervals, endlessly; yield the port."""
    is_over = threading.Event()

    def serve(client: socket.socket, wire: Wire, number: int) -> None:
        with client:
            _request(client)
            client.sendall(beginning)
            while not is_over.wait(0.05):
                client.sendall(b"x")

    with _listening(serve) as wire:
        try:
            yield wire.port
        finally:
            is_over.set()


@contextmanager
def _listening(serve: Callable[[socket.socket, Wire, int], None]) -> Iterator[Wire]:
    threads, clients = [], []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1])

        def accept() -> None:
            while True:
                client, _ = listener.accept()
                if is_over.is_set():
                    client.close()
                    return
                wire.connections += 1
                client.settimeout(SECONDS)
                clients.append(client)
                threads.append(threading.Thread(target=_quietly, args=(serve, client, wire, wire.connections)))
                threads[-1].start()

        is_over = threading.Event()
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield wire
        finally:
            is_over.set()
            socket.create_connection(("127.0.0.1", wire.port)).close()
            acceptor.join()
            for client in clients:  # a stored error keeps the connections of its client open
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _quietly(serve: Callable[[socket.socket, Wire, int], None], *args: object) -> None:
    with suppress(OSError):  # the client has turned away
        serve(*args)  # type: ignore[arg-type]


def _request(client: socket.socket) -> bytes:
    received = b""
    while not _is_whole(received):
        if not (more := client.recv(65_536)):
            return b""
        received += more
    return received


def _is_whole(received: bytes) -> bool:
    head, found, body = received.partition(_END_OF_HEAD)
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(found) and len(body) >= int((lengths or [b"0"])[0])


def _carry(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)

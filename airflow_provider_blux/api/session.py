"""A ``requests.Session`` whose connections report the start and the end of writing a request.

The rate limiter needs the start of writing, since opening a connection takes time. The end matters because only a
completely written request may have been processed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from socket import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_provider_blux.exceptions import BluxConfigError


class Departure:
    """The callbacks for writing one request.

    :param timeout: maximum time for writing the request, in seconds.
    :param on_leaving: called when the connection is open, just before the request is written.
    :param on_left: called when the whole request is written, before the answer is read.
    """

    def __init__(self, timeout: float, on_leaving: Callable[[], None], on_left: Callable[[], None]) -> None:
        self.timeout = timeout
        self._on_leaving = on_leaving
        self._on_left = on_left
        self.has_begun = False
        self.has_ended = False

    def begin(self) -> None:
        """Store that the request is about to be written, and call ``on_leaving``; called by the connection."""
        self.has_begun = True
        self._on_leaving()

    def end(self) -> None:
        """Store that the whole request is written, and call ``on_left``; called by the connection."""
        self.has_ended = True
        self._on_left()


# The request of the current thread. A context variable, since `requests` cannot pass objects to the connection.
_departure: ContextVar[Departure] = ContextVar("departure")


@contextmanager
def reporting_to(departure: Departure) -> Iterator[None]:
    """Within the context, call ``departure`` before and after this thread writes a request of a :func:`session`.

    Such a request can be sent only within this context.

    :param departure: its method ``begin`` is called before, ``end`` after the write.
    """
    token = _departure.set(departure)
    try:
        yield
    finally:
        _departure.reset(token)


def session(pool_size: int) -> requests.Session:
    """Return a new session. Its requests must be sent within ``with reporting_to(...)``.

    :param pool_size: maximum number of unused connections to each host that are kept open.
    """
    new = _Session()
    for scheme in ("http://", "https://"):
        new.mount(scheme, _Adapter(pool_maxsize=pool_size))
    return new


class _Session(requests.Session):
    """A session that reads no ``Location``: it may be one that ``requests`` cannot parse, such as a URL in EUC-KR."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return ``None``, since redirects are never followed."""


class _Answer(HTTPResponse):
    """An answer that must arrive completely within the time-out of the socket. Interim answers (1xx) are skipped."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_UntilDeadline(sock))

    def begin(self) -> None:
        """Read the answer up to the end of its headers."""
        super().begin()
        while self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _UntilDeadline(io.RawIOBase):
    """Reads from a socket until a deadline, which also holds if the answer arrives in small parts.

    :param sock: its time-out, which every connection has, tells how far off the deadline is.
    """

    def __init__(self, sock: socket) -> None:
        self._deadline = time.monotonic() + sock.gettimeout()  # type: ignore[operator]
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer was not complete in time.")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _ReportsDeparture:
    """Mixin for HTTP and TLS connections: writes each request in one call.

    Before and after this call it calls ``begin`` and ``end`` of the :class:`Departure` given to :func:`reporting_to`.
    """

    response_class = _Answer
    sock: socket | None
    _parts: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        departure = _departure.get()
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        self._parts = []
        try:
            super().request(*args, **kwargs)  # type: ignore[misc]
        finally:
            parts, self._parts = self._parts, None
        self.sock.settimeout(departure.timeout)  # type: ignore[union-attr]
        departure.begin()
        self.send(b"".join(parts))
        departure.end()

    def send(self, data: Any) -> None:
        if self._parts is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._parts.append(data)


class _Connection(_ReportsDeparture, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_ReportsDeparture, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):
            raise BluxConfigError(
                "The environment names a SOCKS proxy for requests to Blux, and only HTTP proxies are supported. Name "
                "one in HTTPS_PROXY (HTTP_PROXY for a plain http URL, ALL_PROXY for both), or the host of the API in "
                "NO_PROXY."
            )
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

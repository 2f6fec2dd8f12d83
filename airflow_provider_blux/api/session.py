"""A ``requests.Session`` whose connections report when a request leaves and when all of it has left.

The rate limiter counts from when a request leaves, since making a connection takes time; and only a request that has
left as a whole may have been processed. No redirect is followed, no cookie kept and no ``.netrc`` read.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_provider_blux.exceptions import BluxConfigError


class Departure:
    """The departure of one request.

    :param timeout: seconds that it may take to write it.
    :param on_leaving: called when there is a connection and the request is about to be written to it.
    :param on_left: called when all of it is written, before its answer is waited for.
    """

    def __init__(self, timeout: float, on_leaving: Callable[[], None], on_left: Callable[[], None]) -> None:
        self.timeout = timeout
        self._on_leaving = on_leaving
        self._on_left = on_left
        self.has_begun = False
        self.has_ended = False

    def begin(self) -> None:
        """Report that the request leaves."""
        self.has_begun = True
        self._on_leaving()

    def end(self) -> None:
        """Report that the request has left."""
        self.has_ended = True
        self._on_left()


# The request that this thread sends: `requests` has no way to hand something on to the connection.
_departure: ContextVar[Departure] = ContextVar("departure")


@contextmanager
def reporting_to(departure: Departure) -> Iterator[None]:
    """Have the connection report to ``departure`` what is sent meanwhile by this thread."""
    token = _departure.set(departure)
    try:
        yield
    finally:
        _departure.reset(token)


def session(*, pool_size: int, hosts: int = 1) -> requests.Session:
    """Return a new session.

    :param pool_size: connections kept open to each host.
    :param hosts: how many hosts there are.
    """
    new = requests.Session()
    new.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("http://", "https://"):
        new.mount(scheme, _Adapter(pool_connections=hosts, pool_maxsize=pool_size))
    return new


class _Answer(HTTPResponse):
    """An answer that must be whole within the time-out of its socket. Interim answers (1xx) are passed over."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_ReadOnce(sock), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read up to the end of the headers."""
        super().begin()
        while 100 <= self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _ReadOnce:
    """A socket that one answer is read from."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a file that ends when the time-out of the socket, counted from now, has passed."""
        return io.BufferedReader(_UntilDeadline(self._sock))


class _UntilDeadline(io.RawIOBase):
    """Reads from a socket until a deadline, in however small pieces the answer comes."""

    def __init__(self, sock: socket) -> None:
        timeout = sock.gettimeout()
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._has_begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._has_begun and self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("The answer is not whole in time.")
            self._sock.settimeout(left)
        self._has_begun = True
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _ReportsDeparture:
    """What both kinds of connections have in common: a request leaves in one write, reported before and after."""

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

    def close(self) -> None:
        # `requests` leaves that to the garbage collector, and an error that is still looked at keeps its pool alive.
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated
                if (pool := manager.pools.get(key)) is not None:
                    pool.close()
        super().close()

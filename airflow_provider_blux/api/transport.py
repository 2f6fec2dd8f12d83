"""Connections that tell when a request leaves and when it has left.

The pace counts from when a request leaves, not from when it was allowed to: making a connection takes time. Whether it
has left as a whole decides whether it may have arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_blux.exceptions import BluxConfigError

_thread = threading.local()


@contextmanager
def telling(*, on_leaving: Callable[[], None], on_left: Callable[[], None]) -> Iterator[None]:
    """Call back about the request that this thread makes meanwhile: before its first byte and after its last."""
    _thread.on_leaving, _thread.on_left = on_leaving, on_left
    try:
        yield
    finally:
        del _thread.on_leaving, _thread.on_left


def _tell(moment: str) -> None:
    if callback := getattr(_thread, moment, None):
        callback()


class _Telling(HTTPConnection):
    # The head of a request until its body comes, so that both leave in one write: a third of the time in the kernel.
    _head: bytes | None = None
    _is_head = False

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:  # else made by the first byte
            self.connect()
        # Before the write rather than after it, which a busy interpreter may come to long after the bytes are gone.
        _tell("on_leaving")
        self._head, self._is_head = None, True
        try:
            super().endheaders(*args, **kwargs)
        finally:
            self._is_head = False

    def send(self, data: Any) -> None:
        if self._is_head:
            self._head, self._is_head = data, False
            return
        head, self._head = self._head, None
        super().send(data if head is None else head + data)

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        if self._head is not None:  # a request without a body
            self.send(b"")
        _tell("on_left")
        return super().getresponse(*args, **kwargs)


class _TellingTLS(_Telling, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _Telling


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TellingTLS


class Transport(HTTPAdapter):
    """The transport of ``requests``, without redirects, cookies or ``.netrc``, which its sessions would add.

    All requests to a URL have the same proxy and certificates, so what follows from those is found once for each.
    """

    def __init__(self, **pools: Any) -> None:
        super().__init__(**pools)
        self._pools: dict[str | None, Any] = {}
        self._paths: dict[str | None, str] = {}
        self._told: set[tuple[Any, ...]] = set()

    def get_connection_with_tls_context(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of connections for a request."""
        if request.url not in self._pools:
            self._pools[request.url] = super().get_connection_with_tls_context(request, *args, **kwargs)
        return self._pools[request.url]

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Tell a pool which certificates to trust and to show, once."""
        if (key := (conn, url, verify, cert)) not in self._told:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            self._told.add(key)

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """Return what stands in the first line of a request."""
        if request.url not in self._paths:
            self._paths[request.url] = super().request_url(request, proxies)
        return self._paths[request.url]

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Return the response without what nobody reads: cookies, an encoding, a history."""
        response = Response()
        response.status_code, response.headers, response.raw, response.request = resp.status, resp.headers, resp, req
        return response

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections that tell."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy, which tell as well.

        :raises BluxConfigError: it is a SOCKS proxy, whose connections cannot tell.
        """
        if proxy.lower().startswith("socks"):
            raise BluxConfigError(
                "The environment names a SOCKS proxy for requests to Blux, and only HTTP proxies are supported. Name "
                "one in HTTPS_PROXY (HTTP_PROXY for a plain http URL, ALL_PROXY for both), or the host of the API in "
                "NO_PROXY."
            )
        manager = super().proxy_manager_for(proxy, *args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}

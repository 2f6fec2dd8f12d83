"""Connections that tell when a request leaves and when it has left.

The pace counts from when a request leaves, not from when it was allowed to: making a connection takes time. Whether it
has left as a whole decides whether it may have arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:  # else made by the first byte
            self.connect()
        # Before the write rather than after it, which a busy interpreter may come to long after the bytes are gone.
        _tell("on_leaving")
        super().endheaders(*args, **kwargs)

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        _tell("on_left")
        return super().getresponse(*args, **kwargs)


class _TellingTLS(_Telling, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _Telling


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TellingTLS


class Transport(HTTPAdapter):
    """The transport of ``requests``, without redirects, cookies or ``.netrc``, which its sessions would add."""

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

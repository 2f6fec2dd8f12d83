"""The way to one URL: a request leaves in one write over a connection that is kept, and its answer is read.

``requests`` finds out about proxies and certificates and ``urllib3`` makes and keeps the connections. What goes over
them is written and read here, in a third of the time that the two would take for it. It also tells the two moments
that a delivery lives by: the pace counts from when a request leaves, not from when it was allowed to (making a
connection takes time), and only one that has left as a whole may have arrived.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.proxy import connection_requires_http_tunnel

from airflow_provider_blux.exceptions import BluxConfigError

if TYPE_CHECKING:
    from socket import socket

    from urllib3.connection import HTTPConnection

CONNECT_TIMEOUT = 10.0
_MOST_OF_AN_ANSWER = 65_536
_ACCEPTED = (b"http/1.1 200 ", b"http/1.1 202 ")
_NO_FIELDS = Message()
_CLOSER_LOOK = frozenset({b"connection", b"transfer-encoding"})


class Answer(NamedTuple):
    """The answer to one request, as much of it as matters: nothing but the status of one that accepts it."""

    status: int
    headers: Message
    body: bytes


class Route:
    """The way to one URL; safe to use from many threads.

    :param blank: a request to it without a body.
    :param proxies: by scheme, as ``requests`` has them.
    :param verify: path of a CA bundle; ``True`` for the system's.
    """

    def __init__(
        self, transport: Transport, blank: PreparedRequest, proxies: MutableMapping[str, str], verify: Any
    ) -> None:
        url = blank.url or ""
        self.host = urlsplit(url).netloc
        # Its `urlopen` is what costs. Its other parts, those of subclasses, are the same since urllib3 1.26.
        pool: Any = transport.get_connection_with_tls_context(blank, verify, proxies)
        transport.cert_verify(pool, url, verify, None)  # type: ignore[no-untyped-call]
        headers = {"Host": self.host, "Accept-Encoding": "identity", **blank.headers}
        self._pool = pool
        self.is_proxied = pool.proxy is not None
        self._tunnels = connection_requires_http_tunnel(pool.proxy, pool.proxy_config, pool.scheme)
        if self.is_proxied and not self._tunnels:
            headers |= pool.proxy_headers
        del headers["Content-Length"]
        lines = [f"POST {transport.request_url(blank, proxies)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")

    def exchange(
        self, body: bytes, *, timeout: float, on_leaving: Callable[[], None], on_left: Callable[[], None]
    ) -> Answer:
        """Send a request and return what is answered.

        :param timeout: seconds to wait for an answer.
        :param on_leaving: called when there is a connection and the request is about to be written to it.
        :param on_left: called when all of it is written, before its answer is waited for.
        :raises OSError: or an ``HTTPException`` or ``urllib3``'s ``HTTPError``: there is no answer.
        """
        connection = self._pool._get_conn()
        try:
            if connection.sock is None:
                self._connect(connection)
            connection.sock.settimeout(timeout)
            # Before the write rather than after it, which a busy interpreter may come to long after the bytes are gone.
            on_leaving()
            with suppress(BrokenPipeError):  # who refuses a body for its length may answer before its end
                connection.sock.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            on_left()
            answer = _answer(connection)
        except BaseException:
            connection.close()
            raise
        finally:
            self._pool._put_conn(connection)  # a closed one connects again
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _connect(self, connection: HTTPConnection) -> None:
        connection.timeout = CONNECT_TIMEOUT
        if self._tunnels:
            self._pool._prepare_proxy(connection)
        else:
            connection.connect()


def _answer(connection: HTTPConnection) -> Answer:
    """Read an answer. One that breaks off keeps its status, and the status says all that is needed."""
    begun = connection.sock.recv(_MOST_OF_AN_ANSWER)
    if accepted := _accepted(begun):
        return accepted
    with HTTPResponse(_Begun(connection.sock, begun), method="POST") as response:  # type: ignore[arg-type]
        response.begin()
        body, is_whole = b"", False
        with suppress(HTTPException, OSError):
            body = response.read(_MOST_OF_AN_ANSWER)
            is_whole = not response.read(1)
        if response.will_close or not is_whole:
            connection.close()
        if "Content-Encoding" in response.headers:  # nobody has asked for one
            body = b""
        return Answer(response.status, response.headers, body)


def _accepted(answer: bytes) -> Answer | None:
    """Return the answer that nearly all are; ``None`` for any other, and whatever is not whole and plain.

    It saves a twelfth of the CPU of a delivery: the library reads the fields of every answer as those of an e-mail.
    """
    head, end, body = answer.lower().partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    if not end or not status.startswith(_ACCEPTED):
        return None
    named = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    lengths = [value for name, value in named if name == b"content-length"]
    if lengths != [b"%d" % len(body)] or any(name in _CLOSER_LOOK for name, _ in named):
        return None
    return Answer(int(status[9:12]), _NO_FIELDS, b"")


class _Begun(io.RawIOBase):
    """A socket of which the beginning is read already, as ``http.client`` reads one."""

    def __init__(self, sock: socket, begun: bytes) -> None:
        self._sock = sock
        self._begun = begun

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what there is to read."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what was read before, and then what comes."""
        if not self._begun:
            return self._sock.recv_into(buffer)
        length = min(len(buffer), len(self._begun))
        buffer[:length], self._begun = self._begun[:length], self._begun[length:]
        return length


class Transport(HTTPAdapter):
    """The connections of a client, by where they lead; only ``requests``' knowledge of proxies and certificates.

    It follows no redirect, keeps no cookie and reads no ``.netrc``, as its sessions would.
    """

    def route(self, url: str, headers: Mapping[str, str], verify: str | None) -> Route:
        """Return the way to a URL, by the proxies and the certificates that the environment names.

        :param headers: what all requests to it have in common.
        :param verify: path of a CA bundle; ``None`` for what the environment names, or the system's.
        :raises BluxConfigError: there can be none by what is configured.
        """
        try:
            blank = requests.Request("POST", url, headers=dict(headers)).prepare()
            with requests.Session() as session:
                settings = session.merge_environment_settings(blank.url, {}, None, verify, None)
            return Route(self, blank, settings["proxies"], settings["verify"])
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise BluxConfigError(
                f"No request to {urlsplit(url).netloc} can be made ({type(error).__name__}). Check the URLs of the "
                "connection, its extra 'verify', and the proxies and certificates that the environment names."
            ) from error

    def proxy_manager_for(self, proxy: str, *args: Any, **kwargs: Any) -> Any:
        """Return the connections through a proxy.

        :raises BluxConfigError: it is a SOCKS proxy.
        """
        if proxy.lower().startswith("socks"):
            raise BluxConfigError(
                "The environment names a SOCKS proxy for requests to Blux, and only HTTP proxies are supported. Name "
                "one in HTTPS_PROXY (HTTP_PROXY for a plain http URL, ALL_PROXY for both), or the host of the API in "
                "NO_PROXY."
            )
        return super().proxy_manager_for(proxy, *args, **kwargs)

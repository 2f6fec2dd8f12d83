"""One request: prepared, sent, and its answer turned into nothing (accepted) or an error of our own.

No redirect is followed, no cookie kept and no ``.netrc`` read.
"""

from __future__ import annotations

import email.utils
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import msgspec
from urllib3.exceptions import HTTPError

from airflow_provider_blux import __version__, exceptions
from airflow_provider_blux.api.auth import Access
from airflow_provider_blux.api.endpoints import Api, Endpoint
from airflow_provider_blux.api.redaction import said
from airflow_provider_blux.api.transport import Answer, Route, Transport

READ_TIMEOUT = 30.0
# What a gateway or a proxy may send although the API is fine; the two pages list only 500.
_TRANSIENT_4XX = frozenset({408, 425, 429})
# A gateway that had no good answer, or none, says nothing about what became of the request behind it.
_BY_THE_GATEWAY = frozenset({502, 504})


@dataclass(frozen=True)
class Prepared:
    """A request that is ready to go, as often as it takes."""

    endpoint: Endpoint
    body: bytes = field(repr=False)


class BluxClient:
    """Sends one request at a time to the APIs; safe to use from many threads.

    :param access: how to reach each API that the connection has credentials for.
    :param timeout: seconds to wait for an answer.
    :param verify: path of a CA bundle; ``None`` for the system's.
    :param pool_size: connections kept open.
    """

    def __init__(
        self,
        access: Mapping[Api, Access],
        *,
        timeout: float = READ_TIMEOUT,
        verify: str | None = None,
        pool_size: int = 32,
    ) -> None:
        self.access = dict(access)
        self._secrets = [secret for one in self.access.values() for secret in one.secrets()]
        self.timeout = timeout
        self.verify = verify
        self._transport = Transport(pool_connections=len(self.access) or 1, pool_maxsize=pool_size)
        self._routes: dict[Endpoint, Route] = {}

    def __repr__(self) -> str:
        return f"BluxClient({', '.join(self.access)})"

    def __enter__(self) -> BluxClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for route in self._routes.values():
            route.close()
        self._transport.close()

    def address(self, endpoint: Endpoint) -> str:
        """Return the URL of an endpoint."""
        return self.access[endpoint.api].address(endpoint.path)

    def prepare(self, endpoint: Endpoint, records: Sequence[Any], *, are_checked: bool = False) -> Prepared:
        """Encode the body that carries ``records``.

        :param are_checked: whether they are what the shapes of ``records/`` made: encoded already, or text. The rest
            takes a sixth of the time, by an encoder that would make null of NaN.
        :raises ValueError: for a number that is not finite; for another type than JSON's a ``TypeError``.
        """
        document = endpoint.body(records)
        if are_checked:
            body = msgspec.json.encode(document)
        else:
            body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        return Prepared(endpoint, body)

    def send(
        self,
        prepared: Prepared,
        *,
        on_leaving: Callable[[], None] = lambda: None,
        on_left: Callable[[], None] = lambda: None,
    ) -> int:
        """Send one request; return the status with which the API has accepted it.

        :param on_leaving: called when there is a connection and the request is about to be written to it.
        :param on_left: called when all of it is written, before its answer is waited for.
        :raises BluxApiError: what the API or the way to it answered, see :mod:`airflow_provider_blux.exceptions`.
        :raises BluxConfigError: for a redirect or a certificate that is not trusted.
        """
        route = self._route(prepared.endpoint)
        leaves = has_left = False

        def leaving() -> None:
            nonlocal leaves
            leaves = True
            on_leaving()

        def left() -> None:
            nonlocal has_left
            has_left = True
            on_left()

        try:
            answer = route.exchange(prepared.body, timeout=self.timeout, on_leaving=leaving, on_left=left)
        except (OSError, HTTPException, HTTPError) as error:
            if leaves:
                raise self._no_answer(error, prepared.endpoint, route, in_doubt=has_left) from error
            raise _no_connection(error, prepared.endpoint, route) from error
        if 200 <= answer.status < 300:
            return answer.status
        words = said(answer.body, json.loads(prepared.body), self._secrets)
        raise _refusal(answer, words, prepared.endpoint)

    def _route(self, endpoint: Endpoint) -> Route:
        if endpoint not in self._routes:
            headers = {
                "Authorization": self.access[endpoint.api].authorization(),
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": f"airflow-provider-blux/{__version__}",
            }
            self._routes[endpoint] = self._transport.route(self.address(endpoint), headers, self.verify)
        return self._routes[endpoint]

    def _no_answer(self, error: Exception, endpoint: Endpoint, route: Route, *, in_doubt: bool) -> exceptions.BluxError:
        """Map what happened to a request while it was written, or after.

        :param in_doubt: whether all of it has left.
        """
        if in_doubt and isinstance(error, TimeoutError):
            words = f"No answer to {endpoint} from {route.host} within {self.timeout:g} s."
        else:
            words = f"The connection to {route.host} broke during {endpoint}."
        return exceptions.BluxUnavailable(words, in_doubt=in_doubt)


def _no_connection(error: Exception, endpoint: Endpoint, route: Route) -> exceptions.BluxError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return exceptions.BluxConfigError(
            f"The certificate of the {endpoint.api} API's host is not trusted. Name the CA bundle to trust in the "
            "connection extra 'verify'; verification cannot be switched off."
        )
    way = " through the proxy that the environment names" if route.is_proxied else ""
    return exceptions.BluxUnavailable(f"No connection to {route.host}{way} for {endpoint} ({type(error).__name__}).")


def _refusal(answer: Answer, words: str, endpoint: Endpoint) -> exceptions.BluxError:
    """Map a status outside 2xx to an error. An answer leaves nothing in doubt, unless it is only the gateway's."""
    status = answer.status
    quoted = f': "{words}"' if words else ""
    answered = f"Blux answered {status} to {endpoint}{quoted}."
    if status < 400:
        redirected = exceptions.BluxConfigError(
            f"{answered} Redirects are never followed, they would carry the key to another host. "
            "Set the final URL in the connection."
        )
        redirected.status = status
        return redirected
    if status in (401, 403):
        return exceptions.BluxAuthError(answered, status=status, words=words)
    if status >= 500 or status in _TRANSIENT_4XX:
        retry_after = _retry_after(answer.headers.get("Retry-After"))
        in_doubt = status in _BY_THE_GATEWAY
        return exceptions.BluxUnavailable(
            answered, status=status, words=words, retry_after=retry_after, in_doubt=in_doubt
        )
    return exceptions.BluxRequestError(answered, status=status, words=words)


def _retry_after(header: str | None) -> float | None:
    """Return the seconds that ``Retry-After`` asks for: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(seconds, threading.TIMEOUT_MAX / 2) if 0 <= seconds < float("inf") else None

"""One request: prepared, sent, and its answer turned into nothing (accepted) or an error of our own.

No redirect is followed, no cookie kept and no ``.netrc`` read: requests go through the transport adapter itself.
"""

from __future__ import annotations

import email.utils
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from requests import exceptions as transport
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from airflow_provider_blux import __version__, exceptions
from airflow_provider_blux.api.access import Access
from airflow_provider_blux.api.endpoints import Api, Endpoint
from airflow_provider_blux.api.transport import Transport, telling
from airflow_provider_blux.api.words import said

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
_MOST_OF_AN_ANSWER = 65_536
# What a gateway or a proxy may send although the API is fine; the two pages list only 500.
_TRANSIENT_4XX = frozenset({408, 425, 429})
# A gateway that had no good answer, or none, says nothing about what became of the request behind it.
_BY_THE_GATEWAY = frozenset({502, 504})


@dataclass(frozen=True)
class Prepared:
    """A request that is ready to go, as often as it takes."""

    endpoint: Endpoint
    request: requests.PreparedRequest = field(repr=False)
    document: dict[str, Any] = field(repr=False)


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
        self._blank: dict[Endpoint, requests.PreparedRequest] = {}
        self._settings: dict[Api, Any] = {}

    def __repr__(self) -> str:
        return f"BluxClient({', '.join(self.access)})"

    def __enter__(self) -> BluxClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def prepare(self, endpoint: Endpoint, records: Sequence[Any], *, are_checked: bool = False) -> Prepared:
        """Encode the body that carries ``records``.

        :param are_checked: whether they are what the shapes of ``records/`` made: nothing but JSON's own types,
            every number finite. They are encoded in a sixth of the time, by an encoder that would make null of NaN.
        :raises ValueError: for a number that is not finite; for another type than JSON's a ``TypeError``.
        """
        document = endpoint.body(records)
        if are_checked:
            body = msgspec.json.encode(document)
        else:
            body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        request = self._blank_request(endpoint).copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        return Prepared(endpoint, request, document)

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
        has_left = False

        def left() -> None:
            nonlocal has_left
            has_left = True
            on_left()

        try:
            with telling(on_leaving=on_leaving, on_left=left):
                response = self._transport.send(
                    prepared.request,
                    stream=True,
                    timeout=(CONNECT_TIMEOUT, self.timeout),
                    **self._settings_of(prepared),
                )
        except transport.RequestException as error:
            raise _no_answer(error, prepared, self.timeout, in_doubt=has_left) from error
        with response:
            answer = _read(response)
            if 200 <= response.status_code < 300:
                return response.status_code
            words = said(answer, prepared.document, self._secrets)
            raise _refusal(response, words, prepared.endpoint)

    def _settings_of(self, prepared: Prepared) -> dict[str, Any]:
        """Return proxies and certificates as the environment has them, read once an API."""
        api = prepared.endpoint.api
        if api not in self._settings:
            with requests.Session() as session:
                settings = session.merge_environment_settings(prepared.request.url, {}, None, self.verify, None)
            self._settings[api] = {key: settings[key] for key in ("proxies", "verify", "cert")}
        return self._settings[api]  # type: ignore[no-any-return]

    def _blank_request(self, endpoint: Endpoint) -> requests.PreparedRequest:
        """Return the endpoint's request without a body; most of what preparing costs is the same every time."""
        if endpoint not in self._blank:
            access = self.access[endpoint.api]
            headers = {
                "Authorization": access.authorization(),
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": f"airflow-provider-blux/{__version__}",
            }
            self._blank[endpoint] = requests.Request("POST", access.address(endpoint.path), headers=headers).prepare()
        return self._blank[endpoint]


def _read(response: requests.Response) -> bytes:
    """Read the answer, so that the connection can be used again.

    An answer that breaks off keeps its status, and the status says all that is needed.
    """
    try:
        answer: bytes = response.raw.read(_MOST_OF_AN_ANSWER, decode_content=True)
        if response.raw.read(1):
            response.close()
    except (HTTPError, OSError):
        return b""
    return answer


def _refusal(response: requests.Response, words: str, endpoint: Endpoint) -> exceptions.BluxError:
    """Map a status outside 2xx to an error. An answer leaves nothing in doubt, unless it is only the gateway's."""
    status = response.status_code
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
        retry_after = _retry_after(response.headers.get("Retry-After"))
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


def _no_answer(error: Exception, prepared: Prepared, timeout: float, *, in_doubt: bool) -> exceptions.BluxError:
    """Map a failure of the transport.

    :param in_doubt: whether the request had left.
    """
    endpoint, host = prepared.endpoint, urlsplit(prepared.request.url or "").netloc
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(error, transport.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return exceptions.BluxConfigError(
            f"The certificate of the {endpoint.api} API's host is not trusted. Name the CA bundle to trust in the "
            "connection extra 'verify'; verification cannot be switched off."
        )
    if isinstance(error, transport.ReadTimeout):
        words = f"No answer to {endpoint} from {host} within {timeout:g} s."
        return exceptions.BluxUnavailable(words, in_doubt=in_doubt)
    if isinstance(error, transport.ConnectTimeout | transport.ProxyError) or isinstance(reason, NewConnectionError):
        return exceptions.BluxUnavailable(f"No connection to {host} for {endpoint} ({type(reason or error).__name__}).")
    if in_doubt or isinstance(error, transport.ConnectionError):
        return exceptions.BluxUnavailable(f"The connection to {host} broke during {endpoint}.", in_doubt=in_doubt)
    return exceptions.BluxConfigError(
        f"No request to {endpoint} could be made ({type(error).__name__}). Check the URLs of the connection."
    )

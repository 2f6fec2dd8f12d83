"""Sends one request with ``requests``, and returns the status of an accepted request or raises a ``BluxError``."""

from __future__ import annotations

import email.utils
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError, NameResolutionError

from airflow_provider_blux import __version__, exceptions
from airflow_provider_blux.api.auth import Access
from airflow_provider_blux.api.endpoints import Api, Endpoint
from airflow_provider_blux.api.redaction import redacted_message
from airflow_provider_blux.api.retry import LONGEST_RETRY_AFTER
from airflow_provider_blux.api.session import Departure, reporting_to, session

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
_MOST_OF_AN_ANSWER = 65_536
_ACCEPTED = frozenset({200, 201, 202, 204})
# Statuses that a gateway or a proxy may send for a temporary fault. The documentation of the APIs lists only 500.
_TRANSIENT_4XX = frozenset({408, 409, 423, 425, 429})
# With these statuses of a gateway it is unknown whether the API behind it has processed the request. 520 and 524 are
# Cloudflare's: the server behind it gave an unreadable answer, or none in time.
_BY_THE_GATEWAY = frozenset({502, 504, 520, 524})
# Errors of opening a connection. The time-out of a TLS handshake, or of a proxy's answer, is that of a read.
_WITHOUT_CONNECTION = (requests.ConnectionError, requests.Timeout)
# The connection field with the URL of each API.
_WHERE: dict[Api, str] = {"application": "host (Application API URL)", "open": "extra open_api_url (Open API URL)"}
NOT_FOUND: dict[Api, str] = {
    "application": "The URL lacks its path (/prod), or the application id is wrong: check host (Application API URL) "
    "and login (Application ID) of the connection.",
    "open": "Check the extras open_api_url (Open API URL) and project_id (Project ID) of the connection.",
}
PROXIES = "the proxies that the environment names"
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
# The text of the error of `http.client` for a proxy that opens no tunnel to the host.
_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: (\d{3})\b")
_SECONDS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


class Request(NamedTuple):
    """One request. A retry sends the same object again.

    :param body: JSON, from :meth:`airflow_provider_blux.api.endpoints.Endpoint.body`.
    """

    endpoint: Endpoint
    body: bytes

    def __repr__(self) -> str:
        return f"Request({self.endpoint}, {len(self.body):,} bytes)"


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("Content-Type", "").lower() or _HTML.match(self.body) is not None


class _Route(NamedTuple):
    """The parts that all requests to one endpoint have in common.

    :param blank: a prepared request with URL and headers, but without a body.
    :param settings: the proxy and certificate settings, as arguments of ``requests.Session.send``.
    """

    blank: requests.PreparedRequest
    settings: Mapping[str, Any]

    @property
    def host(self) -> str:
        return urlsplit(self.blank.url or "").netloc

    @property
    def is_proxied(self) -> bool:
        return select_proxy(self.blank.url or "", dict(self.settings["proxies"])) is not None


class BluxClient:
    """Sends requests to the APIs, without retries and rate limits. Safe to use from many threads.

    :param access: URL and credentials of each API that the connection has credentials for.
    :param timeout: maximum time in seconds for writing a request, and again for receiving the complete answer.
    :param verify: path of a CA bundle. ``None`` for the path in the environment variable ``REQUESTS_CA_BUNDLE`` or
        ``CURL_CA_BUNDLE``, or else for the bundle of ``certifi``.
    :param pool_size: maximum number of unused connections to each API that are kept open.
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
        self._secrets = [one.key for one in self.access.values()]
        self.timeout = timeout
        self.verify = verify
        self._session = session(pool_size)
        self._routes: dict[Endpoint, _Route] = {}

    def __repr__(self) -> str:
        return f"BluxClient({', '.join(self.access)})"

    def __enter__(self) -> BluxClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def address(self, endpoint: Endpoint) -> str:
        """Return the URL of an endpoint."""
        return self.access[endpoint.api].address(endpoint.path)

    def send(
        self,
        request: Request,
        *,
        on_leaving: Callable[[], None] = lambda: None,
        on_left: Callable[[], None] = lambda: None,
    ) -> int:
        """Send one request and return the HTTP status, which is 200, 201, 202 or 204.

        :param on_leaving: called when the connection is open, just before the request is written.
        :param on_left: called when the whole request is written, before the answer is read.
        :raises BluxApiError: there was no answer, or the answer does not accept the request. The subclasses are in
            :mod:`airflow_provider_blux.exceptions`.
        :raises BluxConfigError: for a redirect, a certificate that is not trusted, or a proxy that cannot be used.
        """
        try:
            return self._send(request, Departure(self.timeout, on_leaving, on_left))
        except exceptions.BluxError as error:
            error.endpoint = str(request.endpoint)
            raise

    def _send(self, request: Request, departure: Departure) -> int:
        endpoint, body = request
        try:
            route = self._route(endpoint)
            with reporting_to(departure):
                answer = self._answer(route, body)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if departure.has_begun:
                raise self._no_answer(error, endpoint, route, in_doubt=departure.has_ended) from error
            # Any other error may be that of a proxy URL that cannot be parsed: it quotes the URL and its password.
            cause = error if isinstance(error, _WITHOUT_CONNECTION) else None
            raise self._no_connection(error, endpoint) from cause
        if answer.status in _ACCEPTED and not answer.is_html:
            return answer.status
        message = redacted_message(answer.body, json.loads(body), self._secrets)
        raise _refusal(answer, message, endpoint, route.host)

    def _route(self, endpoint: Endpoint) -> _Route:
        if endpoint not in self._routes:
            headers = {
                "Authorization": self.access[endpoint.api].authorization(),
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": f"airflow-provider-blux/{__version__}",
            }
            # Prepared without the session, which would add cookies, and let a .netrc file replace the key.
            blank = requests.Request("POST", self.address(endpoint), headers=headers).prepare()
            settings = self._session.merge_environment_settings(blank.url, {}, True, self.verify, None)
            self._routes[endpoint] = _Route(blank, settings)
        return self._routes[endpoint]

    def _answer(self, route: _Route, body: bytes) -> _Answer:
        request = route.blank.copy()
        request.body = body
        request.prepare_content_length(body)
        with self._session.send(
            request, timeout=(CONNECT_TIMEOUT, self.timeout), allow_redirects=False, **route.settings
        ) as response:
            beginning = b""
            # If the connection breaks during the body, the status is already known, and it is sufficient.
            with suppress(HTTPError, OSError):
                beginning = response.raw.read(_MOST_OF_AN_ANSWER, decode_content=True)
            return _Answer(response.status_code, response.headers, beginning)

    def _no_answer(
        self, error: Exception, endpoint: Endpoint, route: _Route, *, in_doubt: bool
    ) -> exceptions.BluxError:
        """Return the error for a connection that failed after writing the request had begun.

        :param in_doubt: whether the whole request was written, so that it may have been processed.
        """
        if in_doubt and any(isinstance(cause, requests.Timeout | TimeoutError) for cause in _causes(error)):
            message = f"No answer to {endpoint} from {route.host} within {self.timeout:g} s."
        else:
            message = f"The connection to {route.host} broke during {endpoint}."
        return exceptions.BluxUnavailable(message, in_doubt=in_doubt)

    def _no_connection(self, error: Exception, endpoint: Endpoint) -> exceptions.BluxError:
        causes, host = list(_causes(error)), urlsplit(self.address(endpoint)).netloc
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return exceptions.BluxConfigError(
                f"The certificate of {host} (the {endpoint.api} API) is not trusted. Name the CA bundle to trust in "
                "the connection extra 'verify'; verification cannot be switched off."
            )
        if isinstance(error, _WITHOUT_CONNECTION):
            proxied = self._route(endpoint).is_proxied
            proxy = " through the proxy that the environment names" if proxied else ""
            reason = next((cause for cause in reversed(causes) if isinstance(cause, HTTPError | OSError)), error)
            why = f"({type(reason).__name__})"
            if any(isinstance(cause, socket.gaierror | NameResolutionError) for cause in causes):
                why = f"(the name of the {'proxy' if proxied else 'host'} cannot be resolved)"
            elif refused := _REFUSED_BY_PROXY.match(str(reason)):
                why = f"(the proxy answered {refused[1]})"
            check = PROXIES if proxied else f"{_WHERE[endpoint.api]} of the connection"
            return exceptions.BluxUnavailable(f"No connection to {host}{proxy} for {endpoint} {why}. Check {check}.")
        return exceptions.BluxConfigError(
            f"No request to {host} can be made ({type(error).__name__}). Check the URLs of the connection, its extra "
            "'verify', and the proxies and certificates that the environment names."
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all of its causes; ``requests`` and ``urllib3`` store causes in several attributes."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        further = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        waiting += [one for one in further if isinstance(one, BaseException)]


def _refusal(answer: _Answer, message: str, endpoint: Endpoint, host: str) -> exceptions.BluxError:
    """Return the error for an answer that does not accept the request, by the status of the answer.

    :param message: the error message of the API, with all values redacted; may be empty.
    :param host: the host that the request was sent to.
    """
    status = answer.status
    quoted = f': "{message}"' if message else ""
    answered = f"Blux answered {status} to {endpoint} at {host}{quoted}."
    if status < 300:
        what = "a page of HTML" if answer.is_html else "a status that Blux does not use to accept requests"
        unclear = f"The answer {status} to {endpoint} at {host} is {what}: a proxy may have answered in place of Blux."
        return exceptions.BluxUnavailable(unclear, status=status, in_doubt=True)
    if status < 400:
        redirected = exceptions.BluxConfigError(
            f"{answered} Redirects are never followed, they would carry the key to another host. "
            "Set the final URL in the connection."
        )
        redirected.status = status
        return redirected
    said: dict[str, Any] = {"status": status, "api_message": message}
    if status in (401, 403):
        return exceptions.BluxAuthError(answered, **said)
    if status >= 500 or status in _TRANSIENT_4XX:
        retry_after = _retry_after(answer.headers.get("Retry-After"))
        in_doubt = status in _BY_THE_GATEWAY
        if retry_after is not None and retry_after > LONGEST_RETRY_AFTER:
            answered = (
                f"{answered} It asks for {retry_after:,.0f} s (Retry-After), longer than a try of the task waits."
            )
        return exceptions.BluxUnavailable(answered, **said, retry_after=retry_after, in_doubt=in_doubt)
    if status == 404:
        answered = f"{answered} {NOT_FOUND[endpoint.api]}"
    return exceptions.BluxRequestError(answered, **said)


def _retry_after(header: str | None) -> float | None:
    """Return ``Retry-After`` in seconds; ``None`` if it is missing, unreadable, in the past, or zero.

    The header holds seconds or an HTTP date in GMT (RFC 9110, 10.2.3). Some servers round a wait below a second to
    zero, so a 429 with zero must slow requests down like one without the header.
    """
    if header is None:
        return None
    if _SECONDS.fullmatch(header.strip()):
        return float(header) or None
    try:
        date = email.utils.parsedate_to_datetime(header)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None

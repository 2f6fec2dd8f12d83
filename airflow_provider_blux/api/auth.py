"""Address and authentication of each of the two APIs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit

from airflow_provider_blux.exceptions import BluxConfigError


@dataclass(frozen=True, kw_only=True)
class ApplicationAccess:
    """Access to the Application API: the secret key in ``Authorization``, the application's id in the path."""

    url: str
    application_id: str
    secret_key: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_header("the secret key", self.secret_key)

    @property
    def application(self) -> str:
        """Return the id of the application that the users belong to."""
        return self.application_id

    def address(self, path: str) -> str:
        """Return the full URL of an endpoint.

        :param path: the ``path`` of the :class:`~airflow_provider_blux.api.endpoints.Endpoint`.
        """
        return self.url + path.format(application_id=quote(self.application_id, safe=""))

    def authorization(self) -> str:
        """Return the value of the ``Authorization`` header."""
        return self.secret_key

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must not appear in logs and messages: the key."""
        return (self.secret_key,)

    def with_key(self, key: str) -> ApplicationAccess:
        """Return a copy of this access with another key."""
        return replace(self, secret_key=key)


@dataclass(frozen=True, kw_only=True)
class OpenAccess:
    """Access to the Open API: the key as a bearer token in ``Authorization``, the project's id in the query."""

    url: str
    project_id: str
    api_key: str = field(repr=False)

    def __post_init__(self) -> None:
        _check_header("the Open API key", self.api_key)

    @property
    def application(self) -> str:
        """Return the id of the project that the users belong to."""
        return self.project_id

    def address(self, path: str) -> str:
        """Return the full URL of an endpoint.

        :param path: the ``path`` of the :class:`~airflow_provider_blux.api.endpoints.Endpoint`.
        """
        return f"{self.url}{path}?project_id={quote(self.project_id, safe='')}"

    def authorization(self) -> str:
        """Return the value of the ``Authorization`` header."""
        return f"Bearer {self.api_key}"

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must not appear in logs and messages: the key."""
        return (self.api_key,)

    def with_key(self, key: str) -> OpenAccess:
        """Return a copy of this access with another key."""
        return replace(self, api_key=key)


Access = ApplicationAccess | OpenAccess
"""Access to one of the two APIs: its base URL, the application or project, and the key."""


def checked_url(url: str, name: str) -> str:
    """Return a base URL without its trailing slash.

    :param name: the name of the URL in the connection, for the error message.
    :raises BluxConfigError: the URL has no host; is not ``https://``, or ``http://`` with a loopback address; or holds
        credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BluxConfigError(f"{name} is not a URL. Write it as https://host/path.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise BluxConfigError(f"{name} is not an http(s) URL with a host. Write it as https://host/path.")
    if parts.username or parts.password or "?" in url or "#" in url:
        raise BluxConfigError(f"{name} holds credentials, a query or a fragment. Leave only https://host/path.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise BluxConfigError(
            f"{name} is plain http://, which would send keys and personal data unencrypted. "
            "Use https:// (plain http is accepted for loopback addresses only)."
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_header(name: str, value: str) -> None:
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise BluxConfigError(
            f"The connection holds {name} with whitespace around it, or with a character that no HTTP header can "
            "carry. Copy it again, without quotes."
        )

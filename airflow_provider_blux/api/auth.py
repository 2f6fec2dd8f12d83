"""Address and authentication of each of the two APIs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from airflow_provider_blux.api.endpoints import Api
from airflow_provider_blux.exceptions import BluxConfigError

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True)
class Access:
    """Access to one of the two APIs.

    :param url: the API's base URL.
    :param application: id of the application that the users belong to; in the Open API, the id of the project.
    :param key: the secret key of the application, or the key of the Open API.
    :raises BluxConfigError: an HTTP header cannot carry the key.
    """

    api: Api
    url: str
    application: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key.isascii() or not self.key.isprintable() or self.key != self.key.strip():
            name = "the secret key" if self.api == "application" else "the Open API key"
            raise BluxConfigError(
                f"The connection holds {name} with whitespace around it, or with a character that no HTTP header can "
                "carry. Copy it again, without quotes."
            )

    def address(self, path: str) -> str:
        """Return the full URL of an endpoint.

        :param path: the ``path`` of the :class:`~airflow_provider_blux.api.endpoints.Endpoint`.
        """
        application = quote(self.application, safe="")
        if self.api == "application":
            return self.url + path.format(application_id=application)
        return f"{self.url}{path}?project_id={application}"

    def authorization(self) -> str:
        """Return the value of the ``Authorization`` header."""
        return self.key if self.api == "application" else f"Bearer {self.key}"


def checked_url(url: str, name: str) -> str:
    """Return a base URL without its trailing slash and the port that its scheme implies; the host in lower case.

    Snapshots, checkpoints and shared rates belong to a URL, so the same address must give the same URL.

    :param name: the name of the URL in the connection, for the error message.
    :raises BluxConfigError: the URL has no host, or holds credentials, a query or a fragment; or it is an ``http://``
        URL of another address than loopback, or has another scheme.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
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
    address = parts.netloc.lower()
    if port == _DEFAULT_PORTS[parts.scheme]:
        address = address.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=address)).rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

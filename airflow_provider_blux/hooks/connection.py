"""Reads and checks an Airflow connection of type ``blux``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.api.auth import Access, checked_url
from airflow_provider_blux.api.endpoints import OPERATIONS, Api, Operation, apis_of
from airflow_provider_blux.delivery.settings import check_rate
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.hooks.connection_form import (
    APPLICATION_API_URL,
    CONN_FIELDS,
    CONNECTION_TYPE,
    EXTRAS,
    RELABELING,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

_FIELDS: dict[Api, str] = {
    "application": "login (Application ID) and password (Secret key)",
    "open": "the extras open_api_url, project_id and open_api_key",
}
# A socket takes no time-out of more than about 24 days.
_LONGEST_TIMEOUT = 86_400
_FORM_FIELD = f"extra__{CONNECTION_TYPE}__"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The checked content of a connection.

    :param access: URL and credentials of each API whose fields in the connection are filled in and valid.
    :param faults: for each API whose fields are wrong or partly missing, the error to raise when that API is used.
    :param rate_limits: requests a second by operation, for operations whose limit the connection sets.
    :param timeout: seconds to wait for an answer; ``None`` for the default.
    :param verify: path of a CA bundle; ``None`` for the one that the environment names, or else that of ``requests``.
    :param receipt_key: key of the hashes in receipts and snapshots; ``None`` for hashes without a key.
    """

    conn_id: str
    access: Mapping[Api, Access]
    faults: Mapping[Api, BluxConfigError] = field(default_factory=dict)
    rate_limits: Mapping[Operation, float] = field(default_factory=dict)
    timeout: float | None = None
    verify: str | None = None
    receipt_key: str | None = field(default=None, repr=False)

    def api_for(self, operation: Operation, wanted: Api | None) -> Api:
        """Return the API to use for an operation.

        :param wanted: the API that the DAG author chose; ``None`` for the first API that has the operation and for
            which the connection has credentials.
        :raises BluxConfigError: there are no valid credentials; the message names the fields to fill in.
        """
        choices = (wanted,) if wanted else apis_of(operation)
        for api in choices:
            if api in self.faults:  # no fallback to the other API: partly filled fields mean that this one is intended
                raise BluxConfigError(self.faults[api].message)
            if api in self.access:
                return api
        fields = ", or ".join(f"{_FIELDS[api]} for the {api} API" for api in choices)
        raise BluxConfigError(f"Connection {self.conn_id} has no credentials for {operation}. Fill in {fields}.")

    def refused(self, api: Api, *, after_acceptance: bool) -> str:
        """Return the message for credentials that the API refuses: it names the connection and what to check.

        :param after_acceptance: whether the API accepted these credentials earlier in the delivery.
        """
        if after_acceptance:
            return (
                f"Connection {self.conn_id}: requests before this one were accepted with the same credentials, so the "
                "cause may be the rate, a permission, a firewall (WAF) or a list of allowed IP addresses; or the key "
                "was changed meanwhile"
            )
        return f"Connection {self.conn_id}: the credentials are refused, check {_FIELDS[api]}"


def read(connection: Connection) -> Credentials:
    """Read and check a connection.

    An error in the URL or the credentials of one API is not raised, but stored in ``faults``, since a delivery may use
    the other API.

    :raises BluxConfigError: another field is wrong; the message names it and the expected content.
    """
    try:
        return _read(connection)
    except BluxConfigError as error:
        raise error.located(f"Connection {connection.conn_id}") from None


def _read(connection: Connection) -> Credentials:
    if connection.conn_type and connection.conn_type != CONNECTION_TYPE:
        raise BluxConfigError(f"is of type {connection.conn_type}; it must be of type {CONNECTION_TYPE}.")
    extras = _extras(connection)
    readers: dict[Api, Callable[[], Access | None]] = {
        "application": lambda: _application(connection),
        "open": lambda: _open(extras),
    }
    access: dict[Api, Access] = {}
    faults: dict[Api, BluxConfigError] = {}
    for api, reader in readers.items():
        try:
            if found := reader():
                access[api] = found
        except BluxConfigError as error:
            faults[api] = error.located(f"Connection {connection.conn_id}")
    return Credentials(
        conn_id=connection.conn_id,
        access=access,
        faults=faults,
        rate_limits=_rate_limits(extras.get("rate_limits")),
        timeout=_timeout(extras.get("timeout")),
        verify=_verify(extras.get("verify")),
        receipt_key=_receipt_key(extras["receipt_key"]) if "receipt_key" in extras else None,
    )


def _extras(connection: Connection) -> dict[str, Any]:
    """Return the keys of the connection's extra that have a value, with these values.

    Null and empty text are no values, since Airflow's connection form stores them for a field that is left empty.

    :raises BluxConfigError: the extra is not a JSON object, or has an unknown key.
    """
    try:
        content = json.loads(connection.extra or "{}")
    except ValueError:
        content = ()
    if content is None or content == "":
        content = {}
    if not isinstance(content, dict):
        what = "JSON inside a JSON string" if isinstance(content, str) else "no JSON object"
        raise BluxConfigError(f'extra is {what}. Write it as {{"open_api_url": "https://...", "timeout": 30}}.')
    # The Test button of Airflow 2.11 sends each extra twice, the second time under its field name in the form.
    extras = {name.removeprefix(_FORM_FIELD): value for name, value in content.items()}
    if unknown := sorted(extras.keys() - EXTRAS):
        raise BluxConfigError(f"unknown extra {', '.join(unknown)}. Known are {', '.join(sorted(EXTRAS))}.")
    return {name: value for name, value in extras.items() if value is not None and value != ""}


def _application(connection: Connection) -> Access | None:
    login, password = connection.login, connection.password
    if not login and not password:
        return None
    if not login or not password:
        missing, given = ("login", "password") if not login else ("password", "login")
        raise BluxConfigError(f"{given} is set, but {missing} ({RELABELING[missing]}) is missing. Fill it in.")
    url = checked_url(_application_url(connection), f"host ({RELABELING['host']})")
    _check_id(f"login ({RELABELING['login']})", login)
    return Access(api="application", url=url, application=login, key=password)


def _application_url(connection: Connection) -> str:
    """Return the base URL of the Application API from host, schema and port; the default URL if there is no host.

    The path of the URL is in the host if the connection was entered in the form, and in the schema if it was given as a
    connection URI.

    :raises BluxConfigError: the schema is a path, but the host is missing, or already has a path.
    """
    host, schema = (connection.host or "").strip(), (connection.schema or "").strip(" /")
    scheme, base_path = (schema, "") if schema.lower() in ("http", "https") else ("https", schema)
    if base_path and (not host or "/" in host):  # ignored, a test at /stg would change the users of /prod
        raise BluxConfigError(
            f"schema is set, but host ({RELABELING['host']}) is {'already a URL' if host else 'empty'}. Write the "
            "whole URL into host, as https://host/path, and leave schema out."
        )
    if not host:
        return APPLICATION_API_URL
    rest = host
    if "://" in host:
        scheme, rest = host.split("://", 1)
    name, slash, path = rest.partition("/")
    if connection.port and ":" not in name.rpartition("]")[2]:
        name = f"{name}:{connection.port}"
    if slash or "://" in host:
        return f"{scheme}://{name}{slash}{path}"
    # The host is a bare name. With a connection URI, Airflow stores the path of the URL in `schema`.
    return f"{scheme}://{name}/{base_path or 'prod'}"


def _open(extras: Mapping[str, Any]) -> Access | None:
    names = ("open_api_url", "project_id", "open_api_key")
    given = {name: _text(name, extras[name]) for name in names if name in extras}
    if not given:
        return None
    if missing := [f"{name} ({CONN_FIELDS[name]['label']})" for name in names if name not in extras]:
        raise BluxConfigError(f"extra {', '.join(given)} is set, but {', '.join(missing)} is missing. Fill it in.")
    url, project_id, api_key = given.values()
    _check_id(f"extra project_id ({CONN_FIELDS['project_id']['label']})", project_id)
    url = checked_url(url.strip(), "extra open_api_url (Open API URL)")
    return Access(api="open", url=url, application=project_id, key=api_key)


def _receipt_key(value: Any) -> str:
    key = _text("receipt_key", value)
    # With a line break that was copied with it, a key would be another one than in a file for `--key-file`.
    _check_id(f"extra receipt_key ({CONN_FIELDS['receipt_key']['label']})", key)
    return key


def _check_id(name: str, value: str) -> None:
    if value != value.strip() or not value.isprintable():
        raise BluxConfigError(
            f"{name} has whitespace around it, or a line break or an invisible character in it. Copy it again."
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BluxConfigError(f"extra {name} is of type {type(value).__name__}; it must be text.")
    return value


def _rate_limits(value: Any) -> dict[Operation, float]:
    if value is None:
        return {}
    if isinstance(value, str):  # the form has no field for objects
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict) or not value.keys() <= set(OPERATIONS):
        raise BluxConfigError(
            f"extra rate_limits must be an object with some of the keys {', '.join(OPERATIONS)}, "
            'such as {"upsert_users": 40}.'
        )
    for operation, rate in value.items():
        check_rate(f"extra rate_limits[{operation}]", rate)
    return {operation: rate for operation, rate in value.items() if rate is not None}


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise BluxConfigError(
            f"extra timeout must be a number of seconds above 0 and at most {_LONGEST_TIMEOUT}, or be left out."
        )
    return seconds


def _verify(value: Any) -> str | None:
    if value is None or value is True:
        return None
    # Not `Path.exists`, which raises an error for a text that is too long for a path: the bundle itself.
    if not isinstance(value, str) or not os.path.exists(value):
        raise BluxConfigError(
            "extra verify names no file here; it must be the path of a CA bundle on every worker, or be left out. "
            "Verification cannot be switched off."
        )
    return value

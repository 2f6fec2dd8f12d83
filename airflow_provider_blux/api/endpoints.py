"""The client's table of endpoints, with their paths, limits and list keys.

The values for the Application API are from Blux's page on user data, those for the Open API from Blux's page on the
Open API. The limit of 1,000 records per request is from the page of Marketap, the vendor of the Open API
(https://docs.marketap.io). A comment names the values that no page states.
The emulator has a table of its own, so that it does not repeat a mistake of this one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from airflow_provider_blux.exceptions import BluxConfigError

Api = Literal["application", "open"]
"""The name of an API: ``"application"`` or ``"open"``."""

Operation = Literal["upsert_users", "delete_users", "send_events", "update_devices"]
"""The name of an operation, which is also a method of the hook."""

APIS: tuple[Api, ...] = get_args(Api)
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of one of the two APIs, with its limits.

    :param path: path below the API's base URL, with ``{application_id}`` in place of the id.
    :param list_key: the key that holds the list of records; ``None`` where the body is one id, ``{"user_id": id}``.
    :param max_records: maximum number of records in a request.
    :param max_rate: maximum number of requests a second.
    """

    operation: Operation
    api: Api
    path: str
    list_key: str | None
    max_records: int
    max_rate: float

    def body(self, records: Sequence[bytes]) -> bytes:
        """Return the body of a request, in JSON.

        :param records: each record encoded as JSON; exactly one if ``list_key`` is ``None``.
        """
        if self.list_key is None:
            return b'{"user_id":%b}' % records[0]
        return b"{%b:[%b]}" % (json.dumps(self.list_key).encode(), b",".join(records))

    def __str__(self) -> str:
        return f"{self.api}.{self.operation}"


_APPLICATION = "/v2/applications/{application_id}/users"
_OPEN = "/v1/api"

# Choices of this package, since no page states them: the rates of the Open API; max_records of devices and of its
# deletions in bulk; the list key of devices.
# An operation with two endpoints has the one with the most records per request first.
ENDPOINTS: tuple[Endpoint, ...] = (
    # operation, api, path, list_key, max_records, max_rate
    Endpoint("upsert_users", "application", f"{_APPLICATION}/update-properties/bulk", "users", 100, 20),
    Endpoint("delete_users", "application", f"{_APPLICATION}/delete/bulk", "user_ids", 3000, 100),
    Endpoint("upsert_users", "open", f"{_OPEN}/profile/user", "profiles", 1000, 20),
    Endpoint("send_events", "open", f"{_OPEN}/events", "events", 1000, 20),
    Endpoint("delete_users", "open", f"{_OPEN}/profile/user/deletion-job/bulk", "user_ids", 1000, 20),
    Endpoint("delete_users", "open", f"{_OPEN}/profile/user/deletion-job", None, 1, 20),
    Endpoint("update_devices", "open", f"{_OPEN}/profile/user/device/bulk", "devices", 1000, 20),
)


def endpoints_for(operation: Operation, api: Api) -> tuple[Endpoint, ...]:
    """Return the endpoints of one operation, sorted by records per request, the largest first.

    :raises BluxConfigError: when ``api`` has no such operation.
    """
    found = tuple(row for row in ENDPOINTS if row.operation == operation and row.api == api)
    if not found:
        others = sorted({row.api for row in ENDPOINTS if row.operation == operation})
        raise BluxConfigError(f"The {api} API has no {operation}. Set api={others[0]!r}.")
    return found


def apis_of(operation: Operation) -> tuple[Api, ...]:
    """Return the APIs that offer ``operation``, the Application API first."""
    return tuple(api for api in APIS if any(row.operation == operation and row.api == api for row in ENDPOINTS))

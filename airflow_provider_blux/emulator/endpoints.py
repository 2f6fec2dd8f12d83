"""The seven endpoints, as described in the published API documentation.

The client has its own table, made from the same documentation. The tables are separate on purpose, so that a mistake in
one table does not appear in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from airflow_provider_blux.emulator import shapes

APIS: Final = ("application", "open")
OPERATIONS: Final = ("upsert_users", "delete_users", "send_events", "update_devices")

# The Application API's own base URL ends in /prod, and so does the emulator's.
APPLICATION_PREFIX: Final = "/prod"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint.

    :param list_key: the key of the body that holds the list of records; ``None`` if the body holds one ``user_id``.
    :param shape: checks one record; raises ``RefusedError`` if the API does not allow it.
    """

    api: str
    operation: str
    path: str
    list_key: str | None
    max_records: int
    shape: shapes.Check

    @property
    def rate_key(self) -> str:
        """Return the API and operation (``open.send_events``); endpoints with the same key share one rate."""
        return f"{self.api}.{self.operation}"

    def where(self, index: int) -> str:
        """Return the place of a record in the body: ``users[3]``, or ``user_id`` if the body holds one id."""
        return f"{self.list_key}[{index}]" if self.list_key else "user_id"


ENDPOINTS: Final = (
    Endpoint(
        api="application",
        operation="upsert_users",
        path=f"{APPLICATION_PREFIX}/v2/applications/{{application_id}}/users/update-properties/bulk",
        list_key="users",
        max_records=100,
        shape=shapes.user,
    ),
    Endpoint(
        api="application",
        operation="delete_users",
        path=f"{APPLICATION_PREFIX}/v2/applications/{{application_id}}/users/delete/bulk",
        list_key="user_ids",
        max_records=3000,
        shape=shapes.identifier,
    ),
    Endpoint(
        api="open",
        operation="upsert_users",
        path="/v1/api/profile/user",
        list_key="profiles",
        max_records=1000,
        shape=shapes.profile,
    ),
    Endpoint(
        api="open",
        operation="send_events",
        path="/v1/api/events",
        list_key="events",
        max_records=1000,
        shape=shapes.event,
    ),
    Endpoint(
        api="open",
        operation="delete_users",
        path="/v1/api/profile/user/deletion-job",
        list_key=None,
        max_records=1,
        shape=shapes.identifier,
    ),
    Endpoint(
        api="open",
        operation="delete_users",
        path="/v1/api/profile/user/deletion-job/bulk",
        list_key="user_ids",
        max_records=1000,  # not published; the client's choice as well
        shape=shapes.identifier,
    ),
    Endpoint(
        api="open",
        operation="update_devices",
        path="/v1/api/profile/user/device/bulk",
        list_key="devices",  # not published: the page shows no body
        max_records=1000,  # not published
        shape=shapes.device,
    ),
)

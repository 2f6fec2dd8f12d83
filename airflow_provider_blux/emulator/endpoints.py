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
_USERS: Final = f"{APPLICATION_PREFIX}/v2/applications/{{application_id}}/users"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    :param list_key: the key of the body that holds the list of records; ``None`` if the body holds one ``user_id``.
    :param max_rate: maximum number of requests a second. The Open API publishes no rates; clients should assume these.
    :param shape: checks one record; raises ``RefusedError`` if the API does not allow it.
    """

    api: str
    operation: str
    path: str
    list_key: str | None
    max_records: int
    max_rate: int
    shape: shapes.Check

    @property
    def rate_key(self) -> str:
        """Return the API and operation (``open.send_events``); endpoints with the same key share one rate."""
        return f"{self.api}.{self.operation}"

    def where(self, index: int) -> str:
        """Return the place of a record in the body: ``users[3]``, or ``user_id`` if the body holds one id."""
        return f"{self.list_key}[{index}]" if self.list_key else "user_id"


# No page states max_records of devices and of the Open API's deletions in bulk, and the list key of devices: they are
# the client's choices.
ENDPOINTS: Final = (
    # api, operation, path, list_key, max_records, max_rate, shape
    Endpoint("application", "upsert_users", f"{_USERS}/update-properties/bulk", "users", 100, 20, shapes.user),
    Endpoint("application", "delete_users", f"{_USERS}/delete/bulk", "user_ids", 3000, 100, shapes.identifier),
    Endpoint("open", "upsert_users", "/v1/api/profile/user", "profiles", 1000, 20, shapes.profile),
    Endpoint("open", "send_events", "/v1/api/events", "events", 1000, 20, shapes.event),
    Endpoint("open", "delete_users", "/v1/api/profile/user/deletion-job", None, 1, 20, shapes.identifier),
    Endpoint("open", "delete_users", "/v1/api/profile/user/deletion-job/bulk", "user_ids", 1000, 20, shapes.identifier),
    Endpoint("open", "update_devices", "/v1/api/profile/user/device/bulk", "devices", 1000, 20, shapes.device),
)

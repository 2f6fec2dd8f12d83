"""Events: what a user did, and when."""

from __future__ import annotations

from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.properties import mapping, own_properties
from airflow_provider_blux.records.values import identifier, text, timestamp

_FIELDS = frozenset({"name", "user_id", "timestamp", "id"})


def event(row: Any) -> tuple[str, dict[str, Any]]:
    """Return the user id and the event of the Open API.

    :param row: ``{"name", "user_id", "timestamp"?, "properties"?, "id"?}``; every other column is a property.
        Without a timestamp the event happens when it arrives.
    :raises BluxRecordError: naming the first field at fault.
    """
    row = mapping(row)
    user_id = identifier(row.get("user_id"), "user_id")
    name = text(row.get("name"), "name") if row.get("name") is not None else ""
    if not name.strip():
        raise BluxRecordError("name", "is missing or empty; every event needs one")
    record: dict[str, Any] = {"name": name, "user_id": user_id}
    if row.get("timestamp") is not None:
        record["timestamp"] = timestamp(row["timestamp"], "timestamp")
    if properties := own_properties(row, _FIELDS):
        record["properties"] = properties
    if row.get("id") is not None:
        record["id"] = identifier(row["id"], "id")
    return user_id, record

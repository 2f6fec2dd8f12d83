"""Turns rows into events: what a user did, and when."""

from __future__ import annotations

from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.ids import identifier, present_text
from airflow_provider_blux.records.options import DEFAULT, Shaping
from airflow_provider_blux.records.properties import mapping, own_properties
from airflow_provider_blux.records.timestamps import timestamp

FIELDS = frozenset({"name", "user_id", "timestamp", "id"})


def event(row: Any, shaping: Shaping = DEFAULT) -> tuple[str, dict[str, Any]]:
    """Return the user id and the event of the Open API.

    :param row: ``{"name", "user_id", "timestamp"?, "properties"?, "id"?}``; every other column is a property.
        The time of an event without a timestamp is the time when it arrives at Blux.
    :raises BluxRecordError: a field is not valid; the error names the first such field.
    """
    row = mapping(row)
    user_id = identifier(row.get("user_id"), "user_id", check=shaping.check_ids)
    given = row.get("name")
    name = present_text(given, "name", check=shaping.check_ids) if given is not None else ""
    if not name.strip():
        raise BluxRecordError("name", "is missing or empty; every event needs one")
    record: dict[str, Any] = {"name": name, "user_id": user_id}
    if row.get("timestamp") is not None:
        record["timestamp"] = timestamp(row["timestamp"], "timestamp", shaping.zone, shaping.timestamp_unit)
    if properties := own_properties(row, FIELDS, nulls=shaping.send_nulls):
        record["properties"] = properties
    if row.get("id") is not None:
        record["id"] = identifier(row["id"], "id", check=shaping.check_ids, needed=False)
    return user_id, record

"""Turns rows into devices: where a user can be reached by push."""

from __future__ import annotations

from typing import Any

from airflow_provider_blux.records.ids import identifier, present_text
from airflow_provider_blux.records.options import DEFAULT, Shaping
from airflow_provider_blux.records.properties import mapping, own_properties

_TEXTS = ("platform", "token", "app_local_id")
FIELDS = frozenset({"device_id", "user_id", *_TEXTS})


def device(row: Any, shaping: Shaping = DEFAULT) -> tuple[str, dict[str, Any]]:
    """Return the device id and the device of the Open API.

    :param row: ``{"device_id", "user_id"?, "platform"?, "token"?, "app_local_id"?, "properties"?}``; every other
        column is a property.
    :raises BluxRecordError: a field is not valid; the error names the first such field.
    """
    row = mapping(row)
    device_id = identifier(row.get("device_id"), "device_id", check=shaping.check_ids)
    record: dict[str, Any] = {"device_id": device_id}
    if row.get("user_id") is not None:
        record["user_id"] = identifier(row["user_id"], "user_id", check=shaping.check_ids, needed=False)
    record.update(
        {
            field: present_text(row[field], field, check=shaping.check_ids)
            for field in _TEXTS
            if row.get(field) is not None
        }
    )
    if properties := own_properties(row, FIELDS, nulls=shaping.send_nulls):
        record["properties"] = properties
    return device_id, record

"""Devices: where a user can be reached by push."""

from __future__ import annotations

from typing import Any

from airflow_provider_blux.records.properties import mapping, own_properties
from airflow_provider_blux.records.values import identifier, text

_TEXTS = ("platform", "token", "app_local_id")
_FIELDS = frozenset({"device_id", "user_id", *_TEXTS})


def device(row: Any) -> tuple[str, dict[str, Any]]:
    """Return the device id and the device of the Open API.

    :param row: ``{"device_id", "user_id"?, "platform"?, "token"?, "app_local_id"?, "properties"?}``; every other
        column is a property.
    :raises BluxRecordError: naming the first field at fault.
    """
    row = mapping(row)
    device_id = identifier(row.get("device_id"), "device_id")
    record: dict[str, Any] = {"device_id": device_id}
    if row.get("user_id") is not None:
        record["user_id"] = identifier(row["user_id"], "user_id")
    record.update({field: text(row[field], field) for field in _TEXTS if row.get(field) is not None})
    if properties := own_properties(row, _FIELDS):
        record["properties"] = properties
    return device_id, record

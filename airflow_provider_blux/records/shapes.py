"""Which rules apply to the records of an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_blux.records import devices, events, users

_SHAPES: dict[tuple[str, str], Callable[[Any], tuple[str, Any]]] = {
    ("upsert_users", "application"): users.user,
    ("upsert_users", "open"): users.profile,
    ("delete_users", "application"): users.deletion,
    ("delete_users", "open"): users.deletion,
    ("send_events", "open"): events.event,
    ("update_devices", "open"): devices.device,
}
_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "upsert_users": users.merged,
    "delete_users": lambda first, _repeated: first,
    "update_devices": users.merged,
}


def shape_of(operation: str, api: str) -> Callable[[Any], tuple[str, Any]]:
    """Return the function that turns a row into its key and what the API takes."""
    return _SHAPES[operation, api]


def merge_of(operation: str) -> Callable[[Any, Any], Any] | None:
    """Return the function that makes one record of two with the same key; ``None`` where each counts for itself."""
    return _MERGES.get(operation)

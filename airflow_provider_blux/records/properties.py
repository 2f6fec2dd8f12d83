"""Properties of the customer's own, nested or flat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.columns import is_table_row, missing_field
from airflow_provider_blux.records.values import json_value, text

OBJECTS = (dict, Mapping)  # nearly all are dicts, which are told at once


def mapping(row: Any) -> Mapping[str, Any]:
    """Return the row when it is one; a record of any other type is at fault as a whole."""
    if isinstance(row, OBJECTS):
        return row
    raise BluxRecordError(None, f"the record is of type {type(row).__name__}; it must be an object with named fields")


def required(row: Mapping[str, Any], field: str) -> Any:
    """Return the value of a field that every record needs, or ``None``.

    :raises BluxConfigError: no row of this table can have it, since there is no such column.
    """
    value = row.get(field)
    if value is None and field not in row and is_table_row(row):
        raise missing_field(row, field)
    return value


def own_properties(row: Mapping[str, Any], fields: frozenset[str], *, nulls: bool) -> dict[str, Any]:
    """Return what stands under ``properties`` and in every column that is no field.

    :param nulls: whether a null is sent; otherwise it is left out.
    :raises BluxRecordError: for a value that JSON cannot carry, and for a property that is given twice.
    """
    properties: dict[str, Any] = {}
    for column, value in row.items():
        if column in fields or (value is None and not nulls):
            continue
        if column == "properties":
            put_group(properties, column, value, json_value, nulls=nulls)
        else:
            put(properties, column, json_value(value, text(column, "a column name")))
    return properties


def put_group(into: dict[str, Any], group: str, value: Any, check: Callable[[Any, str], Any], *, nulls: bool) -> None:
    """Put every item of a nested group, checked, ``into`` the properties. A group that is null has none."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise BluxRecordError(group, f"is of type {type(value).__name__}; it must be an object")
    for name, item in value.items():
        if item is not None or nulls:
            put(into, text(name, f"a key of {group}"), check(item, f"{group}.{name}"))


def put(into: dict[str, Any], name: str, value: Any) -> None:
    """Put one property; the same one twice is refused, since one of the two would be lost."""
    if name in into:
        raise BluxRecordError(name, "is given twice, flat and nested; leave one of them")
    into[name] = value

"""Turns a row into a user of the Application API, a profile of the Open API, or the id of a user to delete.

A row is a flat row or a nested object. The module also merges two records of the same user or device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from types import NoneType
from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.columns import is_table_row, missing_field
from airflow_provider_blux.records.fields import CONSENTS, MOST_NAMES, STANDARD_FIELDS, Check
from airflow_provider_blux.records.ids import identifier
from airflow_provider_blux.records.options import DEFAULT, Shaping
from airflow_provider_blux.records.properties import (
    OBJECTS,
    Find,
    Property,
    mapping,
    own_property,
    put_group,
    sort_properties,
)
from airflow_provider_blux.records.spelling import letters_of, meant_by
from airflow_provider_blux.records.timestamps import timestamp
from airflow_provider_blux.records.values import json_value, text

_ID = frozenset({"user_id"})
_GROUPS = frozenset({"user_properties", "custom_user_properties"})
# The top-level keys of a user in the form of the Open API.
_NESTED = frozenset({"user_id", "properties", "timestamp"})
# `properties: null` means no properties.
_NO_GROUP = _ID | {"properties"}
# The types of values that need no check.
_IN_CONSENTS: dict[type, None] = {NoneType: None, bool: None}
_IN_TEXTS: dict[type, None] = {NoneType: None}
_STANDARD = frozenset(STANDARD_FIELDS)
_BY_LETTERS = {letters_of(field): field for field in STANDARD_FIELDS}


def user(row: Any, shaping: Shaping = DEFAULT) -> tuple[str, dict[str, Any]]:
    """Return the user id and the record of the user, as the Application API takes it.

    :param row: ``{"user_id", "user_properties"?, "custom_user_properties"?}``, or a flat row whose columns are
        sorted into the two by name.
    :raises BluxRecordError: a field is not valid; the error names the first such field.
    """
    held = row.get("properties") if isinstance(row, OBJECTS) else None
    if isinstance(held, OBJECTS) and not shaping.is_excluded("properties"):
        held = _without(held, shaping)
        _check_own(held)
        if shaping.excluded:
            row = {**row, "properties": held}
    elif isinstance(held, str) and held.lstrip().startswith("{") and not shaping.is_excluded("properties"):
        _check_own(name for name in STANDARD_FIELDS if f'"{name}"' in held)
    user_id, standard, custom = _sorted(row, shaping)
    if not _STANDARD.isdisjoint(custom):
        _check_custom(custom, shaping)
    record: dict[str, Any] = {"user_id": user_id}
    if standard:
        record["user_properties"] = standard
    if custom:
        record["custom_user_properties"] = custom
    return user_id, record


def profile(row: Any, shaping: Shaping = DEFAULT) -> tuple[str, dict[str, Any]]:
    """Return the user id and the record of the user, as the Open API takes it: a profile with one kind of properties.

    :param row: as for :func:`user`, or ``{"user_id", "properties", "timestamp"?}``, the form of the Open API. In a flat
        row a column ``timestamp`` is a property, unless ``field_mapping`` maps it to the timestamp of the profile.
    :raises BluxRecordError: a field is not valid; the error names the first such field.
    """
    moment, aside = None, _ID
    if isinstance(row, Mapping):
        held = row.get("properties")
        if isinstance(held, Mapping):
            moment = row.get("timestamp")
            row = _unfolded(row, shaping)
        elif held is not None and "properties" not in shaping.excluded:
            raise BluxRecordError(
                "properties",
                f"is of type {type(held).__name__}; it must be an object. Name the column in json_columns if it holds "
                "JSON; if it is one custom property, map it to properties.properties",
            )
        else:
            aside = _NO_GROUP
            if "timestamp" in shaping.targets:
                moment, aside = row.get("timestamp"), aside | {"timestamp"}
    user_id, standard, custom = _sorted(row, shaping, aside)
    record: dict[str, Any] = {"user_id": user_id, "properties": _joined(standard, custom, shaping)}
    if moment is not None and "timestamp" not in shaping.excluded:
        record["timestamp"] = timestamp(moment, "timestamp", shaping.zone, shaping.timestamp_unit)
    return user_id, record


def deletion(row: Any, shaping: Shaping = DEFAULT) -> tuple[str, str]:
    """Return the id of a user to delete, twice: as the key and as the record.

    :param row: the id itself, or a row with a column ``user_id``.
    :raises BluxRecordError: there is no id, or one that may be damaged.
    :raises BluxConfigError: the row's table has no column ``user_id``.
    """
    if isinstance(row, OBJECTS):
        if is_table_row(row) and "user_id" not in row:
            raise missing_field(row, "user_id")
        row = row.get("user_id")
    user_id = identifier(row, "user_id", check=shaping.check_ids)
    return user_id, user_id


def merged(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Merge two records of the same user or device: the later value of each property wins.

    :param later: a record that comes after ``earlier`` in the source, and is not older than it (:func:`is_older`).
    """
    both = {**earlier, **later}
    for group in ("user_properties", "custom_user_properties", "properties"):
        if group in earlier and group in later:
            both[group] = {**earlier[group], **later[group]}
    if "timestamp" not in later:
        both.pop("timestamp", None)
    return both


def is_older(record: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether ``record`` is older than ``other`` by their timestamps, which only profiles of the Open API have.

    A record without a timestamp is of the time at which it arrives, so it is never older, and a record with a timestamp
    is older than it.
    """
    if "timestamp" not in record or "timestamp" not in other:
        return "timestamp" in record
    return datetime.fromisoformat(record["timestamp"]) < datetime.fromisoformat(other["timestamp"])


def _check_custom(custom: Mapping[str, Any], shaping: Shaping) -> None:
    """Check that no custom property is a standard field, unless ``field_mapping`` names it as a custom property."""
    for name in sorted(_STANDARD.intersection(custom)):
        field = f"custom_user_properties.{name}"
        if field not in shaping.targets:
            raise BluxRecordError(field, "is one of the eight fields that Blux knows; put it in user_properties")


def _check_own(held: Iterable[Any]) -> None:
    """Check that no name in the object of a column ``properties`` is a standard field.

    Such a row was probably written for the Open API. Here the whole object would be one custom property.
    """
    for name in held:
        field = _BY_LETTERS.get(letters_of(name)) if isinstance(name, str) else None
        if field:
            raise BluxRecordError(
                "properties",
                f"holds {field}, as in the Open API, and would be one custom property in the Application API; put "
                f"{field} in user_properties, or set api='open'",
            )


def _unfolded(row: Mapping[str, Any], shaping: Shaping) -> dict[str, Any]:
    """Return a flat row from a row that has all of its properties under ``properties``.

    :raises BluxRecordError: a column is beside ``properties``, and ``exclude_fields`` does not leave it out.
    """
    for column, value in row.items():
        if column in _NESTED or (value is None and (column in _GROUPS or not shaping.send_nulls)):
            continue
        if shaping.is_excluded(column):
            continue
        name = text(column, "a column name")
        raise BluxRecordError(name, "is beside 'properties'; put it inside, or send all rows without 'properties'")
    held = {} if "properties" in shaping.excluded else row["properties"]
    if held.get("user_id") is not None:
        raise BluxRecordError("properties.user_id", "is inside 'properties'; put it beside 'properties'")
    return {**held, "user_id": row.get("user_id")}


def _sorted(row: Any, shaping: Shaping, aside: frozenset[str] = _ID) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the id, the standard fields and the custom properties of a row, each checked.

    :param aside: the columns that are not properties, such as ``user_id``.
    """
    row = mapping(row)
    user_id = identifier(row.get("user_id"), "user_id", check=shaping.check_ids)
    standard, custom, groups = sort_properties(row, _find(shaping, aside), nulls=shaping.send_nulls)
    for column, value in groups:
        group = _without(value, shaping)
        if column == "user_properties":
            check = partial(_standard_property, shaping.standard_checks)
            put_group(standard, column, group, check, nulls=shaping.send_nulls)
        else:
            put_group(custom, column, group, json_value, nulls=shaping.send_nulls)
    return user_id, standard, custom


@lru_cache(maxsize=64)
def _find(shaping: Shaping, aside: frozenset[str]) -> Find:
    standard = {
        name: Property(name, check, _IN_CONSENTS if name in CONSENTS else _IN_TEXTS, is_standard=True)
        for name, check in shaping.standard_checks.items()
    }

    @lru_cache(maxsize=MOST_NAMES)
    def find(column: Any) -> Property | None:
        if column in _GROUPS:
            return None if column in shaping.excluded else Property(column)
        if column in aside or shaping.is_excluded(column):
            return None
        return standard.get(column) or own_property(column)

    return find


def _without(group: Any, shaping: Shaping) -> Any:
    if not shaping.excluded or not isinstance(group, Mapping):
        return group
    return {name: value for name, value in group.items() if not shaping.is_excluded(name)}


def _checked(checks: Mapping[str, Check], name: str, value: Any, field: str) -> Any:
    return None if value is None else checks[name](value, field)


def _standard_property(checks: Mapping[str, Check], value: Any, field: str) -> Any:
    name = field.removeprefix("user_properties.")
    if name not in checks:
        meant = meant_by(name, checks, loosely=True)
        way_out = f"did you mean {meant}?" if meant else "put it in custom_user_properties"
        raise BluxRecordError(field, f"is not one of the eight fields that Blux knows; {way_out}")
    return _checked(checks, name, value, field)


def _joined(standard: dict[str, Any], custom: dict[str, Any], shaping: Shaping) -> dict[str, Any]:
    for name in standard.keys() & custom.keys():
        raise BluxRecordError(name, "is given twice, as a standard field and as a custom property; remove one of them")
    checks = shaping.standard_checks
    # In the Open API, a consent among the custom properties has the same effect, so it is checked the same way.
    return standard | {
        name: _checked(checks, name, value, name) if name in checks else value for name, value in custom.items()
    }

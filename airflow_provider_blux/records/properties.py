"""Properties of records: sorts flat columns and nested groups into standard and custom properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.fields import MOST_NAMES, Check
from airflow_provider_blux.records.values import PROPERTY_CHECKS, json_value, text

OBJECTS = (dict, Mapping)  # `dict` first: nearly all rows are dicts, and this check is fast


def mapping(row: Any) -> Mapping[str, Any]:
    """Return a row that is a mapping; raise a :class:`BluxRecordError` for any other type."""
    if isinstance(row, OBJECTS):
        return row
    raise BluxRecordError(None, f"the record is of type {type(row).__name__}; it must be an object with named fields")


class Property(NamedTuple):
    """The property that a column stands for.

    :param name: the name of the property.
    :param check: checks a value and returns the value to send. ``None`` if the column holds a nested group.
    :param checks: for values of some types, the check in place of ``check``; ``None`` if they need none.
    :param is_standard: whether it is a standard field of Blux; otherwise it is a custom property.
    """

    name: str
    check: Check | None = None
    checks: Mapping[type, Check | None] = PROPERTY_CHECKS
    is_standard: bool = False


Find = Callable[[Any], Property | None]
"""Takes a column name; returns its property, or ``None`` if the column is not a property.

It raises a :class:`BluxRecordError` if the column cannot be sent.
"""


def sort_properties(
    row: Mapping[str, Any], find: Find, *, nulls: bool
) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any]]]:
    """Return the standard fields, the custom properties and the nested groups of a row.

    The values of standard fields and custom properties are checked. The groups are returned unchecked, as pairs of
    name and value.

    :param find: tells what each column stands for. It is called for each column of each row, so it must be cached.
    :param nulls: whether nulls are sent.
    :raises BluxRecordError: a column or a value cannot be sent.
    """
    standard: dict[str, Any] = {}
    own: dict[str, Any] = {}
    nested: list[tuple[str, Any]] = []
    for column, value in row.items():
        if (value is None and not nulls) or (found := find(column)) is None:
            continue
        name, check, checks, is_standard = found
        if check is None:
            nested.append((name, value))
            continue
        check = checks.get(type(value), check)
        (standard if is_standard else own)[name] = check(value, name) if check else value
    return standard, own, nested


def own_property(column: Any) -> Property:
    """Return the :class:`Property` of a custom property, which has the name of its column."""
    return Property(text(column, "a column name"), json_value)


@lru_cache(maxsize=64)
def _own_find(fields: frozenset[str]) -> Find:
    @lru_cache(maxsize=MOST_NAMES)
    def find(column: Any) -> Property | None:
        if column in fields:
            return None
        return Property(column) if column == "properties" else own_property(column)

    return find


def own_properties(row: Mapping[str, Any], fields: frozenset[str], *, nulls: bool) -> dict[str, Any]:
    """Return the custom properties of a row: those in the object ``properties``, and all columns that are no fields.

    :param fields: the names of the fields that Blux knows, such as ``user_id``; they are no properties.
    :param nulls: whether nulls are sent.
    :raises BluxRecordError: JSON cannot represent a value, or a property is given twice.
    """
    _, properties, groups = sort_properties(row, _own_find(fields), nulls=nulls)
    for group, value in groups:
        put_group(properties, group, value, json_value, nulls=nulls)
    return properties


def put_group(into: dict[str, Any], group: str, value: Any, check: Callable[[Any, str], Any], *, nulls: bool) -> None:
    """Check the items of a nested group and add them to the properties ``into``. A null group has no items.

    :param group: the name of the group, for errors.
    :param value: the group.
    :param check: takes an item and its path; returns the value to send.
    :param nulls: whether null items are added.
    :raises BluxRecordError: the group is not an object, or an item is not valid or is already in ``into``.
    """
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise no_object(group, value)
    for key, item in value.items():
        if item is not None or nulls:
            name, checked = text(key, f"a key of {group}"), check(item, f"{group}.{key}")
            if name in into:
                raise BluxRecordError(name, "is given twice, flat and nested; remove one of them")
            into[name] = checked


def no_object(group: str, value: Any) -> BluxRecordError:
    """Return the error for a nested group that is not an object."""
    return BluxRecordError(
        group,
        f"is of type {type(value).__name__}; it must be an object. Name the column in json_columns if it holds JSON",
    )

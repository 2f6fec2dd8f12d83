"""Properties of records: sorts flat columns and nested groups into standard and custom properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.columns import is_table_row, missing_field
from airflow_provider_blux.records.values import json_value, text

# Takes a value and its field name; returns the value to send, or raises BluxRecordError.
Check = Callable[[Any, str], Any]

_PLAIN: frozenset[type] = frozenset({str, bool})
_NOTHING: frozenset[type] = frozenset()
# JSON objects may have any keys, so the number of remembered key sets is limited.
_MOST_PLANS = 4096
OBJECTS = (dict, Mapping)  # `dict` first: nearly all rows are dicts, and this check is fast


def mapping(row: Any) -> Mapping[str, Any]:
    """Return a row that is a mapping; raise a :class:`BluxRecordError` for any other type."""
    if isinstance(row, OBJECTS):
        return row
    raise BluxRecordError(None, f"the record is of type {type(row).__name__}; it must be an object with named fields")


def required(row: Mapping[str, Any], field: str) -> Any:
    """Return the value of a required field; ``None`` if the row does not have it.

    :raises BluxConfigError: the row is from a table without a column for the field.
    """
    value = row.get(field)
    if value is None and field not in row and is_table_row(row):
        raise missing_field(row, field)
    return value


class Place(NamedTuple):
    """The property that a column stands for.

    :param is_known: whether it is a standard field of Blux; otherwise it is a custom property.
    :param name: the name of the property.
    :param plain: types whose values need no check.
    :param check: checks values of other types, except null; ``None`` if the column holds a nested group.
    """

    is_known: bool
    name: str
    plain: frozenset[type]
    check: Check | None


class _Plan(NamedTuple):
    """How the columns are sorted, for all rows with the same set of columns.

    :param places: the columns that are sent, each with its property.
    :param known: the names of the standard fields, each with its column.
    :param own: the names of the custom properties, each with its column.
    :param refused: the columns that cannot be sent, each with its error; a null in such a column is no error unless
        nulls are sent.
    """

    places: list[tuple[Any, Place]]
    known: list[tuple[str, Any]]
    own: list[tuple[str, Any]]
    refused: list[tuple[Any, BluxRecordError]]


class Placement:
    """Sorts the columns of rows into properties; the plan is cached for each set of columns.

    :param find: returns the property of a column; ``None`` if the column is not a property.
    :param nulls: whether nulls are sent.
    """

    def __init__(self, find: Callable[[Any], Place | None], *, nulls: bool) -> None:
        self._find = find
        self._nulls = nulls
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    def sort(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any]]]:
        """Return the standard fields, the custom properties and the nested groups of a row.

        Values of the first two are checked; the groups are returned unchecked, as pairs of column and value.

        :raises BluxRecordError: a value cannot be sent.
        """
        nested: list[tuple[str, Any]] = []
        columns = tuple(row)
        plan = self._plans.get(columns) or self._new_plan(columns)
        for column, error in plan.refused:
            if row[column] is not None or self._nulls:
                raise BluxRecordError(error.field, error.reason)
        known = {name: row[column] for name, column in plan.known}
        own = {name: row[column] for name, column in plan.own}
        for column, place in [entry for entry in plan.places if type(row[entry[0]]) not in entry[1].plain]:
            value, into = row[column], known if place.is_known else own
            if place.check is None:
                nested.append((place.name, value))
            elif value is not None:
                into[place.name] = place.check(value, place.name)
            elif not self._nulls:
                del into[place.name]
        return known, own, nested

    def _new_plan(self, columns: tuple[Any, ...]) -> _Plan:
        plan = _Plan([], [], [], [])
        for column in columns:
            try:
                place = self._find(column)
            except BluxRecordError as error:
                plan.refused.append((column, error.with_traceback(None)))
                continue
            if place:
                plan.places.append((column, place))
                if place.check:
                    (plan.known if place.is_known else plan.own).append((place.name, column))
        if len(self._plans) < _MOST_PLANS:
            self._plans[columns] = plan
        return plan


def own_property(column: Any) -> Place:
    """Return the :class:`Place` of a custom property."""
    return Place(is_known=False, name=text(column, "a column name"), plain=_PLAIN, check=json_value)


@lru_cache(maxsize=64)
def _own_placement(fields: frozenset[str], nulls: bool) -> Placement:
    def find(column: Any) -> Place | None:
        if column in fields:
            return None
        if column == "properties":
            return Place(is_known=False, name=column, plain=_NOTHING, check=None)
        return own_property(column)

    return Placement(find, nulls=nulls)


def own_properties(row: Mapping[str, Any], fields: frozenset[str], *, nulls: bool) -> dict[str, Any]:
    """Return the properties of a row: the nested ones under ``properties``, and each column that is not a field.

    :param nulls: whether nulls are sent.
    :raises BluxRecordError: JSON cannot represent a value, or a property is given twice.
    """
    _, properties, groups = _own_placement(fields, nulls).sort(row)
    for group, value in groups:
        put_group(properties, group, value, json_value, nulls=nulls)
    return properties


def put_group(into: dict[str, Any], group: str, value: Any, check: Callable[[Any, str], Any], *, nulls: bool) -> None:
    """Check the items of a nested group and add them to the properties ``into``. A null group has no items."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise BluxRecordError(group, f"is of type {type(value).__name__}; it must be an object")
    for name, item in value.items():
        if item is not None or nulls:
            put(into, text(name, f"a key of {group}"), check(item, f"{group}.{name}"))


def put(into: dict[str, Any], name: str, value: Any) -> None:
    """Add one property; raise if it is already there, since one of the two values would be lost."""
    if name in into:
        raise BluxRecordError(name, "is given twice, flat and nested; leave one of them")
    into[name] = value

"""Properties of the customer's own, nested or flat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.columns import is_table_row, missing_field
from airflow_provider_blux.records.values import json_value, text

# Takes a value and the name of its field; returns what is sent, or raises BluxRecordError.
Check = Callable[[Any, str], Any]

_PLAIN: frozenset[type] = frozenset({str, bool})
_NOTHING: frozenset[type] = frozenset()
# Objects may have any keys; only so many sets of them are remembered.
_MOST_PLANS = 4096
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


class Place(NamedTuple):
    """Which property a column is.

    :param is_known: whether Blux knows it; otherwise it is the customer's own.
    :param name: what the property is called.
    :param plain: the types of values that need no check.
    :param check: checks any other value but null; ``None`` where the column holds a group of properties itself.
    """

    is_known: bool
    name: str
    plain: frozenset[type]
    check: Check | None


class _Plan(NamedTuple):
    """What becomes of each column of the rows that have the same columns.

    :param places: of the columns that are sent.
    :param known: the names of the properties that Blux knows, each with its column; ``own`` those of the others.
    :param refused: the columns that cannot be sent, and why; where all are null, nothing would be.
    """

    places: list[tuple[Any, Place]]
    known: list[tuple[str, Any]]
    own: list[tuple[str, Any]]
    refused: list[tuple[Any, BluxRecordError]]


class Placement:
    """Sorts the columns of rows into properties; which is which is found out once for each set of columns.

    :param find: returns the place of a column; ``None`` for one that is no property.
    :param nulls: whether a null is sent; otherwise it is left out.
    """

    def __init__(self, find: Callable[[Any], Place | None], *, nulls: bool) -> None:
        self._find = find
        self._nulls = nulls
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    def sort(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any]]]:
        """Return the properties that Blux knows, and the customer's own, each with its value, checked.

        The columns that hold groups of properties themselves come third, with their values.

        :raises BluxRecordError: for a value that cannot be sent.
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
    """Return the place of a property of the customer's own."""
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
    """Return what stands under ``properties`` and in every column that is no field.

    :param nulls: whether a null is sent; otherwise it is left out.
    :raises BluxRecordError: for a value that JSON cannot carry, and for a property that is given twice.
    """
    _, properties, groups = _own_placement(fields, nulls).sort(row)
    for group, value in groups:
        put_group(properties, group, value, json_value, nulls=nulls)
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

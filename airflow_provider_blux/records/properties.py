"""Properties of records: sorts flat columns and nested groups into standard and custom properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.columns import is_table_row, missing_field
from airflow_provider_blux.records.fields import Check
from airflow_provider_blux.records.values import json_value, property_check, text

# JSON objects may have any keys, and values of any type, so what is remembered is limited.
_MOST_PLANS = 4096
_MOST_STEPS = 4096
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

    :param is_standard: whether it is a standard field of Blux; otherwise it is a custom property.
    :param name: the name of the property.
    :param check_of: a function that takes the type of a value that is not null. It returns the check for values of
        this type, or ``None`` if they need no check. If the column holds a nested group, ``None`` and not a function.
    """

    is_standard: bool
    name: str
    check_of: Callable[[type], Check | None] | None


class _Plan(NamedTuple):
    """A cached plan for rows with the same columns: the property of each column. A column is given by its index.

    :param places: each column that is sent, with its property or nested group.
    :param standard: the name of each standard field, with its column.
    :param own: the name of each custom property, with its column.
    :param refused: each column that cannot be sent, with its error. If nulls are not sent, a null in such a column is
        no error.
    :param steps: a cache. It maps the types of all values in a row to the columns whose value is not simply copied: it
        must be checked, is a null that is not sent, or is an object with properties.
    """

    places: list[tuple[int, Place]]
    standard: list[tuple[str, int]]
    own: list[tuple[str, int]]
    refused: list[tuple[int, BluxRecordError]]
    steps: dict[tuple[type, ...], list[_Step]]


class _Step(NamedTuple):
    """What :meth:`Placement.sort` does with a column whose value is not simply copied.

    :param check: a function that checks the value and returns the value to send. There is no function (``None``) for a
        null that is not sent, and for an object with properties, which is not checked here.
    """

    column: int
    place: Place
    check: Check | None


class Placement:
    """Turns the columns of rows into standard fields, custom properties and nested groups.

    Which column becomes what is cached for each set of columns and types of values.

    :param find: takes a column name; returns its property, or ``None`` if the column is not a property. Raises a
        :class:`BluxRecordError` if the column cannot be sent.
    :param nulls: whether nulls are sent.
    """

    def __init__(self, find: Callable[[Any], Place | None], *, nulls: bool) -> None:
        self._find = find
        self._nulls = nulls
        self._plans: dict[tuple[Any, ...], _Plan] = {}
        self._remembered = 0

    def sort(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any]]]:
        """Return the standard fields, the custom properties and the nested groups of a row.

        The values of standard fields and custom properties are checked. The groups are returned unchecked, as pairs of
        column and value.

        :raises BluxRecordError: a value cannot be sent.
        """
        nested: list[tuple[str, Any]] = []
        columns, values = tuple(row), list(row.values())
        kinds = tuple(map(type, values))
        plan = self._plans.get(columns) or self._new_plan(columns)
        if (steps := plan.steps.get(kinds)) is None:
            steps = self._new_steps(plan, kinds)
        for column, error in plan.refused:
            if values[column] is not None or self._nulls:
                raise BluxRecordError(error.field, error.reason)
        standard = {name: values[column] for name, column in plan.standard}
        own = {name: values[column] for name, column in plan.own}
        for column, place, check in steps:
            into = standard if place.is_standard else own
            if check:
                into[place.name] = check(values[column], place.name)
            elif place.check_of:
                del into[place.name]
            else:
                nested.append((place.name, values[column]))
        return standard, own, nested

    def _new_plan(self, columns: tuple[Any, ...]) -> _Plan:
        plan = _Plan([], [], [], [], {})
        for index, column in enumerate(columns):
            try:
                place = self._find(column)
            except BluxRecordError as error:
                plan.refused.append((index, error.with_traceback(None)))
                continue
            if place:
                plan.places.append((index, place))
                if place.check_of:
                    (plan.standard if place.is_standard else plan.own).append((place.name, index))
        if len(self._plans) < _MOST_PLANS:
            self._plans[columns] = plan
        return plan

    def _new_steps(self, plan: _Plan, kinds: tuple[type, ...]) -> list[_Step]:
        steps = []
        for column, place in plan.places:
            is_null = kinds[column] is NoneType
            check = place.check_of(kinds[column]) if place.check_of and not is_null else None
            if check or place.check_of is None or (is_null and not self._nulls):
                steps.append(_Step(column, place, check))
        if self._remembered < _MOST_STEPS and len(self._plans) < _MOST_PLANS:
            self._remembered += 1
            plan.steps[kinds] = steps
        return steps


def own_property(column: Any) -> Place:
    """Return the :class:`Place` of a custom property.

    :param column: the name of the column, which is also the name of the property.
    :raises BluxRecordError: the name is not text, or cannot be represented in UTF-8.
    """
    return Place(is_standard=False, name=text(column, "a column name"), check_of=property_check)


@lru_cache(maxsize=64)
def _own_placement(fields: frozenset[str], nulls: bool) -> Placement:
    def find(column: Any) -> Place | None:
        if column in fields:
            return None
        if column == "properties":
            return Place(is_standard=False, name=column, check_of=None)
        return own_property(column)

    return Placement(find, nulls=nulls)


def own_properties(row: Mapping[str, Any], fields: frozenset[str], *, nulls: bool) -> dict[str, Any]:
    """Return the custom properties of a row: those in the object ``properties``, and all columns that are no fields.

    :param fields: the names of the fields that Blux knows, such as ``user_id``; they are no properties.
    :param nulls: whether nulls are sent.
    :raises BluxRecordError: JSON cannot represent a value, or a property is given twice.
    """
    _, properties, groups = _own_placement(fields, nulls).sort(row)
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

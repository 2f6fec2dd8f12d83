"""``field_mapping``: the fields of each kind of record, and the renaming of columns to fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.records.columns import is_table_row, quoted
from airflow_provider_blux.records.properties import no_object
from airflow_provider_blux.records.spelling import meant_by

Shape = Callable[[Any], tuple[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The fields of one kind of record.

    :param shape: turns a row with these fields into the key and the record; takes the row and the :class:`Shaping`.
    :param required: the fields that each record needs.
    :param own: the top-level fields outside the groups. Any other top-level name is a group or a property.
    :param groups: the nested objects, each with its allowed names; ``None`` if any name is allowed.
    :param properties: the group for properties given without a group; ``None`` if the records have no properties.
    :param by_mapping: those of ``own`` that only ``field_mapping`` can set: without it, a column with the name of such
        a field is a property.
    :param prefixes: words for the kind of record that a column name may start with, as ``customer`` in
        ``customer_email``.
    """

    shape: Callable[..., tuple[str, Any]]
    required: tuple[str, ...]
    own: frozenset[str]
    groups: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    properties: str | None = None
    by_mapping: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @cached_property
    def names(self) -> frozenset[str]:
        """The column names that are read as a field, or as an object with properties, such as ``user_properties``.

        A column whose name differs from one of them only in case, blanks, dashes and the like is an error, not a custom
        property.
        """
        inside = (names for names in self.groups.values() if names is not None)
        return (self.own - self.by_mapping).union(self.groups, *inside)

    @cached_property
    def flat(self) -> frozenset[str]:
        """The column names that are read as a field, without those that hold an object with properties."""
        return self.names - self.groups.keys()

    @property
    def own_group(self) -> str | None:
        """The name of the group of custom properties; ``None`` if the records have no properties."""
        return "custom_user_properties" if "custom_user_properties" in self.groups else self.properties

    @property
    def is_profile(self) -> bool:
        """Whether the records are users of the Open API, whose properties of both kinds are in one object.

        In this object, a misspelt standard field would be taken for a custom property.
        """
        return self.properties == "properties" and "user_properties" in self.groups

    def place(self, target: str) -> tuple[str | None, str]:
        """Return the group of a ``field_mapping`` target (``None`` without a group) and the name in that group.

        :raises BluxConfigError: there is no such field, or the target is probably a misspelt field name.
        """
        group, dot, name = target.partition(".")
        if not dot:
            if self.properties is None and target not in self.own:
                raise BluxConfigError(
                    f"field_mapping: there is no field {quoted(target)} here, only {', '.join(sorted(self.own))}."
                )
            self._check_meant(target, target, self.names | self.own)
            return None, target
        if group not in self.groups or not name:
            groups = ", ".join(f"{name}.<name>" for name in self.groups) or "none"
            raise BluxConfigError(
                f"field_mapping: {quoted(target)} does not name a field of a group; the groups here are: {groups}."
                f"{_did_you_mean(meant_by(group, self.groups))}"
            )
        names = self.groups[group]
        if names is not None and name not in names:
            raise BluxConfigError(
                f"field_mapping: {group} has no field {quoted(name)}, only {', '.join(sorted(names))}. Map a "
                f"custom property to custom_user_properties.<name>.{_did_you_mean(meant_by(name, names))}"
            )
        if self.is_profile and group != self.own_group:
            self._check_meant(target, name, self.names - {*self.groups, *self.own})
        return group, name

    def _check_meant(self, target: str, name: str, fields: AbstractSet[str]) -> None:
        if meant := meant_by(name, fields):
            raise BluxConfigError(
                f"field_mapping: {quoted(target)} is not one of the fields here.{_did_you_mean(meant)} (A custom "
                f"property of that name is {self.own_group}.<name>.)"
            )

    def full_name(self, target: str) -> str:
        """Return a ``field_mapping`` target in one form, so that two targets for the same property are equal.

        A property gets its group, as in ``properties.grade``. A field outside the groups stays as it is.
        """
        group, name = self.place(target)
        if group is None and (name in self.own or name in self.groups or self.properties is None):
            return target
        if self.properties == "properties":  # the Open API has only one kind of properties
            return f"properties.{name}"
        if group is None:
            holders = (key for key, names in self.groups.items() if names is not None and name in names)
            group = next(holders, self.properties)
        return f"{group}.{name}"


def check_targets(field_mapping: Mapping[str, str], fields: Fields) -> None:
    """Check that each target of ``field_mapping`` exists, and that no two columns have the same target.

    :raises BluxConfigError: a target does not exist, or two columns have it; the error names the target.
    """
    taken: dict[str, str] = {}
    for column, target in field_mapping.items():
        place = fields.full_name(target)
        if place in taken:
            raise BluxConfigError(f"field_mapping maps both {quoted(taken[place])} and {quoted(column)} to {place}.")
        taken[place] = column


class Mapped:
    """Renames the columns of a row by ``field_mapping`` and passes the row to ``shape``.

    :param shape: turns the renamed row into a record.
    :raises BluxConfigError: ``field_mapping`` maps a column to a field that does not exist, or two columns to one.
    """

    def __init__(self, shape: Shape, field_mapping: Mapping[str, str], fields: Fields) -> None:
        check_targets(field_mapping, fields)
        self._shape = shape
        self._fields = fields
        # A row may hold all of its properties in one object, `properties`. In such a row, a column that is mapped to a
        # property, standard or custom, is put into that object.
        self._nests = fields.is_profile
        self._places = {column: fields.place(target) for column, target in field_mapping.items()}
        self._flat = {name: column for column, (group, name) in self._places.items() if group is None}

    def __call__(self, row: Mapping[str, Any]) -> tuple[str, Any]:
        """Return the key and the record of a row.

        :raises BluxRecordError: the row is not valid. For a renamed column, the error also gives the old name.
        :raises BluxConfigError: the row's table already has a column with the name that a column is renamed to.
        """
        try:
            return self._shape(self._renamed(row))
        except BluxRecordError as error:
            raise self._with_column(error) from None

    def _renamed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        places, renamed = self._places, {}
        inside: dict[str, dict[str, Any]] = {}
        for column, value in row.items():
            place = places.get(column)
            if place is None:
                if column in self._flat:
                    raise self._twice(row, column)
                renamed[column] = value
            elif place[0] is None:
                renamed[place[1]] = value
            else:
                inside.setdefault(place[0], {})[place[1]] = value
        for group, items in inside.items():
            self._put_inside(renamed, group, items)
        return renamed

    def _put_inside(self, renamed: dict[str, Any], group: str, items: dict[str, Any]) -> None:
        if self._nests:
            nested = isinstance(renamed.get("properties"), Mapping)
            group = "properties" if nested else "custom_user_properties" if group == "properties" else group
        held = renamed.get(group)
        if held is None:
            renamed[group] = items
            return
        if not isinstance(held, Mapping):
            raise no_object(group, held)
        for name in items.keys() & held.keys():
            raise BluxRecordError(f"{group}.{name}", "is given twice, by its own name and by field_mapping; remove one")
        renamed[group] = {**held, **items}

    def _twice(self, row: Mapping[str, Any], name: str) -> BluxConfigError | BluxRecordError:
        if is_table_row(row):
            return BluxConfigError(
                f"The column {name!r} and, by field_mapping, the column {quoted(self._flat[name])} are both {name}; "
                f"one of the two would be lost. Take one of them out of the source, or map {name!r} to another field."
            )
        if self._flat[name] in row:
            return BluxRecordError(name, "is given twice, by its own name and by field_mapping; remove one")
        return BluxRecordError(
            name,
            "is given by its own name, but field_mapping takes it from another column; use one name in all records",
        )

    def _with_column(self, error: BluxRecordError) -> BluxRecordError:
        for column, (group, name) in self._places.items():
            names = {name if group is None else f"{group}.{name}"}
            if self._nests and group is not None:  # the Open API has only one kind of properties
                names |= {f"custom_user_properties.{name}", f"properties.{name}", name}
            if column not in names and any(_is_of(error.field, known) for known in names):
                return BluxRecordError(error.field, f"{error.reason} (column {quoted(column)})")
        return error


def _did_you_mean(name: str | None) -> str:
    return f" Did you mean {name!r}?" if name else ""


def _is_of(found: str | None, name: str) -> bool:
    return found is not None and (found == name or found.startswith((f"{name}.", f"{name}[")))

"""Rows that have the same columns: ``msgspec`` takes what is sent out of many of them at once, or refuses them all.

It takes text, whole numbers, booleans and nulls as they are. In a column that turns out to hold something else, each
value is checked by the check of that property.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, convert

from airflow_provider_blux.exceptions import BluxError, BluxRecordError
from airflow_provider_blux.records.fields import TEXTS, Check
from airflow_provider_blux.records.values import json_value, plain_identifiers

Rows = Sequence[Any]
Shaped = tuple[str, Any] | BluxRecordError
"""The key of a record and the record as it is sent, or why there is none."""

# What says that a row needs a closer look.
REFUSED = (BluxError, msgspec.MsgspecError, TypeError, ValueError, RecursionError)
# What needs no closer look. A float may be NaN, an integer larger than the receiver's numbers.
_TEXT = str | None
_CONSENT = bool | None
_ANYTHING = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | str | bool | None

_WORDS = {str, type(None)}

encoder = msgspec.json.Encoder()


class Layout:
    """Rows that have the same columns, one of them the key and the others properties.

    :param key: the column of the key.
    :param names: all columns.
    :param nulls: whether a column that a line lacks is not the same as one that is null.
    """

    def __init__(self, key: str, groups: list[Group], names: Iterable[str], *, nulls: bool) -> None:
        self._key = key
        self._groups = groups
        self._names = names
        self._nulls = nulls
        self._make()

    def encoded(self, rows: Rows) -> list[Shaped]:
        """Return the key of each record, and the record as it is sent; raise if a row needs a closer look."""
        keys = _keys([row[self._key] for row in rows])
        names = [group.name for group in self._groups]
        records = convert(
            [{self._key: key, **dict.fromkeys(names, row)} for key, row in zip(keys, rows, strict=True)], self._type
        )
        return self._finished(keys, records)

    def encoded_lines(self, lines: Sequence[bytes]) -> list[Shaped]:
        """Return the same for rows that are lines of JSON; their columns may stand in another order."""
        flat = [*map(self._decode_flat, lines)]
        keys = _keys([*map(attrgetter(self._key), flat)])
        return self._finished(keys, convert(flat, self._type, from_attributes=True))

    def _finished(self, keys: Sequence[str], records: Sequence[Any]) -> list[Shaped]:
        for group in self._groups:
            group.finish(records)
        return list(zip(keys, map(Raw, encoder.encode_lines(records).split(b"\n")[:-1]), strict=True))

    def learn(self, row: dict[str, Any]) -> None:
        """Look closer, from now on, at the columns in which this row has another kind of value than most."""
        for group in self._groups:
            group.learn(row)
        self._make()

    def _make(self) -> None:
        fields = [(group.name, group.type | None, None) for group in self._groups]
        self._type = list[struct_of("Record", [(self._key, str), *fields], omit_defaults=True)]  # type: ignore[misc]
        self._decode_flat = msgspec.json.Decoder(self._flat()).decode

    def _flat(self) -> Any:
        """Return the type of a line: all columns beside each other, of which each group takes its own."""
        columns = {column: name for group in self._groups for column, name in group.columns.items()}
        kinds = {column: kind for group in self._groups for column, kind in group.kinds.items()}
        others = {*self._names} - {self._key, *columns.values()}
        columns |= {f"left_out_{number}": name for number, name in enumerate(others)}
        fields: list[Any] = [(self._key, str)]
        for column in columns:
            kind = kinds.get(column, Any)
            fields.append((column, kind) if self._nulls else (column, kind, None))
        itself = {group.name: property(lambda flat: flat) for group in self._groups}
        return struct_of("Flat", fields, rename=columns, namespace=itself, forbid_unknown_fields=True)


class Group:
    """The columns that make one group of properties.

    :param checks: the check of each known property.
    :param may_be_empty: whether it is there without a property, too.
    """

    def __init__(
        self, name: str, columns: Iterable[str], checks: Mapping[str, Check], *, nulls: bool, may_be_empty: bool
    ) -> None:
        self.name = name
        self._of_record = attrgetter(name)
        #: What each column is called, and what it may hold, by the name of its field.
        self.columns = {f"{name}_{number}": column for number, column in enumerate(columns)}
        self.kinds = {column: _kind(name, checks) for column, name in self.columns.items()}
        self._checks = checks
        self._nulls = nulls
        self._may_be_empty = nulls or may_be_empty
        # What cannot be taken as it is: its field in the type, its column, its check.
        self._closer: list[tuple[str, str, Check]] = []
        self._make()

    def finish(self, records: Sequence[Any]) -> None:
        """Check what needs a closer look, and leave out a group without properties."""
        properties = [*map(self._of_record, records)]
        for column, name, check in self._closer:
            values = [*map(attrgetter(column), properties)]
            kinds = {*map(type, values)}
            if check is json_value and kinds == {float} and all(map(isfinite, values)):
                continue
            if kinds <= _WORDS:  # of which there are few, such as those that consents are written as
                meanings = {word: _checked(check, word, name) for word in {*values}}
                checked = [*map(meanings.get, values)]
            else:
                checked = [_checked(check, value, name) for value in values]
            for of_row, value in zip(properties, checked, strict=True):
                setattr(of_row, column, value)
        if not self._may_be_empty and self._none in properties:
            for record, of_row in zip(records, properties, strict=True):
                if of_row == self._none:
                    setattr(record, self.name, None)

    def learn(self, row: dict[str, Any]) -> None:
        """Look closer at the columns whose values in this row are none of the usual ones."""
        for column, name in self.columns.items():
            try:
                convert(row[name], self.kinds[column])
            except REFUSED:
                self.kinds[column] = Any
                self._closer.append((column, name, self._checks.get(name, json_value)))
        self._make()

    def _make(self) -> None:
        fields = [(column, kind, None) for column, kind in self.kinds.items()]
        self.type = struct_of("Properties", fields, rename=self.columns, omit_defaults=not self._nulls)
        self._none = self.type()


def _keys(values: list[Any]) -> list[str]:
    keys = plain_identifiers(values)
    if keys is None:
        raise TypeError
    return keys


def struct_of(name: str, fields: Any, **options: Any) -> Any:
    """Return a type that the garbage collector passes over: nothing in it refers back to it."""
    return msgspec.defstruct(name, fields, gc=False, **options)


def _kind(name: str, checks: Mapping[str, Check]) -> Any:
    if name not in checks:
        return _ANYTHING
    return _TEXT if name in TEXTS else _CONSENT


def _checked(check: Check, value: Any, name: str) -> Any:
    return None if value is None else check(value, name)

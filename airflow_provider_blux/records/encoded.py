"""Records as they travel: shaped and encoded, many rows at a time.

What a row comes to is for the shapes of this folder to say. But nearly all rows of a source have the same columns, and
in them text, whole numbers, booleans and nulls, which need no closer look. ``msgspec`` takes those out of many rows at
once and encodes them, in a third of the time, and refuses all others: those the exact shape judges, one by one. So
there is one set of rules, and a property test holds this module to it. Lines of JSON need not even be parsed to
dictionaries for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from math import isfinite
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, convert

from airflow_provider_blux.exceptions import BluxError, BluxRecordError
from airflow_provider_blux.line import decode, parsed, texts
from airflow_provider_blux.records.known import TEXTS, Check
from airflow_provider_blux.records.mapping import Shape
from airflow_provider_blux.records.values import json_value, plain_identifiers

Shaped = tuple[str, Any] | BluxRecordError
"""The key of a record and the record as it is sent, or why there is none."""

Rows = Sequence[Any]
Names = tuple[Any, ...]

# Objects that all have other keys are shaped one by one.
_MOST = 256
_REFUSED = (BluxError, msgspec.MsgspecError, TypeError, ValueError, RecursionError)
# What needs no closer look. A float may be NaN, an integer larger than the receiver's numbers.
_TEXT = str | None
_CONSENT = bool | None
_ANYTHING = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | str | bool | None

_WORDS = {str, type(None)}

_encoder = msgspec.json.Encoder()


def ids(exact: Shape, key: str, rows: Rows) -> list[Shaped]:
    """Return what the shape of records that are ids makes of each row.

    :param key: the column of the id, where a row has columns.
    """
    found = None
    if lines := texts(rows):
        with suppress(*_REFUSED):  # more columns, another kind of id
            found = plain_identifiers([*map(attrgetter(key), map(_decoder_of_ids(key), lines))])
    if found is None:
        rows = [*map(parsed, rows)]
        with suppress(KeyError):
            found = plain_identifiers([row[key] if isinstance(row, dict) else row for row in rows])
    return [_shaped(exact, row) for row in rows] if found is None else list(zip(found, found, strict=True))


@lru_cache
def _decoder_of_ids(key: str) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(_struct("Id", [(key, str)], forbid_unknown_fields=True)).decode


def merged(earlier: Raw, later: Raw, merge: Callable[[Any, Any], Any]) -> Raw:
    """Return one record for two, by what ``merge`` does with them."""
    return Raw(_encoder.encode(merge(decode(earlier), decode(later))))


class Encoded:
    """A shape of many rows, whose records are encoded.

    :param exact: the shape of one row.
    :param own: the columns that are fields of the record itself, the rest being properties.
    :param nested: columns that may hold properties of their own.
    :param group: the field of the record that holds its properties.
    :param known_group: the field that holds the known ones instead, where they have one of their own.
    :param checks: the check of each known property.
    :param excluded: the properties that are left out.
    :param nulls: whether a null is sent; otherwise it is left out.
    """

    def __init__(
        self,
        exact: Shape,
        *,
        own: Collection[str],
        nested: Collection[str],
        group: str,
        known_group: str | None,
        checks: Mapping[str, Check],
        excluded: Collection[str],
        nulls: bool,
    ) -> None:
        self._exact = exact
        self._own = own
        self._nested = frozenset(nested)
        self._group = group
        self._known_group = known_group
        self._checks = checks
        self._excluded = excluded
        self._nulls = nulls
        self._layouts: dict[Names, _Layout | None] = {}

    def __call__(self, rows: Rows) -> list[Shaped]:
        """Return what becomes of each row."""
        if lines := texts(rows):
            # The others are mostly as the first one is.
            layout = self._layout_of(_names(parsed(rows[0])))
            with suppress(*_REFUSED):
                if layout is not None:
                    return layout.encoded_lines(lines)
        rows = [*map(parsed, rows)]
        names = [*map(_names, rows)]
        if len({*names}) == 1:
            return self._of_one_layout(names[0], rows)
        places = defaultdict(list)
        for place, of_row in enumerate(names):
            places[of_row].append(place)
        found: list[Any] = [None] * len(rows)
        for of_rows, there in places.items():
            for place, shaped in zip(there, self._of_one_layout(of_rows, [rows[at] for at in there]), strict=True):
                found[place] = shaped
        return found

    def _of_one_layout(self, names: Names | None, rows: Rows) -> list[Shaped]:
        layout = self._layout_of(names)
        return [self._one(row) for row in rows] if layout is None else self._searched(layout, rows)

    def _searched(self, layout: _Layout, rows: Rows) -> list[Shaped]:
        """Take all rows at once, or else by halves, until those that need a closer look stand alone."""
        with suppress(*_REFUSED):
            return layout.encoded(rows)
        if len(rows) == 1:
            layout.learn(rows[0])
            return [self._one(rows[0])]
        half = len(rows) // 2
        return self._searched(layout, rows[:half]) + self._searched(layout, rows[half:])

    def _one(self, row: Any) -> Shaped:
        shaped = _shaped(self._exact, row)
        return shaped if isinstance(shaped, BluxRecordError) else (shaped[0], Raw(_encoder.encode(shaped[1])))

    def _layout_of(self, names: Names | None) -> _Layout | None:
        """Return the layout of rows with these columns; ``None`` where they need a closer look themselves."""
        if names is None:
            return None
        if names not in self._layouts and len(self._layouts) < _MOST:
            self._layouts[names] = self._new_layout(names)
        return self._layouts.get(names)

    def _new_layout(self, names: Names) -> _Layout | None:
        own = [name for name in names if name in self._own]
        if len(own) != 1 or not self._nested.isdisjoint(names) or not all(type(name) is str for name in names):
            return None
        columns = [name for name in names if name not in own and name not in self._excluded]
        groups = {self._group: columns}
        if self._known_group is not None:
            groups = {
                self._known_group: [name for name in columns if name in self._checks],
                self._group: [name for name in columns if name not in self._checks],
            }
        try:
            blank = self._exact({own[0]: "id"})[1]
            made = [
                _Group(name, inside, self._checks, nulls=self._nulls, may_be_empty=name in blank)
                for name, inside in groups.items()
                if inside
            ]
            is_whole = blank.keys() <= {own[0], *(group.name for group in made)}
            return _Layout(own[0], made, names, nulls=self._nulls) if is_whole else None
        except _REFUSED:  # a column with a quote in its name; a record that needs more fields than one
            return None


class _Layout:
    """Rows that have the same columns, one of them the key and the others properties.

    :param key: the column of the key.
    :param names: all columns.
    :param nulls: whether a column that a line lacks is not the same as one that is null.
    """

    def __init__(self, key: str, groups: list[_Group], names: Names, *, nulls: bool) -> None:
        self._key = key
        self._groups = groups
        self._names = names
        self._nulls = nulls
        self._make()

    def encoded(self, rows: Rows) -> list[Shaped]:
        """Return the key of each record, and the record as it is sent; raise if a row needs a closer look."""
        keys = plain_identifiers([row[self._key] for row in rows])
        if keys is None:
            raise TypeError
        names = [group.name for group in self._groups]
        records = convert(
            [{self._key: key, **dict.fromkeys(names, row)} for key, row in zip(keys, rows, strict=True)], self._type
        )
        return self._finished(keys, records)

    def encoded_lines(self, lines: Sequence[bytes]) -> list[Shaped]:
        """Return the same for rows that are lines of JSON; their columns may stand in another order."""
        flat = [*map(self._decode_flat, lines)]
        keys = plain_identifiers([*map(attrgetter(self._key), flat)])
        if keys is None:
            raise TypeError
        return self._finished(keys, convert(flat, self._type, from_attributes=True))

    def _finished(self, keys: Sequence[str], records: Sequence[Any]) -> list[Shaped]:
        for group in self._groups:
            group.finish(records)
        return list(zip(keys, map(Raw, _encoder.encode_lines(records).split(b"\n")[:-1]), strict=True))

    def learn(self, row: dict[str, Any]) -> None:
        """Look closer, from now on, at the columns in which this row has another kind of value than most."""
        for group in self._groups:
            group.learn(row)
        self._make()

    def _make(self) -> None:
        fields = [(group.name, group.type | None, None) for group in self._groups]
        self._type = list[_struct("Record", [(self._key, str), *fields], omit_defaults=True)]  # type: ignore[misc]
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
        return _struct("Flat", fields, rename=columns, namespace=itself, forbid_unknown_fields=True)


class _Group:
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
            except _REFUSED:
                self.kinds[column] = Any
                self._closer.append((column, name, self._checks.get(name, json_value)))
        self._make()

    def _make(self) -> None:
        fields = [(column, kind, None) for column, kind in self.kinds.items()]
        self.type = _struct("Properties", fields, rename=self.columns, omit_defaults=not self._nulls)
        self._none = self.type()


def _names(row: Any) -> Names | None:
    """Return the columns of a row that has some."""
    return (*row,) if isinstance(row, dict) else None


def _struct(name: str, fields: Any, **options: Any) -> Any:
    """Return a type that the garbage collector passes over: nothing in it refers back to it."""
    return msgspec.defstruct(name, fields, gc=False, **options)


def _kind(name: str, checks: Mapping[str, Check]) -> Any:
    if name not in checks:
        return _ANYTHING
    return _TEXT if name in TEXTS else _CONSENT


def _checked(check: Check, value: Any, name: str) -> Any:
    return None if value is None else check(value, name)


def _shaped(shape: Shape, row: Any) -> Shaped:
    if isinstance(row, BluxRecordError):
        return row
    try:
        return shape(row)
    except BluxRecordError as error:
        return error.with_traceback(None)  # which would keep the row alive

"""Records as they travel: shaped and encoded, many rows at a time.

What a row comes to is for the shapes of this folder to say. But nearly all rows of a source have the same columns, and
in them text, whole numbers, booleans and nulls, which need no closer look. ``msgspec`` takes those out of many rows at
once and encodes them, in a third of the time, and refuses all others: those the exact shape judges, one by one. So
there is one set of rules, and a property test holds this module to it. Lines of JSON need not even be parsed to
dictionaries for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.line import decode, parsed, texts
from airflow_provider_blux.records.fields import Check
from airflow_provider_blux.records.layouts import REFUSED, Group, Layout, Rows, Shaped, encoder, struct_of
from airflow_provider_blux.records.mapping import Shape
from airflow_provider_blux.records.values import plain_identifiers

Names = tuple[Any, ...]

# Objects that all have other keys are shaped one by one.
_MOST = 256


def ids(exact: Shape, key: str, rows: Rows) -> list[Shaped]:
    """Return what the shape of records that are ids makes of each row.

    :param key: the column of the id, where a row has columns.
    """
    found = None
    if lines := texts(rows):
        with suppress(*REFUSED):  # more columns, another kind of id
            found = plain_identifiers([*map(attrgetter(key), map(_decoder_of_ids(key), lines))])
    if found is None:
        rows = [*map(parsed, rows)]
        with suppress(KeyError):
            found = plain_identifiers([row[key] if isinstance(row, dict) else row for row in rows])
    return [_shaped(exact, row) for row in rows] if found is None else list(zip(found, found, strict=True))


@lru_cache
def _decoder_of_ids(key: str) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(struct_of("Id", [(key, str)], forbid_unknown_fields=True)).decode


def merged(earlier: Raw, later: Raw, merge: Callable[[Any, Any], Any]) -> Raw:
    """Return one record for two, by what ``merge`` does with them."""
    return Raw(encoder.encode(merge(decode(earlier), decode(later))))


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
        self._layouts: dict[Names, Layout | None] = {}

    def __call__(self, rows: Rows) -> list[Shaped]:
        """Return what becomes of each row."""
        if lines := texts(rows):
            # The others are mostly as the first one is.
            layout = self._layout_of(_names(parsed(rows[0])))
            with suppress(*REFUSED):
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

    def _searched(self, layout: Layout, rows: Rows) -> list[Shaped]:
        """Take all rows at once, or else by halves, until those that need a closer look stand alone."""
        with suppress(*REFUSED):
            return layout.encoded(rows)
        if len(rows) == 1:
            layout.learn(rows[0])
            return [self._one(rows[0])]
        half = len(rows) // 2
        return self._searched(layout, rows[:half]) + self._searched(layout, rows[half:])

    def _one(self, row: Any) -> Shaped:
        shaped = _shaped(self._exact, row)
        return shaped if isinstance(shaped, BluxRecordError) else (shaped[0], Raw(encoder.encode(shaped[1])))

    def _layout_of(self, names: Names | None) -> Layout | None:
        """Return the layout of rows with these columns; ``None`` where they need a closer look themselves."""
        if names is None:
            return None
        if names not in self._layouts and len(self._layouts) < _MOST:
            self._layouts[names] = self._new_layout(names)
        return self._layouts.get(names)

    def _new_layout(self, names: Names) -> Layout | None:
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
                Group(name, inside, self._checks, nulls=self._nulls, may_be_empty=name in blank)
                for name, inside in groups.items()
                if inside
            ]
            is_whole = blank.keys() <= {own[0], *(group.name for group in made)}
            return Layout(own[0], made, names, nulls=self._nulls) if is_whole else None
        except REFUSED:  # a column with a quote in its name; a record that needs more fields than one
            return None


def _names(row: Any) -> Names | None:
    """Return the columns of a row that has some."""
    return (*row,) if isinstance(row, dict) else None


def _shaped(shape: Shape, row: Any) -> Shaped:
    if isinstance(row, BluxRecordError):
        return row
    try:
        return shape(row)
    except BluxRecordError as error:
        return error.with_traceback(None)  # which would keep the row alive

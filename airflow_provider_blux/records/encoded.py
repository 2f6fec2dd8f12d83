"""Records as they travel: shaped and encoded, those of most rows in half the time.

What a row comes to is for the shapes of this folder to say. But nearly all rows of a source have the same columns, and
in them text, whole numbers, booleans and nulls, which need no closer look. ``msgspec`` takes those out of a row and
encodes them at once, and refuses all others, which the exact shape then judges. So there is one set of rules, and a
property test holds this module to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct, convert

from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.records.known import TEXTS, Check
from airflow_provider_blux.records.mapping import Shape
from airflow_provider_blux.records.values import identifier, json_value

# Objects that all have other keys are shaped one by one.
_MOST = 256
_REFUSED = (BluxError, msgspec.MsgspecError, TypeError, ValueError)
# What needs no closer look. A float may be NaN, an integer larger than the receiver's numbers.
_TEXT = str | None
_CONSENT = bool | None
_ANYTHING = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | str | bool | None

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Encoded:
    """A shape whose records are encoded.

    :param exact: the shape.
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
        self._layouts: dict[tuple[Any, ...], _Layout | None] = {}
        self._names: tuple[Any, ...] = ()
        self._layout: _Layout | None = None

    def __call__(self, row: Any) -> tuple[str, Raw]:
        """Return the key of a record, and the record as it is sent."""
        if isinstance(row, dict):
            names = (*row,)
            if names != self._names:
                self._names, self._layout = names, self._layout_of(names)
            if (layout := self._layout) is not None:
                try:
                    return layout.encoded(row)
                except _REFUSED:
                    layout.learn(row)
        key, record = self._exact(row)
        return key, Raw(encode(record))

    def _layout_of(self, names: tuple[Any, ...]) -> _Layout | None:
        if names not in self._layouts and len(self._layouts) < _MOST:
            self._layouts[names] = self._new_layout(names)
        return self._layouts.get(names)

    def _new_layout(self, names: tuple[Any, ...]) -> _Layout | None:
        """Return the layout of rows with these columns; ``None`` where they need a closer look themselves."""
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
            return _Layout(
                own[0],
                self._exact({own[0]: "id"})[1],
                [_Group(name, inside, self._checks, nulls=self._nulls) for name, inside in groups.items() if inside],
            )
        except _REFUSED:  # a column with a quote in its name; a record that needs more fields than one
            return None


def merged(earlier: Raw, later: Raw, merge: Callable[[Any, Any], Any]) -> Raw:
    """Return one record for two, by what ``merge`` does with them."""
    return Raw(encode(merge(decode(earlier), decode(later))))


class _Layout:
    """Rows that have the same columns, one of them the key and the others properties.

    :param key: the column of the key.
    :param blank: a record without properties.
    """

    def __init__(self, key: str, blank: Mapping[str, Any], groups: list[_Group]) -> None:
        self._key = key
        self._blank = blank
        self._groups = groups

    def encoded(self, row: dict[str, Any]) -> tuple[str, Raw]:
        """Return the key of a record, and the record as it is sent; raise for a row that needs a closer look."""
        key = identifier(row[self._key], self._key)
        record = {**self._blank, self._key: key}
        for group in self._groups:
            properties = convert(row, group.type)
            for column, name, check in group.closer:
                if (value := row[name]) is not None:
                    setattr(properties, column, check(value, name))
            if properties != group.none:
                record[group.name] = properties
        return key, Raw(encode(record))

    def learn(self, row: dict[str, Any]) -> None:
        """Look closer, from now on, at the columns in which this row has another kind of value than most."""
        for group in self._groups:
            group.learn(row)


class _Group:
    """The columns that make one group of properties.

    :param checks: the check of each known property.
    """

    def __init__(self, name: str, columns: Iterable[str], checks: Mapping[str, Check], *, nulls: bool) -> None:
        self.name = name
        #: What cannot be taken as it is: its field in the type, its column, its check.
        self.closer: list[tuple[str, str, Check]] = []
        self._columns = {f"column_{number}": column for number, column in enumerate(columns)}
        self._checks = checks
        self._nulls = nulls
        self._kinds = {column: _kind(name, checks) for column, name in self._columns.items()}
        self._make()

    def learn(self, row: dict[str, Any]) -> None:
        """Look closer at the columns whose values in this row are none of the usual ones."""
        for column, name in self._columns.items():
            try:
                convert(row[name], self._kinds[column])
            except msgspec.ValidationError:
                self._kinds[column] = Any
                self.closer.append((column, name, self._checks.get(name, json_value)))
        self._make()

    def _make(self) -> None:
        fields = [(column, kind, None) for column, kind in self._kinds.items()]
        # It never refers back to itself, so the garbage collector may pass it over.
        self.type: type[Struct] = msgspec.defstruct(
            "Properties", fields, rename=self._columns, omit_defaults=not self._nulls, gc=False
        )
        self.none = None if self._nulls else self.type()


def _kind(name: str, checks: Mapping[str, Check]) -> Any:
    if name not in checks:
        return _ANYTHING
    return _TEXT if name in TEXTS else _CONSENT

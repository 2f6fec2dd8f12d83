"""What becomes of each column of a flat row: found out once for all rows that have the same columns, not for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_blux.records.known import CONSENTS, Check
from airflow_provider_blux.records.values import json_value

# Objects that all have other keys are looked at one by one.
_MOST = 256
_GROUPS = frozenset({"user_properties", "custom_user_properties"})


class Layout:
    """Columns that are all properties, none of them a group.

    :param names: the columns, in order.
    :param known: the check of each known field.
    """

    def __init__(self, names: Iterable[str], known: Mapping[str, Check]) -> None:
        # Of each column: its check, whether it is a known field, whether text that needs no closer look passes it.
        self._columns = [(name, known.get(name, json_value), name in known, name not in CONSENTS) for name in names]

    def sort(self, row: Mapping[str, Any], *, nulls: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the known properties and the customer's own, each checked.

        :param nulls: whether a null is sent; otherwise it is left out.
        :raises BluxRecordError: naming the first column at fault.
        """
        known: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        # What _is_plain does is written out here: a call for every value would be a third of the time that this takes.
        for name, check, is_known, takes_text in self._columns:
            value = row[name]
            if takes_text and type(value) is str and (value.isascii() or value.isprintable()):
                checked = value
            elif value is not None:
                checked = check(value, name)
            elif nulls:
                checked = None
            else:
                continue
            if is_known:
                known[name] = checked
            else:
                custom[name] = checked
        return known, custom


class Layouts:
    """The layouts of one shaping, by the names and the order of the columns.

    :param known: the check of each known field.
    :param excluded: the properties that are left out.
    """

    def __init__(self, known: Mapping[str, Check], excluded: frozenset[str]) -> None:
        self._known = known
        self._excluded = excluded
        self._found: dict[tuple[Any, ...], Layout | None] = {}

    def of(self, row: Mapping[str, Any], aside: frozenset[str]) -> Layout | None:
        """Return the layout of a row; ``None`` where its columns need a closer look themselves.

        :param aside: the columns that are no properties.
        """
        key = (aside, *row)
        try:
            return self._found[key]
        except KeyError:
            layout = self._new(row, aside)
            if len(self._found) < _MOST:
                self._found[key] = layout
            return layout

    def _new(self, row: Mapping[str, Any], aside: frozenset[str]) -> Layout | None:
        if not all(map(_is_plain, row)) or not _GROUPS.isdisjoint(row):
            return None
        return Layout((name for name in row if name not in aside and name not in self._excluded), self._known)


def _is_plain(value: Any) -> bool:
    """Tell text that needs no closer look. A lone surrogate, which UTF-8 cannot carry, counts as unprintable."""
    return type(value) is str and (value.isascii() or value.isprintable())

"""What is wrong with a table as a whole: a column that is not there. One error at once, not one reject a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, shown
from airflow_provider_blux.records.fields import KNOWN
from airflow_provider_blux.records.spelling import letters_of

_SHOWN = 20
# Where none of these is in the first line of a file, that line may be a record.
_FIELDS = frozenset({*KNOWN, "user_id", "name", "timestamp", "device_id", "platform", "token"})
LONGEST = 60
# What no column is called: where one is, the first line of the file is a record and not to be shown.
_VALUE = re.compile(r"[\d\s.,:()+-]*|.*@.*|\d{4}-\d\d-\d\d.*|true|false|[\s\[]*\{.*|\s*<.*", re.IGNORECASE | re.DOTALL)
# In a name of a CSV file's column: its delimiter is another than was said.
_DELIMITER = re.compile(r"[;\t|]")


def is_table_row(row: Any) -> bool:
    """Tell a row whose columns are those of all rows (CSV, SQL, a data frame) from an object with keys of its own."""
    return bool(getattr(row, "is_table_row", False))


def missing_field(columns: Iterable[Any], field: str, misspelt: Mapping[str, str] | None = None) -> BluxConfigError:
    """Return the error for a table without a column that every record needs.

    :param misspelt: columns that are fields but for their spelling, with those fields.
    """
    names, nearest = _names(columns, field)
    if any(map(_DELIMITER.search, names)):
        way_out = "A name holds what may be the delimiter of the file: set delimiter to it."
    elif nearest:
        others = {name: other for name, other in (misspelt or {}).items() if other != field}
        way_out = f"Is it {nearest!r}? Then set {renaming({nearest: field, **others})}."
    else:
        way_out = f"Say which one it is with field_mapping={{'<column>': {field!r}}}."
    return BluxConfigError(f"There is no column {field}, and every record needs one. {_listed(names)} {way_out}")


def missing_column(columns: Iterable[Any], column: str, argument: str) -> BluxConfigError:
    """Return the error for a table without a column that an argument names."""
    names, nearest = _names(columns, column)
    question = f"Is {nearest!r} meant? " if nearest else ""
    return BluxConfigError(
        f"{argument} names a column {shown(column, LONGEST)!r}, which is not there. {_listed(names)} {question}Correct "
        f"{argument}, or the source."
    )


def misspelt(columns: Mapping[str, str], own_group: str | None) -> BluxConfigError:
    """Return the error for a table with columns that are fields but for their spelling.

    :param own_group: the group of the customer's own properties; ``None`` where there are none.
    """
    listed = ", ".join(f"{shown(column, LONGEST)!r} ({field})" for column, field in columns.items())
    is_own = f" (A property of your own of that name is mapped to {own_group}.<name>.)" if own_group else ""
    return BluxConfigError(
        f"These columns are fields but for their spelling, and would be lost as such: {listed}. Set "
        f"{renaming(columns)}.{is_own}"
    )


def near_fields(columns: Mapping[str, str], own_group: str) -> str:
    """Return the warning of columns that are properties of the customer's own and probably meant for fields."""
    listed = ", ".join(f"{shown(column, LONGEST)!r} ({field}?)" for column, field in columns.items())
    column = repr(shown(next(iter(columns)), LONGEST))
    return (
        f"These columns are sent as properties of your own, although they are nearly called as fields: {listed}. If "
        f"the fields are meant, set {renaming(columns)}. If not, field_mapping={{{column}: "
        f"'{own_group}.<name>'}} says so."
    )


def renaming(columns: Mapping[str, str]) -> str:
    """Return the arguments by which columns are taken for fields."""
    mapping = ", ".join(f"{shown(column, LONGEST)!r}: {field!r}" for column, field in columns.items())
    lower = " or lowercase_columns=True" if all(name.strip().lower() == columns[name] for name in columns) else ""
    return f"field_mapping={{{mapping}}}{lower}"


def alike(columns: Iterable[str], own_group: str | None = None) -> BluxConfigError:
    """Return the error for columns that are one field or one name.

    :param own_group: the group that all but one of them can be mapped to; ``None`` where mapping does not help.
    """
    names = " and ".join(repr(shown(column, LONGEST)) for column in columns)
    return BluxConfigError(
        f"The columns {names} are read as the same, and all but one of them would be lost. Rename or remove the "
        f"others in the source{f', or map them to {own_group}.<name> with field_mapping' if own_group else ''}."
    )


def twice(field: str, column: str) -> BluxConfigError:
    """Return the error for a table with a column of a field's own name and another one mapped to it."""
    column = shown(column, LONGEST)
    return BluxConfigError(
        f"The column {field!r} and, by field_mapping, the column {column!r} are both {field}; one of the two would be "
        f"lost. Take one of them out of the source, or map {field!r} to another field."
    )


def _names(columns: Iterable[Any], wanted: str) -> tuple[list[str], str | None]:
    """Return the columns' names as they may be shown, none where they may be values, and the nearest to ``wanted``."""
    names = [str(column) for column in columns]
    if any(_VALUE.fullmatch(name) for name in names):
        return [], None
    names = [shown(name.encode("utf-8", "replace").decode(), LONGEST) for name in names]
    nearest = _nearest(wanted, names)
    if getattr(columns, "named_by_a_line", False) and nearest is None and not _FIELDS.intersection(names):
        return [], None
    return names, nearest


def _listed(names: list[str]) -> str:
    if not names:
        return "The columns look like values; perhaps the first line, which should name them, is missing."
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"The columns are {', '.join(names[:_SHOWN])}{more}."


def _nearest(wanted: str, names: list[str]) -> str | None:
    """Return the column that differs least, letter case, blanks, dashes and the forms of Unicode aside."""
    plain: Mapping[str, str] = {letters_of(name): name for name in reversed(names)}
    found = get_close_matches(letters_of(wanted), plain, n=1)
    return plain[found[0]] if found else None

"""What is wrong with a table as a whole: a column that is not there. One error at once, not one reject a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.records.fields import KNOWN

_SHOWN = 20
# Where none of these is in the first line of a file, that line may be a record.
_FIELDS = frozenset({*KNOWN, "user_id", "name", "timestamp", "device_id", "platform", "token"})
_LONGEST = 64
# What no column is called: where one is, the first line of the file is a record and not to be shown.
_VALUE = re.compile(r"[\d\s.,:()+-]*|.*@.*|\d{4}-\d\d-\d\d.*|true|false", re.IGNORECASE | re.DOTALL)
# In a name of a CSV file's column: its delimiter is another than was said.
_DELIMITER = re.compile(r"[;\t|]")
_LONG_NUMBER = re.compile(r"\d{5,}")


def is_table_row(row: Any) -> bool:
    """Tell a row whose columns are those of all rows (CSV, SQL, a data frame) from an object with keys of its own."""
    return bool(getattr(row, "is_table_row", False))


def missing_field(columns: Iterable[Any], field: str) -> BluxConfigError:
    """Return the error for a table without a column that every record needs."""
    names, nearest = _names(columns, field)
    if any(map(_DELIMITER.search, names)):
        way_out = "A name holds what may be the delimiter of the file: set delimiter to it."
    elif nearest:
        way_out = f"Is it {nearest!r}? Then set field_mapping={{{nearest!r}: {field!r}}}."
    else:
        way_out = f"Say which one it is with field_mapping={{'<column>': {field!r}}}."
    return BluxConfigError(f"There is no column {field}, and every record needs one. {_listed(names)} {way_out}")


def missing_column(columns: Iterable[Any], column: str) -> BluxConfigError:
    """Return the error for a table without a column that ``field_mapping`` names."""
    names, nearest = _names(columns, column)
    question = f"Is {nearest!r} meant? " if nearest else ""
    return BluxConfigError(
        f"field_mapping names a column {column!r}, which is not there. {_listed(names)} {question}Correct "
        "field_mapping, or the source."
    )


def twice(field: str, column: str) -> BluxConfigError:
    """Return the error for a table with a column of a field's own name and another one mapped to it."""
    return BluxConfigError(
        f"The column {field!r} and, by field_mapping, the column {column!r} are both {field}; one of the two would be "
        f"lost. Take one of them out of the source, or map {field!r} to another field."
    )


def _names(columns: Iterable[Any], wanted: str) -> tuple[list[str], str | None]:
    """Return the columns' names as they may be shown, none where they may be values, and the nearest to ``wanted``."""
    names = [str(column) for column in columns]
    if any(_VALUE.fullmatch(name) for name in names):
        return [], None
    names = [_LONG_NUMBER.sub("***", name[:_LONGEST].encode("utf-8", "replace").decode()) for name in names]
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
    """Return the column that differs least, letter case, blanks and dashes aside."""
    plain: Mapping[str, str] = {re.sub(r"[\W_]", "", name.casefold()): name for name in reversed(names)}
    found = get_close_matches(re.sub(r"[\W_]", "", wanted.casefold()), plain, n=1)
    return plain[found[0]] if found else None

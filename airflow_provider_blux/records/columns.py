"""Errors of a table as a whole, such as a missing column: one error for the table, not one reject for each row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, shown
from airflow_provider_blux.records.fields import STANDARD_FIELDS
from airflow_provider_blux.records.spelling import letters_of

_SHOWN = 20
# If the first line of a file has none of these names, the line may be a record instead of a header.
_FIELDS = frozenset({*STANDARD_FIELDS, "user_id", "name", "timestamp", "device_id", "platform", "token"})
_LONGEST = 60
# Text that is no column name. If a "column" matches, the first line is probably a record and must not be shown.
_VALUE = re.compile(r"[\d\s.,:()+-]*|.*@.*|\d{4}-\d\d-\d\d.*|true|false|[\s\[]*\{.*|\s*<.*", re.IGNORECASE | re.DOTALL)
_DIGIT = re.compile(r"\d")
# If a column name of a CSV file contains one of these, the file probably has another delimiter.
_DELIMITER = re.compile(r"[;\t|]")


def quoted(name: str) -> str:
    """Return the name of a column or a field in quotes, cut off and redacted, for a message."""
    return repr(shown(name, _LONGEST))


def is_table_row(row: Any) -> bool:
    """Return whether a row is from a table (CSV, SQL, data frame), where all rows have the same columns."""
    return bool(getattr(row, "is_table_row", False))


def missing_field(
    columns: Iterable[Any], field: str, misspelt: Mapping[str, str] | None = None, mapped: Iterable[str] = ()
) -> BluxConfigError:
    """Return the error for a table without a column that every record needs.

    :param misspelt: ``{column: field}`` for columns that are a field in another spelling (``User-ID``).
    :param mapped: the columns that ``field_mapping`` names.
    """
    names, nearest = _names(columns, field, mapped)
    if any(map(_DELIMITER.search, names)):
        way_out = "A name contains a character that may be the delimiter of the file: set delimiter to it."
    elif nearest:
        others = {name: other for name, other in (misspelt or {}).items() if other != field}
        way_out = f"Is it {nearest!r}? Then set {renaming({nearest: field, **others})}."
    else:
        way_out = f"Say which one it is with field_mapping={{'<column>': {field!r}}}."
    return BluxConfigError(f"There is no column {field}, and every record needs one. {_listed(names)} {way_out}")


def missing_column(columns: Iterable[Any], column: str, argument: str, mapped: Iterable[str]) -> BluxConfigError:
    """Return the error for a table without a column that an argument names.

    :param mapped: the columns that ``field_mapping`` names.
    """
    names, nearest = _names(columns, column, mapped)
    question = f"Is {nearest!r} meant? " if nearest else ""
    return BluxConfigError(
        f"{argument} names a column {quoted(column)}, which is not there. {_listed(names)} {question}Correct "
        f"{argument}, or the source."
    )


def renaming(columns: Mapping[str, str]) -> str:
    """Return the arguments by which misspelt columns are sent as fields: :func:`mapping_to`, or a shorter one."""
    lower = " or lowercase_columns=True" if all(name.strip().lower() == columns[name] for name in columns) else ""
    return f"{mapping_to(columns)}{lower}"


def mapping_to(columns: Mapping[str, str]) -> str:
    """Return ``field_mapping={'column': 'field'}`` as text, for an error or a warning."""
    mapping = ", ".join(f"{quoted(column)}: {shown(field)!r}" for column, field in columns.items())
    return f"field_mapping={{{mapping}}}"


def alike(columns: Iterable[str], own_group: str | None = None) -> BluxConfigError:
    """Return the error for several columns that would be sent as the same field or property.

    :param own_group: the group of custom properties, to which one of them may be mapped; ``None`` to suggest nothing.
    """
    names = " and ".join(map(quoted, columns))
    return BluxConfigError(
        f"The columns {names} are read as the same, and all but one of them would be lost. Rename or remove the "
        f"others in the source{f', or map them to {own_group}.<name> with field_mapping' if own_group else ''}."
    )


def _names(columns: Iterable[Any], wanted: str, mapped: Iterable[str]) -> tuple[list[str], str | None]:
    """Return the column names, and the name most similar to ``wanted`` (``None`` if none is similar).

    The list is empty if the names may be values: the first line of a file may be a record and not a header, and its
    values must not be shown. A first line with a column that ``field_mapping`` names is a header.
    """
    names = [str(column) for column in columns]
    if any(_VALUE.fullmatch(name) for name in names):
        return [], None
    names = [shown(name.encode("utf-8", "replace").decode(), _LONGEST) for name in names]
    nearest = _nearest(wanted, names)
    is_near = nearest is not None and not _DIGIT.search(nearest)  # an id such as user123 is near to user_id as well
    if getattr(columns, "named_by_a_line", False) and not is_near and not _FIELDS.union(mapped).intersection(names):
        return [], None
    return names, nearest


def _listed(names: list[str]) -> str:
    if not names:
        return (
            "The columns are not shown, because they may be values: is the first line missing, which should name them?"
        )
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"The columns are {', '.join(names[:_SHOWN])}{more}."


def _nearest(wanted: str, names: list[str]) -> str | None:
    """Return the name most similar to ``wanted``; ``None`` if none is similar.

    Letter case, blanks, dashes and Unicode forms are ignored.
    """
    plain: Mapping[str, str] = {letters_of(name): name for name in reversed(names)}
    found = get_close_matches(letters_of(wanted), plain, n=1)
    return plain[found[0]] if found else None

"""What is one record, and what a row of a table is: the columns that it must have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_blux.exceptions import BluxRecordError, BluxSourceError

# What is one record without a closer look.
ONE_RECORD = (dict, str, int)
NO_SEQUENCE = (str, bytes, bytearray, memoryview)


def items_of(items: Iterable[Any]) -> Iterable[Any]:
    """Return what yields every item, of Airflow's lazy sequences too.

    Those of ``map``, ``concat`` and ``zip`` call the DAG author's function for each item, and ``iter`` would take an
    ``IndexError`` in it for the end.
    """
    if isinstance(items, list | tuple) or not isinstance(items, Sequence):
        return items
    return (items[index] for index in range(len(items)))


class TableRow(dict[str, Any]):
    """A record with the columns of a table: every row has all of them, unlike a JSON object, which has what it likes.

    So a column that one row lacks is missing from all of them, which can be said at the first.
    """

    __slots__ = ()
    is_table_row: ClassVar[bool] = True


class LineRow(TableRow):
    """A row whose columns are named by the first line of a file. Where that line is missing, they are values."""

    __slots__ = ()
    named_by_a_line: ClassVar[bool] = True


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that cannot be read, until its row is made.

    :param reason: what is wrong and the way out, without the value.
    """

    reason: str = (
        "holds a value that Python cannot represent, such as infinity or a date outside of the years 1 to 9999; "
        "correct it in the source, or leave the column out"
    )


# The types of values that are one, or may hold one.
_LOOKED_INTO = frozenset({Unreadable, list, dict})


def value_of(read: Callable[[], Any]) -> Any:
    """Return what ``read`` returns; an :class:`Unreadable` where it fails, whose words may quote the value."""
    try:
        return read()
    except UnicodeDecodeError:
        return Unreadable("is text that is not UTF-8; correct it in the source")
    except KeyError:
        return Unreadable("is a map that has a key twice; correct it in the source")
    except Exception:  # noqa: BLE001 - each library has its own
        return Unreadable()


def readable_rows(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> Iterator[TableRow | BluxRecordError]:
    """Yield a record a row; in place of a row with an :class:`Unreadable`, at any depth, an error."""
    for row in rows:
        record = TableRow(zip(columns, row, strict=True))
        yield _fault(record) or record


def _fault(record: TableRow) -> BluxRecordError | None:
    if _LOOKED_INTO.isdisjoint(map(type, record.values())):
        return None
    for column, value in record.items():
        if type(value) in _LOOKED_INTO and (found := _unreadable(value)) is not None:
            return BluxRecordError(column, found.reason)
    return None


def _unreadable(value: Any) -> Unreadable | None:
    if isinstance(value, Unreadable):
        return value
    items = value.values() if type(value) is dict else value
    if _LOOKED_INTO.isdisjoint(map(type, items)):
        return None
    looked_into = (_unreadable(item) for item in items if type(item) in _LOOKED_INTO)
    return next((found for found in looked_into if found is not None), None)


def check_columns(columns: Sequence[Any], name: str) -> None:
    """Check that each column can be told from the others.

    :param name: what the table is called, for messages.
    :raises BluxSourceError: a column has no name, or two have the same.
    """
    for number, column in enumerate(columns, 1):
        if not isinstance(column, str):
            raise BluxSourceError(
                f"{name}: the name of column {number} is of type {type(column).__name__}; name it with text.",
                retry_helps=False,
            )
        if not column.strip():
            raise BluxSourceError(
                f"{name}: column {number} has no name; name it, and leave out lines above the names.", retry_helps=False
            )
    if twice := named_twice(columns):
        # The name itself is not shown: without a header line it is a value.
        number = columns.index(twice[0]) + 1
        raise BluxSourceError(
            f"{name}: column {number} has the same name as another one, and one of the two would be lost. Or is the "
            "first line missing, which should name the columns?",
            retry_helps=False,
        )


def named_twice(columns: Sequence[str]) -> list[str]:
    """Return the names that more than one column has."""
    return sorted({column for column in columns if columns.count(column) > 1})

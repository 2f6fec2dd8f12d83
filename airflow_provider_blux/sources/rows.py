"""Table rows, placeholders for unreadable values, and checks of column names."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError

# Types of items that are always one record.
ONE_RECORD = (dict, str, int)
NO_SEQUENCE = (str, bytes, bytearray, memoryview)

log = logging.getLogger(__name__)


def is_row(value: Any) -> bool:
    """Return whether a sequence is a database row with names: of SQLAlchemy, ``sqlite3`` or psycopg2, or a namedtuple.

    Its values are those of one record. As ids to delete, values of other columns would be taken for ids.
    """
    return isinstance(value, Sequence) and (hasattr(value, "keys") or hasattr(value, "_fields"))


def is_one_value(value: Any) -> bool:
    """Return whether an iterable is no collection of records: text, bytes, an object or a database row."""
    return isinstance(value, (*NO_SEQUENCE, Mapping)) or is_row(value)


def items_of(items: Iterable[Any]) -> Iterable[Any]:
    """Return an iterable over all items. A sequence that is not a list or tuple is read by index, not with ``iter``.

    Airflow's lazy sequences of ``map``, ``concat`` and ``zip`` may call a function of the DAG author for each item.
    ``iter`` would take an ``IndexError`` of that function as the end of the sequence and lose the other items.
    """
    return items if isinstance(items, list | tuple) or not isinstance(items, Sequence) else _Items(items)


def yielded(items: Iterable[Any], name: str) -> Iterable[Any]:
    """Return an iterable over the items. For a generator that also returns a value, it raises an error at its end.

    In a function with a ``yield``, ``return rows`` yields nothing: Python drops the rows, and the task would be green.
    It would also be green if a delivery that has failed were repeated with the same generator, which ends then.

    :param name: the generator and what it does, for the message (``users() yields records``).
    :raises BluxConfigError: the generator has ended before.
    """
    if not isinstance(items, Generator):
        return items
    if getattr(items, "gi_frame", items) is None:
        raise BluxConfigError(
            f"{name}, but the generator ended in an earlier call and has no records left. Make a new one for each call."
        )
    return _yielded(items, name)


def _yielded(items: Generator[Any, Any, Any], name: str) -> Iterator[Any]:
    returned = yield from items
    if not isinstance(returned, int | float | None):  # a number, such as a count, is no record
        raise BluxConfigError(
            f"{name}, so the value of type {type(returned).__name__} that it returns would be lost. Yield these "
            "records as well (yield from), or return nothing."
        )


def close(items: Any, name: str) -> None:
    """Close a generator or the like; an error is only logged.

    :param name: what it is, for the message.
    """
    try:
        items.close()
    except Exception as error:  # noqa: BLE001 - must not hide how the delivery ended
        log.warning("%s could not be closed (%s).", name, type(error).__name__)


class _Items:
    """A sequence that is read by index, not with ``iter``."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def __str__(self) -> str:
        return f"a {type(self._items).__name__}"

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return (self._items[index] for index in range(len(self._items)))


class TableRow(dict[str, Any]):
    """A row of a table. All rows of a table have the same columns, whereas JSON objects may have different keys.

    So if the first row lacks a required column, all rows lack it, and reading can stop with an error at once.
    """

    __slots__ = ()
    is_table_row: ClassVar[bool] = True


class LineRow(TableRow):
    """A row of a file whose first line has the column names, such as CSV.

    If that line is missing, the values of the first record are taken for column names.
    """

    __slots__ = ()
    named_by_a_line: ClassVar[bool] = True


@dataclass(frozen=True)
class Unreadable:
    """Placeholder for a value that cannot be read; its row is rejected later.

    :param reason: the reason and the fix, without the value.
    """

    reason: str = (
        "holds a value that Python cannot represent, such as infinity or a date outside of the years 1 to 9999; "
        "correct it in the source, or leave the column out"
    )


# The errors of zoneinfo and pytz for an unknown time zone; both are a KeyError.
_UNKNOWN_ZONE = frozenset({"ZoneInfoNotFoundError", "UnknownTimeZoneError"})
# Types that are, or may contain, an unreadable value.
_LOOKED_INTO = frozenset({Unreadable, list, dict})


def tolerant(read: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls ``read`` and, if ``read`` fails, returns an :class:`Unreadable` and raises nothing.

    The message of the error is not used, since it may quote the value.
    """

    def reading(*args: Any) -> Any:
        try:
            return read(*args)
        except UnicodeDecodeError:
            return Unreadable("is text that is not UTF-8; correct it in the source")
        except KeyError as error:
            if type(error).__name__ in _UNKNOWN_ZONE:
                return Unreadable(
                    "is a timestamp whose time zone is unknown here; install tzdata, or give the column another zone"
                )
            return Unreadable("is a map that has a key twice; correct it in the source")
        except Exception:  # noqa: BLE001 - each library has its own
            return Unreadable()

    return reading


def readable_rows(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> Iterator[TableRow | BluxRecordError]:
    """Yield one record for each row; an error in place of a row that contains an :class:`Unreadable` at any depth."""
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
    for item in value.values() if type(value) is dict else value:
        if type(item) in _LOOKED_INTO and (found := _unreadable(item)) is not None:
            return found
    return None


def check_columns(columns: Sequence[Any], name: str, rows: int = 0) -> None:
    """Check that each column has a name, that all names are different, and that rows have columns.

    :param rows: number of rows, as far as it is known.
    :raises BluxSourceError: a name is empty or is not text, two columns have the same name, or there are rows but no
        columns.
    """
    if rows and not columns:
        raise BluxSourceError(
            f"{name} has {rows:,} rows and no columns. If the data is in the index of pandas, make it a column with "
            "reset_index().",
            retry_helps=False,
        )
    for number, column in enumerate(columns, 1):
        if not isinstance(column, str):
            raise BluxSourceError(
                f"{name}: the name of column {number} is of type {type(column).__name__}; name it with text.",
                retry_helps=False,
            )
        if not column.strip():
            raise BluxSourceError(
                f"{name}: column {number} has no name; name it, and remove lines above the header.", retry_helps=False
            )
    if twice := named_twice(columns):
        # The name is not shown: in a file without a header it is a value.
        number = columns.index(twice[0]) + 1
        raise BluxSourceError(
            f"{name}: column {number} has the same name as another column, and one of the two would be lost. Rename "
            "one. Or is the header missing?",
            retry_helps=False,
        )


def named_twice(columns: Sequence[str]) -> list[str]:
    """Return the names that more than one column has."""
    return sorted(column for column, number in Counter(columns).items() if number > 1)

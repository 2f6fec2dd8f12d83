"""For backfills over mapped tasks: split a large source into parts, and combine many reports into one.

Call these functions in a ``@task``, or make a task from a function: ``task(split_files)(path=..., parts=16)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.delivery.report import summary
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError

if TYPE_CHECKING:
    from airflow_provider_blux.sources.paths import AnyPath

__all__ = ["split_files", "split_sql", "summarize_reports"]

_NAME = re.compile(r'(?:[^\W\d][\w$]*|"[^"]+"|`[^`]+`)(?:\.(?:[^\W\d][\w$]*|"[^"]+"|`[^`]+`))*')
# The outer ends of the ranges are rounded to the key range divided by this number.
_ROUNDING = 1000
_CUT_OTHERWISE = (
    "Such a key mostly stands for a missing date: cut by another column, or cut a view without these rows and send "
    "them with a separate query."
)


def split_files(path: AnyPath | Sequence[AnyPath], parts: int, storage_conn_id: str | None = None) -> list[list[str]]:
    """Return at most ``parts`` lists of files with about equal total sizes, for ``.expand(path=...)``.

    The same files give the same lists. A file is not split, so the records of a user keep their order if they are all
    in one file.

    :param path: files, folders, globs, or a list of these, as for ``path`` of an operator.
    :param parts: maximum number of lists.
    :param storage_conn_id: Airflow connection of the storage.
    :raises BluxSourceError: a path matches no file.
    :raises BluxConfigError: ``parts`` is not a whole number of at least 1.
    """
    from airflow_provider_blux.sources.files import StorageSource

    return by_size(StorageSource(path, conn_id=storage_conn_id).sizes(), parts)


def split_sql(sql_conn_id: str, table: str, key: str, parts: int) -> list[dict[str, Any]]:
    """Return at most ``parts`` ranges of a key, ``{"first": ..., "end": ...}``, for ``.expand(sql_parameters=...)``.

    The query must have the condition ``key >= first AND key < end``, with placeholders in the style of the database
    driver. The ranges are equally wide and cover every key that the table has now. Rows that are added later may be
    outside. Times without a zone are returned as ISO text.

    :param sql_conn_id: Airflow connection of the database.
    :param table: name of the table (``shop.orders``), as the database accepts it.
    :param key: column of whole numbers, dates or times. Airflow stores the ranges, so the column must not hold personal
        data.
    :param parts: maximum number of ranges.
    :raises BluxSourceError: a row has no key, a key is 0001-01-01 or 9999-12-31, or the query for the keys fails.
    :raises BluxConfigError: the keys are neither whole numbers nor dates nor times, ``table`` or ``key`` is not a name,
        or ``parts`` is not a whole number of at least 1.
    """
    from airflow_provider_blux.sources.sql import SqlSource

    (found,) = SqlSource(statement(table, key), conn_id=sql_conn_id, order_matters=False)
    return ranges(found, parts, key)


def summarize_reports(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one report for many, with the sums of their counts and the URLs of all their files.

    ``tasks`` is the number of reports. ``seconds`` is the sum over all tasks, which may have run at the same time.

    :param reports: the reports that the tasks returned; for a mapped task, its ``output``.
    :raises BluxConfigError: a value is not a report, such as ``None`` from a task that was skipped.
    :raises BluxError: the counts of a report do not add up.
    """
    if not isinstance(reports, Iterable):
        raise BluxConfigError(
            f"reports is of type {type(reports).__name__}; it must be a list of reports, or a mapped task's output."
        )
    return summary([reports] if isinstance(reports, Mapping) else reports)


def by_size(sizes: dict[str, int], parts: int) -> list[list[str]]:
    """Return at most ``parts`` lists of URLs with about equal total sizes, for :func:`split_files`.

    :param sizes: the size of each file in bytes, by its URL.
    """
    _check_parts(parts)
    cut: list[list[str]] = [[] for _ in range(parts)]
    weights = [0] * parts
    for url, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        lightest = weights.index(min(weights))
        cut[lightest].append(url)
        weights[lightest] += size + 1  # so that empty files are spread as well
    return sorted(sorted(urls) for urls in cut if urls)


def statement(table: str, key: str) -> str:
    """Return an SQL query for the smallest key, the largest key, the number of rows and the number of rows with a key.

    :raises BluxConfigError: ``table`` or ``key`` is not a name.
    """
    for argument, name, right in (("table", table, "a table, such as shop.orders"), ("key", key, "a column")):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BluxConfigError(f"{argument} must be the name of {right}; it is {name!r}.")
    return (
        f"SELECT MIN({key}) AS first_key, MAX({key}) AS last_key, "  # noqa: S608 - both names are checked above
        f"COUNT(*) AS number, COUNT({key}) AS with_key FROM {table}"
    )


def ranges(found: Any, parts: int, key: str) -> list[dict[str, Any]]:
    """Return the ranges for :func:`split_sql`; an empty list if the table has no row.

    :param found: the row that the query of :func:`statement` returned, as a dict; or the ``BluxRecordError`` of a row
        that could not be read.
    :raises BluxSourceError: see :func:`split_sql`.
    :raises BluxConfigError: see :func:`split_sql`.
    """
    _check_parts(parts)
    if isinstance(found, BluxRecordError):
        raise BluxSourceError(f"{key} {found.reason}. No range can end at such a value. {_CUT_OTHERWISE}")
    first, last, number, with_key = found.values()
    if int(number) > int(with_key):
        raise BluxSourceError(
            f"{key} is NULL in {int(number) - int(with_key):,} of {int(number):,} rows, which would be in no range. "
            "Cut by a column that is never NULL, or send those rows with a separate query."
        )
    if not int(number):
        return []
    lowest, highest, key_of = _numbered(first, last, key)
    # Airflow shows the ranges. So the outer ends are rounded, and in a large table seldom are keys that exist.
    grain = max(1, (highest - lowest) // _ROUNDING)
    start, end = lowest // grain * grain, (highest // grain + 1) * grain
    parts = min(parts, end - start)
    cuts = [key_of(start + (end - start) * part // parts) for part in range(parts + 1)]
    return [{"first": one, "end": other} for one, other in pairwise(cuts)]


def _numbered(first: Any, last: Any, key: str) -> tuple[int, int, Callable[[int], Any]]:
    """Return the smallest and the largest key as whole numbers, and a function that converts a number back to a key.

    A number beyond the first or the last key that there can be is converted to this key.
    """
    if isinstance(first, date):
        return _numbered_days(first, last, key)
    if isinstance(first, Decimal) and first == first.to_integral_value() and last == last.to_integral_value():
        return int(first), int(last), int
    if isinstance(first, int) and not isinstance(first, bool):
        return first, last, int
    raise BluxConfigError(
        f"{key} is of type {type(first).__name__}; ranges can be cut only by a whole number, a date or a time. Text is "
        "not cut, because the ends of its ranges would be values of the table, which Airflow shows and stores: let "
        "the query select by a hash of the user's id instead (docs/backfill.md)."
    )


def _numbered_days(first: Any, last: Any, key: str) -> tuple[int, int, Callable[[int], Any]]:
    is_time = isinstance(first, datetime)
    days = [value.date() if is_time else value for value in (first, last)]
    if days[0] == date.min or days[1] == date.max:
        raise BluxSourceError(
            f"{key} holds {date.min} or {date.max}, beyond which no range can end; a driver may also return them "
            f"for infinity. {_CUT_OTHERWISE}"
        )
    if not is_time:
        latest = date.max.toordinal()
        return first.toordinal(), last.toordinal(), lambda number: date.fromordinal(min(max(number, 1), latest))
    # In UTC, which has no daylight saving time and so no missing hour. Counted from midnight, not from the first key,
    # which could then not be rounded.
    base = (first.astimezone(UTC) if first.tzinfo else first).replace(hour=0, minute=0, second=0, microsecond=0)
    second = timedelta(seconds=1)
    most = (datetime.max.replace(tzinfo=base.tzinfo) - base) // second

    def time_of(number: int) -> datetime | str:
        # Without a zone as text: XCom would shift times that do not exist in the worker's time zone.
        time: datetime = base + min(number, most) * second
        return time if time.tzinfo else time.isoformat()

    return (first - base) // second, (last - base) // second, time_of


def _check_parts(parts: Any) -> None:
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
        raise BluxConfigError("parts must be a whole number of at least 1.")

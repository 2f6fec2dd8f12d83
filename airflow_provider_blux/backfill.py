"""For backfills over mapped tasks: cut one big source into parts, and make one report of many.

Each is a function to call in a ``@task``, or to make one of: ``task(split_files)(path=..., parts=16)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.delivery.report import summary
from airflow_provider_blux.sources.partitioning import by_size, ranges, statement

if TYPE_CHECKING:
    from airflow_provider_blux.sources.paths import AnyPath

__all__ = ["split_files", "split_sql", "summarize_reports"]


def split_files(path: AnyPath | Sequence[AnyPath], parts: int, storage_conn_id: str | None = None) -> list[list[str]]:
    """Return at most ``parts`` lists of files, about equally large together, for ``.expand(path=...)``.

    The same files give the same lists. A file stays whole, so records of one user keep their order where all of them
    stand in one file.

    :param path: what an operator's ``path`` takes: files, folders, globs, or a list of them.
    :param parts: most lists.
    :param storage_conn_id: Airflow connection of the storage.
    :raises BluxSourceError: there is no such file.
    """
    from airflow_provider_blux.sources.files import StorageSource

    return by_size(StorageSource(path, conn_id=storage_conn_id).sizes(), parts)


def split_sql(sql_conn_id: str, table: str, key: str, parts: int) -> list[dict[str, Any]]:
    """Return at most ``parts`` ranges of a key, ``{"first": ..., "end": ...}``, for ``.expand(sql_parameters=...)``.

    For a query with ``key >= first AND key < end``, in the style of its driver. The ranges cover every key that the
    table has now and are equally wide; rows that come later may lie outside. Times without a zone are given as ISO
    text.

    :param sql_conn_id: Airflow connection of the database.
    :param table: its name (``shop.orders``), as the database takes it.
    :param key: a column of whole numbers, dates or times, which says nothing about a person: Airflow stores its ranges.
    :param parts: most ranges.
    :raises BluxSourceError: rows have no key, or one of 0001-01-01 or 9999-12-31; or the query fails.
    :raises BluxConfigError: the key is of another type.
    """
    from airflow_provider_blux.sources.sql import SqlSource

    (found,) = SqlSource(statement(table, key), conn_id=sql_conn_id, order_matters=False)
    return ranges(found, parts, key)


def summarize_reports(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one report of many: their counts added up, their files in one list, and how many they are (``tasks``).

    ``seconds`` are those of all tasks together, who may have worked at the same time.

    :param reports: what the tasks returned; of a mapped task, its ``output``.
    :raises BluxError: an account does not close.
    """
    return summary([reports] if isinstance(reports, Mapping) else reports)

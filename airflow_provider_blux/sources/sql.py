"""Records from a query, streamed through any Airflow DB-API connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError

_ROWS_A_FETCH = 1000
# What a database may quote of the rows: text in single quotes, numbers, addresses.
_VALUES = re.compile(r"'[^']*'|[^\s'\"@]+@[^\s'\"@]+|\d(?:[\s().-]?\d){4,}")


class SqlSource:
    """Records from a query, one a row, named by its columns.

    :param sql: one statement that returns rows.
    :param conn_id: the Airflow connection of the database.
    :param parameters: values for the statement's placeholders, in the driver's own style.
    """

    def __init__(self, sql: str, *, conn_id: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> None:
        self._sql = sql
        self._conn_id = conn_id
        self._parameters = parameters

    def __str__(self) -> str:
        return f"the query on connection {self._conn_id}"

    def __iter__(self) -> Iterator[Any]:
        hook = self._hook()
        try:
            with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(self._sql, *([self._parameters] if self._parameters else []))
                columns = self._columns(cursor)
                while rows := cursor.fetchmany(_ROWS_A_FETCH):
                    for row in rows:
                        yield dict(zip(columns, row, strict=True))
        except Exception as error:
            if not _is_database_error(error):
                raise
            raise BluxSourceError(f"{self} failed: {type(error).__name__}: {_without_values(error)}") from None

    def _hook(self) -> Any:
        try:
            hook = BaseHook.get_hook(self._conn_id)
        except AirflowNotFoundException:
            raise
        except AirflowException as error:
            raise BluxConfigError(
                f"Connection {self._conn_id} (sql_conn_id) has no hook ({error}). Install the Airflow provider of its "
                "database, or name another connection."
            ) from error
        if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
            raise BluxConfigError(f"Connection {self._conn_id} (sql_conn_id) is no database: it has no DB-API hook.")
        return hook

    def _columns(self, cursor: Any) -> list[str]:
        if not cursor.description:
            raise BluxConfigError(f"{self} returns no rows; sql must be a SELECT.")
        columns = [column[0] for column in cursor.description]
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            raise BluxConfigError(f"{self} returns {', '.join(twice)} twice; name the columns apart with AS.")
        return columns


def _is_database_error(error: Exception) -> bool:
    """Tell whether a driver raised it: PEP 249 has every driver derive its errors from one named ``Error``."""
    return any(kind.__name__ == "Error" for kind in type(error).__mro__)


def _without_values(error: Exception) -> str:
    first_line = str(error).partition("\n")[0]
    return _VALUES.sub("***", first_line)

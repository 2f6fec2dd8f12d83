"""Reads records from a query, streamed through any Airflow DB-API connection."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.cursors import has_another_result, reading, rows_of
from airflow_provider_blux.sources.rows import TableRow, named_twice, readable_rows

log = logging.getLogger(__name__)

_ROWS_A_FETCH = 1000
# Values of rows that a database error may quote: text in single quotes, email addresses, numbers.
_VALUES = re.compile(r"'.*|[^\s'\"@]+@[^\s'\"@]+|\d(?:[\s().-]?\d){4,}")
# Error classes of PEP 249 that concern the statement or the server. The others concern the data and quote values.
_ABOUT_THE_STATEMENT = frozenset({"ProgrammingError", "OperationalError", "InterfaceError", "NotSupportedError"})
# A class of DuckDB that derives from ProgrammingError, although it also concerns the data and quotes values.
_OF_DATA_TOO = "InvalidInputException"
# SQLSTATE classes that concern the statement, so a retry fails again: syntax, names and rights (42), unsupported
# features, parameters, cursors, schemas; and "no data" (02), which Snowflake uses for missing objects.
_CLASSES_OF_THE_STATEMENT = ("02", "07", "0A", "26", "34", "3F", "42")
_READ_ONLY = "25006"
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
# MySQL errors that concern the statement, although its drivers raise them as server errors: unknown or ambiguous
# columns, functions, rights; writing in a read-only transaction.
_MYSQL = frozenset({1052, 1054, 1055, 1066, 1109, 1140, 1142, 1143, 1222, 1247, 1248, 1305, 1370, 1582, 1630, 1792})
# Missing or forbidden tables, columns and functions. MySQL quotes their names like values, so they are not shown.
_NAME_STATES = frozenset({"42501", "42703", "42883", "42P01", "42S02", "42S22"})
_NAME_NUMBERS = frozenset({1054, 1142, 1143, 1146, 1305, 1370})
_SQLITE = frozenset({"SQLITE_ERROR", "SQLITE_READONLY"})
_BY_CLASS = frozenset({"ProgrammingError", "NotSupportedError"})
# A percent sign that is not a placeholder in any driver.
_LONE_PERCENT = re.compile(r"%(?![%sbt(])")
_NAMED_PLACEHOLDER = re.compile(r"%\(\w+\)s")
_NO_STATEMENT = re.compile(r"""'(?:[^']|'')*' | "[^"]*" | `[^`]*` | --[^\n]* | /\*.*?\*/""", re.VERBOSE | re.DOTALL)
_WITHIN = re.compile(r"\([^()]*\)")
# Names of columns without a name; the second is PostgreSQL's name for an expression.
_NO_NAMES = ("", "?column?")
# Connection types that Airflow lists without a hook class, so that its `get_hook` raises an `AttributeError`.
_TYPES_WITHOUT_HOOK = ("generic", "email")
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
_QUERY = re.compile(r"(?:^|;)[\s(]*(?:select|with|values|table|from)\b", re.IGNORECASE)


class SqlSource:
    """Records from a query: one record for each row, with the column names of the query.

    :param sql: one statement that returns rows.
    :param conn_id: the Airflow connection of the database.
    :param parameters: values for the statement's placeholders, in the driver's own style.
    :param order_matters: whether to log a warning, at the first read, if the statement has no ORDER BY.
    :raises BluxConfigError: ``sql`` is not text or holds several queries, or ``parameters`` is neither a mapping nor a
        sequence of values.
    """

    def __init__(
        self,
        sql: str,
        *,
        conn_id: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        order_matters: bool = True,
    ) -> None:
        if not isinstance(sql, str):  # other operators of Airflow take a list of statements
            raise BluxConfigError(f"sql is of type {type(sql).__name__}; it must be one SELECT, as text.")
        if len(_QUERY.findall(_NO_STATEMENT.sub(" ", sql))) > 1:
            # Some drivers (psycopg2, mysqlclient, DuckDB) accept them, and return the rows of only one.
            raise BluxConfigError(
                "sql holds several queries, of which a driver may read only one. Join them with UNION ALL, or use a "
                "task for each."
            )
        if isinstance(parameters, str | bytes) or not isinstance(parameters, Mapping | Sequence | None):
            # A driver would take each character of a text for a value.
            raise BluxConfigError(
                f"sql_parameters is of type {type(parameters).__name__}; it must be a dict or a list of values."
            )
        self._sql = sql
        self._conn_id = conn_id
        self._parameters = parameters
        self._has_warned = not order_matters
        self._is_connected = self._is_executed = False

    def __str__(self) -> str:
        return f"the query on connection {self._conn_id}"

    def place_of(self, number: int) -> str:
        """Return the position of a record, whose row number is 1-based, as text for messages."""
        return f"row {number:,} of {self}"

    def __iter__(self) -> Iterator[Any]:
        self._warn_of_any_order()
        hook = self._hook()
        self._is_connected = self._is_executed = False
        try:
            with reading(hook.get_conn) as cursor:
                yield from self._rows(cursor)
        except Exception as error:
            if isinstance(error, BluxError | AirflowException):
                raise
            raise BluxSourceError(self._failure(error), retry_helps=not self._is_lasting(error)) from None

    def _is_lasting(self, error: Exception) -> bool:
        """Return whether a retry would fail with the same error, because the statement or its parameters are wrong.

        For any other error, such as one of the server or of the data, a retry may help.
        """
        if _database_error(error) is not None:
            return _is_of_the_statement(error)
        is_of_parameters = isinstance(error, TypeError | LookupError | ValueError) and not isinstance(
            error, UnicodeError
        )
        return is_of_parameters and self._is_connected and not self._is_executed

    def _failure(self, error: Exception) -> str:
        """Return the error message: the source, the database server, the reason, and advice.

        The reason is the first line of the database's own message, with values redacted. It is not shown if the error
        concerns the data, since it may quote records.
        """
        is_shown = _database_error(error) in _ABOUT_THE_STATEMENT
        said = _without_values(error) if is_shown else "its message is not shown, it may quote the data"
        place = f"{self} ({server})" if (server := _server(self._conn_id)) else str(self)
        return f"{place} failed: {type(error).__name__}: {said}{_where(error)}. {self._advice(error)}"

    def _advice(self, error: Exception) -> str:
        if not self._is_connected:
            return "(No connection was opened: check its host, port, schema, login and password, and the server.)"
        is_of_data = any(kind.__name__ == "DataError" for kind in type(error).__mro__)  # DuckDB reads as it executes
        if (self._is_executed or is_of_data) and not _is_of_the_statement(error):
            return "(It failed while its rows were read: see the log of the database server.)"
        if self._parameters and _LONE_PERCENT.search(self._sql):
            return "(With sql_parameters, write %% for a % that is not a placeholder, as in LIKE '%%.kr'.)"
        found = _NAMED_PLACEHOLDER.search(_NO_STATEMENT.sub(" ", self._sql))
        if found and not self._parameters and _is_of_the_statement(error):
            return f"(sql has the placeholder {found[0]}, but there are no sql_parameters.)"
        if _is_of_a_name(error):
            return "(sql names a table, column or function that does not exist, or that the login may not use.)"
        placeholders = ", with placeholders as its driver writes them, such as %(name)s or :name"
        return f"(sql must be one statement that only reads{placeholders if self._parameters else ''}.)"

    def _rows(self, cursor: Any) -> Iterator[TableRow | BluxRecordError]:
        self._is_connected = True
        cursor.execute(self._sql, *([self._parameters] if self._parameters else []))
        self._is_executed = True
        rows = cursor.fetchmany(_ROWS_A_FETCH) if cursor.description or _tells_columns_late(cursor) else []
        columns = self._columns(cursor)
        while rows:
            yield from readable_rows(columns, rows_of(cursor, rows))
            rows = cursor.fetchmany(_ROWS_A_FETCH)
        if has_another_result(cursor):
            raise BluxConfigError(
                f"{self} returns several results, as a procedure with several SELECTs does, and only the first has "
                "been read. Use one SELECT, or a task for each."
            )

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
        except AttributeError:
            if (conn_type := BaseHook.get_connection(self._conn_id).conn_type) not in _TYPES_WITHOUT_HOOK:
                raise
            raise BluxConfigError(
                f"Connection {self._conn_id} (sql_conn_id) is of type {conn_type}, which has no hook. (`airflow "
                "connections add` stores the type generic if the provider of the given type is not installed.) Install "
                "the Airflow provider of the database, then add the connection again with its type."
            ) from None
        if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
            raise BluxConfigError(f"Connection {self._conn_id} (sql_conn_id) is no database: it has no DB-API hook.")
        return hook

    def _columns(self, cursor: Any) -> list[str]:
        if not cursor.description:
            raise BluxConfigError(f"{self} returns no rows; sql must be a SELECT.")
        columns = [column[0] for column in cursor.description]
        for number, column in enumerate(columns, 1):
            if column.strip() in _NO_NAMES:
                raise BluxConfigError(f"{self}: column {number} has no name; name it with AS.")
        if twice := named_twice(columns):
            raise BluxConfigError(f"{self} returns {', '.join(twice)} twice; give each column its own name with AS.")
        return columns

    def _warn_of_any_order(self) -> None:
        if not self._has_warned and not _is_ordered(self._sql):
            self._has_warned = True
            log.warning(
                "%s has no ORDER BY, so its rows may come in another order on the next try. A try that continues "
                "where the last one stopped needs the same order: otherwise users and deletions are sent again, and "
                "events fail. Order by a unique key.",
                str(self).capitalize(),
            )


def _is_ordered(sql: str) -> bool:
    """Return whether the statement has an ORDER BY at its top level, outside subqueries and window functions."""
    statement, found = _NO_STATEMENT.sub(" ", sql), 1
    while found:
        statement, found = _WITHIN.subn(" ", statement)
    return _ORDERED.search(statement) is not None


def _tells_columns_late(cursor: Any) -> bool:
    """Return whether a cursor knows its columns only after the first fetch, like psycopg2's server-side cursor."""
    return type(cursor).__module__.startswith("psycopg2") and cursor.name is not None


def _database_error(error: Exception) -> str | None:
    """Return the name of a database error's class in PEP 249; ``None`` if the error is not a database error.

    Only the classes in ``_ABOUT_THE_STATEMENT`` are told apart; for any other it is ``Error``, their base class.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    if "Error" not in names:
        return None
    if _OF_DATA_TOO in names:
        return "Error"
    return next((name for name in names if name in _ABOUT_THE_STATEMENT), "Error")


def _server(conn_id: str) -> str:
    """Return type, host and port of the database (``postgres at db:5432``); an empty text if it has no server."""
    connection = BaseHook.get_connection(conn_id)
    port = f":{connection.port}" if connection.port else ""
    is_server = connection.host and not re.search(r"[\s/\\@]", connection.host)
    return f"{connection.conn_type} at {connection.host}{port}" if is_server else ""


def _is_of_the_statement(error: Exception) -> bool:
    if _number(error) in _MYSQL:
        return True
    if state := _sqlstate(error):
        return state.startswith(_CLASSES_OF_THE_STATEMENT) or state == _READ_ONLY
    if name := getattr(error, "sqlite_errorname", None):
        return name in _SQLITE
    return any(kind.__name__ in _BY_CLASS for kind in type(error).__mro__)


def _is_of_a_name(error: Exception) -> bool:
    return _sqlstate(error) in _NAME_STATES or _number(error) in _NAME_NUMBERS


def _sqlstate(error: Any) -> str | None:
    state: str | None = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state or type(error).__module__ != "pyodbc" or not error.args:
        return state
    first = str(error.args[0])
    return first if _SQLSTATE.fullmatch(first) else None


def _number(error: Any) -> int | None:
    return error.args[0] if error.args and type(error.args[0]) is int else None


def _where(error: Any) -> str:
    """Return the SQLSTATE and the error number of a database error, as text in brackets; empty if it has neither."""
    found = {"SQLSTATE": _sqlstate(error), "error": _number(error)}
    known = [f"{name} {value}" for name, value in found.items() if value]
    return f" [{', '.join(known)}]" if known else ""


def _without_values(error: Exception) -> str:
    first_line = str(error).partition("\n")[0]
    return _VALUES.sub("***", first_line).rstrip(".")

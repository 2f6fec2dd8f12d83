"""Configures database drivers: server-side cursors, read-only transactions, and values that Python cannot hold.

PEP 249 has no standard for any of these, so this module has code for each driver that needs it. All other drivers fetch
rows on demand by default. For a value that Python cannot hold, some drivers raise an error, and others return text,
null or another value; the code here makes it an :class:`Unreadable`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from typing import Any

from airflow_provider_blux.json_objects import quick_loads
from airflow_provider_blux.sources import floats
from airflow_provider_blux.sources.rows import Unreadable, tolerant

log = logging.getLogger(__name__)

_DUCKDB = ("duckdb", "_duckdb")
_NESTED_IN_DUCKDB = ("list", "array", "struct", "map", "tuple")
# Types of keys with which DuckDB returns a map as a dict of two lists, or does so for some values.
_NO_KEYS_IN_DUCKDB = (*_NESTED_IN_DUCKDB, "union", "variant")
_MYSQL = ("MySQLdb", "pymysql")
_POSTGRES_TYPES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb")
_PSYCOPG2_TYPES = ("PYDATE", "PYTIME", "PYDATETIME", "PYDATETIMETZ", "PYINTERVAL")
# The array types of a PostgreSQL database, each with the type of its items: for a domain, also for one of another
# domain, the type at the bottom.
_POSTGRES_ARRAYS = """
    WITH RECURSIVE known (oid, item) AS (
        SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
        UNION ALL SELECT pg_type.oid, item FROM pg_type JOIN known ON typtype = 'd' AND typbasetype = known.oid
    )
    SELECT typname::text, item::bigint, typarray::bigint FROM pg_type JOIN known USING (oid)
    WHERE typarray <> 0 AND typtype IN ('b', 'd', 'e') AND typdelim = ','
"""


@contextmanager
def reading(connect: Callable[[], Any]) -> Iterator[Any]:
    """Open a streaming cursor for a ``with`` block; close it and its connection at the end of the block.

    If the block ends with an exception, a query of MySQL is stopped, since closing its cursor would read all other
    rows.

    :param connect: opens a connection; called a second time to stop a query of MySQL.
    """
    with closing(connect()) as connection:
        cursor = reading_cursor(connection)
        try:
            yield cursor
        except BaseException as error:
            # After an error of the driver, the query has ended already and need not be stopped.
            if (driver := _driver(connection)) in _MYSQL and _driver(error) != driver:
                _stop_mysql(connection, connect)
            with suppress(Exception):  # closing may report that the query was stopped or that rows are left
                cursor.close()
            raise
        cursor.close()


def reading_cursor(connection: Any) -> Any:
    """Configure a connection for reading, and return a cursor that fetches rows on demand.

    PostgreSQL, MySQL, SQLite and DuckDB then refuse statements that write. The drivers of PostgreSQL and MySQL then
    return :class:`Unreadable` for a value that Python cannot hold. MySQL then sends text in ``utf8mb4``.

    :param connection: a new connection, on which no statement has been executed.
    """
    driver = _driver(connection)
    if driver in ("psycopg", "psycopg2"):
        connection.autocommit = False  # a server-side cursor needs a transaction
        if driver == "psycopg":
            connection.read_only = True
            _tolerate_in_psycopg(connection)
            _read_arrays_in_psycopg(connection)
        else:
            connection.readonly = True
            _tolerate_in_psycopg2(connection)
            _read_arrays_in_psycopg2(connection)
        return connection.cursor(name="airflow_provider_blux")
    if driver in (*_MYSQL, "mysql"):
        # In a smaller character set, such as latin1 or utf8, the server would replace other characters by "?".
        (connection.set_charset_collation if driver == "mysql" else connection.set_character_set)("utf8mb4")
        with closing(connection.cursor()) as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
    if driver in _MYSQL:
        _tolerate_in_mysql(connection, driver)
        return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    if driver == "sqlite3":
        connection.execute("PRAGMA query_only = ON")
    cursor = connection.cursor()
    if driver in _DUCKDB:
        cursor.execute("BEGIN TRANSACTION READ ONLY")  # without a transaction, DuckDB would commit each statement
    return cursor


def has_another_result(cursor: Any) -> bool:
    """Return whether a statement has returned rows after those that have been read, as a procedure with two SELECTs.

    :param cursor: a cursor whose rows have all been read.
    """
    try:
        while cursor.nextset():
            if cursor.description:  # a result without columns is the number of rows that a statement has changed
                return True
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        if "DatabaseError" in names and "NotSupportedError" not in names:
            raise  # for any other error, the driver has no `nextset`, which is optional in PEP 249
    return False


def rows_of(cursor: Any, rows: Iterable[Any]) -> Iterator[Iterable[Any]]:
    """Yield the values of each row, whether the driver returns rows as tuples or as dicts.

    In rows of DuckDB, a float of four bytes becomes the shortest number with the same value, and a date or a map that
    Python cannot hold becomes :class:`Unreadable`, also in lists, structs and the values of maps.

    :param cursor: the cursor that fetched the rows.
    """
    if _driver(cursor) in _DUCKDB:
        yield from floats.corrected_rows(rows, [_correction_of_duckdb(column[1]) for column in cursor.description])
        return
    for row in rows:
        # The connection extra `cursor` can make the driver return dicts.
        yield row.values() if isinstance(row, dict) else row


def _correction_of_duckdb(kind: Any) -> floats.Correction | None:
    if str(kind) == "FLOAT":
        return floats.single
    if getattr(kind, "id", None) in _NESTED_IN_DUCKDB:
        return _correction_of_nested(kind.id, kind.children)
    if str(kind).startswith(("DATE", "TIME")):  # DuckDB returns text for a date that Python cannot hold
        return lambda value: Unreadable() if isinstance(value, str) else value
    return None


def _correction_of_nested(kind: str, parts: list[tuple[str, Any]]) -> floats.Correction | None:
    if kind == "map" and parts[0][1].id in _NO_KEYS_IN_DUCKDB:
        return lambda value: None if value is None else Unreadable()
    # An array has its length as well, as a number.
    corrections = [_correction_of_duckdb(part) for _, part in parts if hasattr(part, "id")]
    if kind == "map":
        return floats.of_values(corrections[1])
    if kind == "tuple":  # a struct whose fields have no names
        return floats.of_tuple(corrections)
    if kind == "struct":
        return floats.of_fields(dict(zip((name for name, _ in parts), corrections, strict=True)))
    return floats.of_items(corrections[0])


def _driver(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _stop_mysql(connection: Any, connect: Callable[[], Any]) -> None:
    """Stop the query of a connection on the MySQL server, because closing the cursor would read all remaining rows.

    :param connect: opens a second connection, from which the query is stopped.
    """
    try:
        with closing(connect()) as other, closing(other.cursor()) as cursor:
            cursor.execute(f"KILL QUERY {int(connection.thread_id())}")
    except Exception as error:  # noqa: BLE001 - must not hide the error that ended the reading
        log.warning("The query could not be stopped (%s); the rest of its rows is read.", type(error).__name__)


def _tolerate_in_psycopg(connection: Any) -> None:
    # psycopg passes JSON as bytes in the encoding of the connection, such as EUC_KR. JSON is read as UTF-8 here.
    status = connection.info.parameter_status
    if _may_read_utf8(status) and connection.info.encoding != "utf-8":
        connection.execute("SET client_encoding TO 'UTF8'")
    # psycopg reads a timestamp with a zone in no other style; psycopg2 sets this one itself.
    if not (status("DateStyle") or "ISO").startswith("ISO"):
        connection.execute("SET datestyle TO 'ISO'")
    import_module("psycopg.types.json").set_json_loads(quick_loads, connection)
    adapters = connection.adapters
    for name in _POSTGRES_TYPES:
        oid = adapters.types[name].oid
        for loader in filter(None, (adapters.get_loader(oid, form) for form in import_module("psycopg.pq").Format)):
            adapters.register_loader(oid, _tolerant_loader(loader))


def _may_read_utf8(status: Callable[[str], str | None]) -> bool:
    """Return whether PostgreSQL can send UTF-8 on a connection.

    A database in SQL_ASCII sends its bytes as they are: only the encoding that the connection names tells theirs.

    :param status: returns a parameter of the connection.
    """
    return status("server_encoding") != "SQL_ASCII" or status("client_encoding") == "SQL_ASCII"


def _tolerant_loader(loader: Any) -> Any:
    base: Any = import_module("psycopg.adapt").Loader

    class Tolerant(base):  # type: ignore[misc]
        format = loader.format
        load: Any = None  # abstract in the base class; each object sets its own

        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self.load = tolerant(loader(oid, context).load)

    return Tolerant


def _tolerate_in_psycopg2(connection: Any) -> None:
    """Make psycopg2 return :class:`Unreadable` for values that Python cannot hold.

    By default it fails, or returns another value: 9999-12-31 for infinity, 0:00 for 24:00.
    """
    # In SQL_ASCII, psycopg2 would read no text with other letters; in LATIN1, the server would send none.
    if _may_read_utf8(connection.get_parameter_status):
        connection.set_client_encoding("UTF8")
    extensions, extras = import_module("psycopg2.extensions"), import_module("psycopg2.extras")

    def caster_of(name: str) -> Callable[[str | None, Any], Any]:
        caster, impossible = tolerant(getattr(extensions, name)), "24:" if name == "PYTIME" else "infinity"

        def cast(text: str | None, cursor: Any) -> Any:
            if text is not None and text.removeprefix("-").startswith(impossible):
                return Unreadable()
            return caster(text, cursor)

        return cast

    for name in _PSYCOPG2_TYPES:
        one, many = getattr(extensions, name), getattr(extensions, f"{name}ARRAY")
        caster = extensions.new_type(one.values, name, caster_of(name))
        extensions.register_type(caster, connection)
        extensions.register_type(extensions.new_array_type(many.values, f"{name}ARRAY", caster), connection)

    extras.register_default_json(connection, loads=tolerant(quick_loads))
    extras.register_default_jsonb(connection, loads=tolerant(quick_loads))


def _read_arrays_in_psycopg(connection: Any) -> None:
    """Make psycopg read arrays of all types as lists; by default, an array of an unknown type is one text."""
    type_info, types = import_module("psycopg.types").TypeInfo, connection.adapters.types
    cursor = connection.cursor(row_factory=import_module("psycopg.rows").tuple_row)
    for name, item_oid, array_oid in _arrays_of(connection, cursor):
        if types.get(array_oid) is None:
            type_info(name, item_oid, array_oid).register(connection)


def _read_arrays_in_psycopg2(connection: Any) -> None:
    """Let psycopg2 return the arrays of all types as lists; by itself it does so for few types."""
    extensions = import_module("psycopg2.extensions")
    casters = {**extensions.string_types, **connection.string_types}
    cursor = connection.cursor(cursor_factory=extensions.cursor)
    for name, item_oid, array_oid in _arrays_of(connection, cursor):
        if array_oid not in casters:
            caster = casters.get(item_oid, extensions.UNICODE)
            extensions.register_type(extensions.new_array_type((array_oid,), name, caster), connection)


def _arrays_of(connection: Any, cursor: Any) -> list[tuple[str, int, int]]:
    """Return name and oid of the item type, and oid of the array type; nothing if ``pg_type`` cannot be read."""
    with closing(cursor):
        try:
            cursor.execute(_POSTGRES_ARRAYS)
            found: list[tuple[str, int, int]] = cursor.fetchall()
        except connection.Error:
            connection.rollback()
            return []
    return found


def _tolerate_in_mysql(connection: Any, driver: str) -> None:
    """Make a MySQL driver return ``Unreadable`` for dates such as 0000-00-00, for which it returns text or null."""
    field_type = import_module(f"{driver}.constants.FIELD_TYPE")
    converters = connection.decoders if driver == "pymysql" else connection.converter

    def of(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        convert = tolerant(convert)

        def converted(value: Any) -> Any:
            found = convert(value)
            return Unreadable() if found is None or isinstance(found, str | bytes) else found

        return converted

    dates = (field_type.DATE, field_type.DATETIME, field_type.TIMESTAMP, field_type.TIME)
    ours = {kind: of(converters[kind]) for kind in dates if callable(converters.get(kind))}
    if driver == "pymysql":
        connection.decoders = {**converters, **ours}
    else:
        connection.converter = {**converters, **ours}

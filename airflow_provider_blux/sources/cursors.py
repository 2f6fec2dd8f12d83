"""How a driver is told to leave the rows on the server until they are read, and that nothing is to be changed.

PEP 249 has neither, so each driver that needs telling is named here. All others fetch as they are asked. The same
drivers are told to give an :class:`Unreadable` for a value that Python cannot hold, where they would end the query.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any

from airflow_provider_blux.json_objects import quick_loads
from airflow_provider_blux.sources import floats
from airflow_provider_blux.sources.rows import Unreadable, value_of

log = logging.getLogger(__name__)

_DUCKDB = ("duckdb", "_duckdb")
_MYSQL = ("MySQLdb", "pymysql")
_POSTGRES_TYPES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb")
_PSYCOPG2_TYPES = ("PYDATE", "PYTIME", "PYDATETIME", "PYDATETIMETZ", "PYINTERVAL")


@contextmanager
def reading(connect: Callable[[], Any]) -> Iterator[Any]:
    """Open a cursor that streams, and close it and its connection, however far the rows were read.

    :param connect: opens a connection.
    """
    with closing(connect()) as connection:
        cursor = reading_cursor(connection)
        try:
            yield cursor
        except BaseException as error:
            # An error of the driver is the end of the query.
            if (driver := _driver(connection)) in _MYSQL and _driver(error) != driver:
                _stop_mysql(connection, connect)
            with suppress(Exception):  # that the query was stopped, or that rows are left
                cursor.close()
            raise
        cursor.close()


def reading_cursor(connection: Any) -> Any:
    """Return a cursor that streams.

    :param connection: a connection that nothing has been executed on.
    """
    driver = _driver(connection)
    if driver in ("psycopg", "psycopg2"):
        connection.autocommit = False  # a cursor on the server lives in a transaction
        setattr(connection, "read_only" if driver == "psycopg" else "readonly", True)
        _tolerate_in_psycopg(connection) if driver == "psycopg" else _tolerate_in_psycopg2(connection)
        return connection.cursor(name="airflow_provider_blux")
    if driver in ("MySQLdb", "pymysql"):
        _tolerate_in_mysql(connection, driver)
        return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    if driver == "sqlite3":
        connection.execute("PRAGMA query_only = ON")
    cursor = connection.cursor()
    if driver in _DUCKDB:
        cursor.execute("BEGIN TRANSACTION READ ONLY")  # it would commit each statement
    return cursor


def rows_of(cursor: Any, rows: Iterable[Any]) -> Iterator[Iterable[Any]]:
    """Yield rows as sequences, whatever the driver makes of them."""
    columns = cursor.description if _driver(cursor) in _DUCKDB else ()
    # DuckDB gives text for a date that Python cannot hold.
    dates = [number for number, column in enumerate(columns) if str(column[1]).startswith(("DATE", "TIME"))]
    corrections = [_correction_of_duckdb(column[1]) for column in columns]
    for row in floats.corrected_rows(rows, corrections):
        # A connection may have its driver return dicts (its extra `cursor`).
        values = row.values() if isinstance(row, dict) else row
        if any(isinstance(row[number], str) for number in dates):
            values = [
                Unreadable() if number in dates and isinstance(value, str) else value
                for number, value in enumerate(row)
            ]
        yield values


def _correction_of_duckdb(kind: Any) -> floats.Correction | None:
    if str(kind) == "FLOAT":
        return floats.single
    if "FLOAT" not in str(kind) or not hasattr(kind, "children"):
        return None
    children = {name: _correction_of_duckdb(child) for name, child in kind.children if hasattr(child, "id")}
    if kind.id == "map":
        return floats.of_values(children["value"])
    return floats.of_fields(children) if kind.id == "struct" else floats.of_items(children.get("child"))


def _driver(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _stop_mysql(connection: Any, connect: Callable[[], Any]) -> None:
    """Stop the query on the server: to close its cursor alone would read the rest of its rows."""
    try:
        with closing(connect()) as other, closing(other.cursor()) as cursor:
            cursor.execute(f"KILL QUERY {int(connection.thread_id())}")
    except Exception as error:  # noqa: BLE001 - each driver has its own, and how the reading ended is what counts
        log.warning("The query could not be stopped (%s); the rest of its rows is read.", type(error).__name__)


def _tolerate_in_psycopg(connection: Any) -> None:
    import_module("psycopg.types.json").set_json_loads(quick_loads, connection)
    adapters = connection.adapters
    for name in _POSTGRES_TYPES:
        oid = adapters.types[name].oid
        for loader in filter(None, (adapters.get_loader(oid, form) for form in import_module("psycopg.pq").Format)):
            adapters.register_loader(oid, _tolerant(loader))


def _tolerant(loader: Any) -> Any:
    base: Any = import_module("psycopg.adapt").Loader

    class Tolerant(base):  # type: ignore[misc]
        format = loader.format

        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._loader = loader(oid, context)

        def load(self, data: Any) -> Any:
            return value_of(partial(self._loader.load, data))

    return Tolerant


def _tolerate_in_psycopg2(connection: Any) -> None:
    """Tell psycopg2, which would also give 9999-12-31 for infinity, and 0:00 for 24:00."""
    extensions, extras = import_module("psycopg2.extensions"), import_module("psycopg2.extras")

    def caster_of(name: str) -> Callable[[str | None, Any], Any]:
        caster, impossible = getattr(extensions, name), "24:" if name == "PYTIME" else "infinity"

        def cast(text: str | None, cursor: Any) -> Any:
            if text is not None and text.removeprefix("-").startswith(impossible):
                return Unreadable()
            return value_of(partial(caster, text, cursor))

        return cast

    for name in _PSYCOPG2_TYPES:
        one, many = getattr(extensions, name), getattr(extensions, f"{name}ARRAY")
        caster = extensions.new_type(one.values, name, caster_of(name))
        extensions.register_type(caster, connection)
        extensions.register_type(extensions.new_array_type(many.values, f"{name}ARRAY", caster), connection)

    def loads_of(text: str) -> Any:
        return value_of(partial(quick_loads, text))

    extras.register_default_json(connection, loads=loads_of)
    extras.register_default_jsonb(connection, loads=loads_of)


def _tolerate_in_mysql(connection: Any, driver: str) -> None:
    """Tell the drivers, of which one gives text for a date such as 0000-00-00, and the other null."""
    field_type = import_module(f"{driver}.constants.FIELD_TYPE")
    converters = connection.decoders if driver == "pymysql" else connection.converter

    def of(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def converted(value: Any) -> Any:
            found = value_of(partial(convert, value))
            return Unreadable() if found is None or isinstance(found, str | bytes) else found

        return converted

    dates = (field_type.DATE, field_type.DATETIME, field_type.TIMESTAMP, field_type.TIME)
    ours = {kind: of(converters[kind]) for kind in dates if callable(converters.get(kind))}
    if driver == "pymysql":
        connection.decoders = {**converters, **ours}
    else:
        connection.converter = {**converters, **ours}

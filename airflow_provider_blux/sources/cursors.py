"""How a driver is told to leave the rows on the server until they are read, and that nothing is to be changed.

PEP 249 has neither, so each driver that needs telling is named here. All others fetch as they are asked.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def reading_cursor(connection: Any) -> Any:
    """Return a cursor that streams.

    :param connection: a connection that nothing has been executed on.
    """
    driver = type(connection).__module__.partition(".")[0]
    if driver in ("psycopg", "psycopg2"):
        connection.autocommit = False  # a cursor on the server lives in a transaction
        setattr(connection, "read_only" if driver == "psycopg" else "readonly", True)
        return connection.cursor(name="airflow_provider_blux")
    if driver in ("MySQLdb", "pymysql"):
        return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    if driver == "sqlite3":
        connection.execute("PRAGMA query_only = ON")
    return connection.cursor()

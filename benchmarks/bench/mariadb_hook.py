"""Airflow's hook for MariaDB with a driver that needs no compiler.

Airflow's provider for MySQL imports ``mysqlclient``, which is built from source where it is installed.
"""

from __future__ import annotations

from typing import Any

import pymysql
from airflow.providers.common.sql.hooks.sql import DbApiHook


class MariaDbHook(DbApiHook):
    """A connection of type ``mariadb``, through pymysql."""

    conn_name_attr = "mariadb_conn_id"
    default_conn_name = "mariadb_default"
    conn_type = "mariadb"
    hook_name = "MariaDB"

    def get_conn(self) -> Any:
        """Return a new connection."""
        fields = self.get_connection(self.get_conn_id())
        return pymysql.connect(
            host=fields.host,
            port=fields.port,
            user=fields.login,
            password=fields.password or "",
            database=fields.schema,
        )

"""The metadata database, read table by table: the same on every version of Airflow, and without importing it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """The state and the results of one task instance."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    pid: int | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A DAG run that has ended or is still running."""

    dag_id: str
    run_id: str
    state: str
    log: str
    metadata: Metadata

    def task(self, task_id: str, map_index: int = -1) -> TaskOutcome:
        """Return the outcome of one task instance."""
        return self.metadata.tasks(self.dag_id, self.run_id)[task_id, map_index]

    def result(self, task_id: str, map_index: int = -1) -> Any:
        """Return what a task instance returned, ``None`` when it returned nothing."""
        return self.metadata.result(self.dag_id, self.run_id, task_id, map_index)

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the fields that the "Rendered Template" tab shows."""
        return self.metadata.rendered(self.dag_id, self.run_id, task_id, map_index)

    def asset_events(self) -> dict[str, Any]:
        """Return the extras of the run's asset events by the asset's URI."""
        return self.metadata.asset_events(self.dag_id, self.run_id)


class Database(Protocol):
    """The metadata database of an Airflow."""

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database."""

    def tables(self) -> list[str]:
        """Return the names of the tables."""

    def select(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of a query; ``?`` stands for a parameter."""


class SqliteDatabase:
    """A metadata database in a file of SQLite."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        """Return the SQLAlchemy URL, with a long timeout, since another process may lock the file for long."""
        return f"sqlite:///{self.path}?timeout=60"

    def tables(self) -> list[str]:
        """Return the names of the tables."""
        return [row["name"] for row in self.select("select name from sqlite_master where type = 'table'")]

    def select(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, parameters)]


class Metadata:
    """A reader of Airflow's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tasks(self, dag_id: str, run_id: str) -> dict[tuple[str, int], TaskOutcome]:
        """Return the task instances of a run by task id and map index."""
        found = self._database.select(
            "select task_id, map_index, state, try_number, pid from task_instance where dag_id = ? and run_id = ?",
            dag_id,
            run_id,
        )
        return {(row["task_id"], row["map_index"]): TaskOutcome(**row) for row in found}

    def runs(self, dag_id: str) -> dict[str, str]:
        """Return the state of each run of a DAG, by its id."""
        found = self._database.select("select run_id, state from dag_run where dag_id = ?", dag_id)
        return {row["run_id"]: row["state"] for row in found}

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> Any:
        """Return the ``return_value`` of a task instance."""
        found = self._database.select(
            "select value from xcom where key = 'return_value' and dag_id = ? and run_id = ? and task_id = ?"
            " and map_index = ?",
            dag_id,
            run_id,
            task_id,
            map_index,
        )
        return _decoded(found[0]["value"]) if found else None

    def rendered(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        """Return the rendered fields of a task instance."""
        found = self._database.select(
            "select rendered_fields from rendered_task_instance_fields"
            " where dag_id = ? and run_id = ? and task_id = ? and map_index = ?",
            dag_id,
            run_id,
            task_id,
            map_index,
        )
        fields: dict[str, Any] = json.loads(found[0]["rendered_fields"])
        return fields

    def asset_events(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the extras of the asset events of a run by the asset's URI."""
        asset = "asset" if "asset" in self._database.tables() else "dataset"  # Airflow 2
        found = self._database.select(
            f"select uri, event.extra from {asset}_event event join {asset} on {asset}.id = event.{asset}_id"  # noqa: S608
            " where source_dag_id = ? and source_run_id = ?",
            dag_id,
            run_id,
        )
        return {row["uri"]: json.loads(row["extra"]) for row in found}

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every row of every table with the table's name."""
        for table in self._database.tables():
            for row in self._database.select(f'select * from "{table}"'):  # noqa: S608 - a name from the schema itself
                yield table, row


def _decoded(stored: str | bytes) -> Any:
    value = json.loads(stored)
    if not isinstance(value, str):
        return value  # Airflow 2: JSON
    try:
        return json.loads(value)  # Airflow 3: JSON in JSON
    except ValueError:
        return value

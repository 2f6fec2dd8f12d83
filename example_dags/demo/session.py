"""Airflow for the demo alone: its own home, environment and database, and one process that runs the commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")
_NO_TEXT = re.compile(r"\x1b\[[\d;]*m|[│╭╰─╮╯]")  # colours and frames
DAGS = Path(__file__).resolve().parents[1]


class AirflowSession:
    """Runs ``airflow`` commands one after another, in a process that has its own home and a new database.

    :param home: folder for ``AIRFLOW_HOME``. Each session deletes the database and the logs of the session before; a
        copy of the migrated, empty database is kept, because a migration is slow.
    :param connections: JSON or URI of each Airflow connection, by connection id.
    :param output: folder that the DAGs write to.
    """

    def __init__(self, home: Path, connections: dict[str, str], output: Path) -> None:
        self.home = home
        self.log = home / "demo.log"
        self._database = home / "airflow.db"
        self._migrated = home / "migrated.db"
        self._connections = connections
        self._output = output
        self._process: subprocess.Popen[str] | None = None
        self._answers: IO[str] | None = None

    def __enter__(self) -> AirflowSession:
        self.home.mkdir(parents=True, exist_ok=True)
        for stale in ("airflow.db", "airflow.db-wal", "airflow.db-shm"):
            (self.home / stale).unlink(missing_ok=True)
        shutil.rmtree(self.home / "logs", ignore_errors=True)
        if self._migrated.exists():
            shutil.copyfile(self._migrated, self._database)
        ours, theirs = os.pipe()
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                [sys.executable, "-m", f"{__package__}.cli", str(theirs)],
                cwd=DAGS.parent,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs],
                text=True,
            )
        os.close(theirs)
        self._answers = os.fdopen(ours)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.stdin is None or self._answers is None:
            return
        if kind is not None:
            self._process.terminate()
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()

    def _environment(self) -> dict[str, str]:
        """Return the environment of this process, with the demo's Airflow settings in place of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "BLUX_EXAMPLE"))}
        return {
            **kept,
            "AIRFLOW_HOME": str(self.home),
            "BLUX_EXAMPLE_OUTPUT": str(self._output),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # A failing task is tried again after a second, not after five minutes, which is right for production.
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            "PYTHONUNBUFFERED": "1",
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in self._connections.items()},
        }

    @property
    def is_new(self) -> bool:
        """Whether :meth:`migrate` must be called first, because no session has migrated a database yet."""
        return not self._migrated.exists()

    def migrate(self) -> float:
        """Create Airflow's database, and keep a copy for later sessions; return the duration in seconds."""
        seconds = self.run("db", "migrate")
        half_made = self._migrated.with_suffix(".part")
        with (
            closing(sqlite3.connect(self._database)) as made,
            closing(sqlite3.connect(half_made)) as copy,
        ):
            made.backup(copy)
        half_made.replace(self._migrated)
        return seconds

    def run(self, *command: str) -> float:
        """Run one ``airflow`` command; return its duration in seconds.

        :raises RuntimeError: the command failed (the message has its last errors), or the session is not open.
        """
        if self._process is None or self._process.stdin is None or self._answers is None:
            raise RuntimeError("Airflow is not running: use the session in a with statement.")
        before = self.log.stat().st_size
        with suppress(BrokenPipeError):  # the process has ended: it gives no answer, and its log says why
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        line = self._answers.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"ok": False}
        if not answer["ok"]:
            raise RuntimeError(f"'airflow {' '.join(command)}' failed.\n{self._errors_since(before)}")
        return float(answer["seconds"])

    def _errors_since(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        plain = [_NO_TEXT.sub("", line).strip() for line in lines]
        errors = dict.fromkeys(line for line in plain if _ERROR.match(line))
        return "\n".join(f"  {line[:300]}" for line in ([*errors] or plain)[-3:])

    def reports(self, dag_id: str) -> dict[str, list[dict[str, Any]]]:
        """Return the values that the tasks of a DAG returned, by task id: one for each run and each mapped task.

        They are read from the table ``xcom``, because its columns are the same in every version of Airflow, and
        Airflow's Python interface is not.
        """
        query = "SELECT task_id, value FROM xcom WHERE dag_id = ? AND key = 'return_value' ORDER BY run_id, map_index"
        with closing(sqlite3.connect(self._database)) as database:
            rows = database.execute(query, [dag_id]).fetchall()
        returned: dict[str, list[dict[str, Any]]] = {}
        for task_id, value in rows:
            returned.setdefault(task_id, []).append(json.loads(value))
        return returned

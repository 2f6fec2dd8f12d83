"""An Airflow of the demo's own: home, environment, database, and one process that runs its commands."""

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
    """Run ``airflow`` commands one after another in a home that knows nothing of earlier runs.

    :param home: folder that becomes ``AIRFLOW_HOME``; only the empty, migrated database in it outlives a run.
    :param connections: connection id to its JSON or URI.
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
        """Return this process's environment without the user's own Airflow settings, which the demo must not touch."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "BLUX_EXAMPLE"))}
        return {
            **kept,
            "AIRFLOW_HOME": str(self.home),
            "BLUX_EXAMPLE_OUTPUT": str(self._output),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # A failing task is told within seconds, not after the five minutes that are right for production.
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            "PYTHONUNBUFFERED": "1",
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in self._connections.items()},
        }

    @property
    def is_new(self) -> bool:
        """Whether Airflow's database has to be made first."""
        return not self._migrated.exists()

    def migrate(self) -> float:
        """Make Airflow's database, and keep a copy of it for the next run; return the seconds."""
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
        """Run one ``airflow`` command and return its seconds.

        :raises RuntimeError: when it failed, with the last errors of its log.
        """
        if self._process is None or self._process.stdin is None or self._answers is None:
            raise RuntimeError("Airflow is not running: use the session in a with statement.")
        before = self.log.stat().st_size
        with suppress(BrokenPipeError):  # it has died: there will be no answer, and the log says why
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
        """Return what the tasks of a DAG returned, by task: one report for each run and each mapped task.

        Read from the table itself: its columns are the same in every Airflow version, the ways through Airflow are not.
        """
        query = "SELECT task_id, value FROM xcom WHERE dag_id = ? AND key = 'return_value' ORDER BY run_id, map_index"
        with closing(sqlite3.connect(self._database)) as database:
            rows = database.execute(query, [dag_id]).fetchall()
        returned: dict[str, list[dict[str, Any]]] = {}
        for task_id, value in rows:
            returned.setdefault(task_id, []).append(json.loads(value))
        return returned

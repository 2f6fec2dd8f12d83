"""Runs of DAGs without a scheduler, as ``airflow dags test`` does them, one after another in one process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run

LOOP = Path(__file__).with_name("dag_test_loop.py")


class DagTester:
    """Airflow in a process of its own that runs DAGs on request.

    :param home: a migrated home.
    :param timeout: seconds that one run may take.
    """

    def __init__(self, home: AirflowHome, *, timeout: float = 120) -> None:
        self.home = home
        self._timeout = timeout
        self._output = home.folder / "dag_tester.log"

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._answers = os.fdopen(reading)
        with self._output.open("w") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-P", str(LOOP), str(writing)],
                env=self.home.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=[writing],
                start_new_session=True,
            )
        os.close(writing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # With all that it has started: Airflow 2.11's OpenLineage provider keeps a process that would stay.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._answers.close()
        if self._process.stdin:
            self._process.stdin.close()

    def run(self, dag_id: str, **conf: Any) -> Run:
        """Run a DAG to its end, configured by ``conf``."""
        start = self._output.stat().st_size
        answer = self._ask({"dag_id": dag_id, "conf": conf})
        with self._output.open(errors="replace") as output:
            output.seek(start)
            log = output.read()
        if "error" in answer:
            raise RuntimeError(f"{dag_id} did not run: {answer['error']}\n{log}")
        return Run(dag_id=dag_id, log=log, metadata=self.home.metadata, **answer)

    def _ask(self, request: dict[str, Any]) -> dict[str, str]:
        if self._process.stdin is None:
            raise RuntimeError("the process has no standard input")
        print(json.dumps(request), file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._answers], [], [], self._timeout)
        line = self._answers.readline() if ready else ""
        if not line:
            problem = "ended" if ready else f"gave no answer in {self._timeout} s"
            raise RuntimeError(f"the process that runs DAGs {problem}:\n{self._output.read_text(errors='replace')}")
        answer: dict[str, str] = json.loads(line)
        return answer

"""A real scheduler of Airflow 3: API server, scheduler and DAG processor, tasks in processes of their own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run

PROCESS_TREE = Path(__file__).with_name("process_tree.py")
COMPONENTS = ("api-server", "scheduler", "dag-processor")

T = TypeVar("T")


def settings_of_a_scheduler() -> dict[str, str]:
    """Return the settings of an Airflow that listens on a free port of the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }


class Scheduler:
    """Airflow's processes, started together and ended together.

    :param home: a migrated home with :func:`settings_of_a_scheduler`.
    :param timeout: seconds that the start, and each run, may take.
    """

    def __init__(self, home: AirflowHome, *, timeout: float = 180) -> None:
        self.home = home
        self._timeout = timeout
        self._url = home.environment["AIRFLOW__API__BASE_URL"]
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        """Start the processes without waiting for them: :meth:`trigger` does."""
        commands = {
            str(self.home.folder / f"{name}.log"): [sys.executable, "-m", "airflow", name] for name in COMPONENTS
        }
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-P", str(PROCESS_TREE), json.dumps(commands)],
            env=self.home.environment,
            cwd=self.home.folder,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()
        self._process.communicate(timeout=60)

    def wait_until_healthy(self) -> None:
        """Wait for the API server, the scheduler and the DAG processor, and sign in."""

        def healthy() -> bool:
            try:
                answer = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=10)
            except requests.ConnectionError:
                return False
            health = answer.json() if answer.ok else {}
            return all(health.get(part, {}).get("status") == "healthy" for part in ("scheduler", "dag_processor"))

        self.poll(healthy, "Airflow is healthy")
        token = self._session.get(f"{self._url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Start a run of a DAG and return it as it is now."""
        body = {"logical_date": None, "conf": conf}

        def created() -> dict[str, Any] | None:
            answer = self._session.post(f"{self._url}/api/v2/dags/{dag_id}/dagRuns", json=body, timeout=30)
            return None if answer.status_code == 404 else _content(answer)  # not parsed yet

        if "Authorization" not in self._session.headers:
            self.wait_until_healthy()
        run_id = self.poll(created, f"{dag_id} is parsed")["dag_run_id"]
        return self.look_at(Run(dag_id=dag_id, run_id=run_id, state="queued", log="", metadata=self.home.metadata))

    def finish(self, run: Run) -> Run:
        """Wait for the end of a run."""

        def ended() -> Run | None:
            now = self.look_at(run)
            return now if now.state in ("success", "failed") else None

        return self.poll(ended, f"{run.dag_id} has ended")

    def run(self, dag_id: str, **conf: Any) -> Run:
        """Run a DAG to its end."""
        return self.finish(self.trigger(dag_id, **conf))

    def look_at(self, run: Run) -> Run:
        """Return a run with the state and the logs that it has now."""
        answer = _content(self._session.get(f"{self._url}/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}", timeout=30))
        return Run(
            dag_id=run.dag_id,
            run_id=run.run_id,
            state=answer["state"],
            log="".join(path.read_text(errors="replace") for path in self.logs_of(run)),
            metadata=self.home.metadata,
        )

    def logs_of(self, run: Run) -> list[Path]:
        """Return the log files of a run's tasks, one for each try."""
        return sorted((self.home.logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}").rglob("*.log"))

    def clear(self, run: Run, task_id: str) -> Run:
        """Clear a task, as a person does to have it run again, and wait for the end of the run."""
        body = {
            "dag_run_id": run.run_id,
            "task_ids": [task_id],
            "dry_run": False,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        _content(self._session.post(f"{self._url}/api/v2/dags/{run.dag_id}/clearTaskInstances", json=body, timeout=30))
        return self.finish(run)

    def finish_or_clear(self, run: Run, task_id: str) -> Run:
        """Wait for the end of a run whose task was killed: Airflow 3.0 does not try such a task again by itself."""
        ended = self.finish(run)
        return ended if ended.state == "success" else self.clear(ended, task_id)

    def kill(self, run: Run, task_id: str, *, once: Callable[[], bool]) -> None:
        """Kill the process of a running task with SIGKILL as soon as ``once`` is true."""

        def ready() -> bool:
            task = run.metadata.tasks(run.dag_id, run.run_id).get((task_id, -1))
            if task and task.state in ("success", "failed", "up_for_retry"):
                raise RuntimeError(f"{task_id} ended before it could be killed:\n{self.look_at(run).log}")
            return once()

        self.poll(ready, f"{task_id} can be killed")
        pid = run.task(task_id).pid
        if pid is None:
            raise RuntimeError(f"{task_id} has no process")
        os.kill(pid, signal.SIGKILL)

    def poll(self, fact: Callable[[], T | None], name: str) -> T:
        """Return what ``fact`` gives as soon as it gives something."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := fact():
                return found
            time.sleep(0.2)
        logs = "\n".join(
            f"----- {name}.log\n{(self.home.folder / f'{name}.log').read_text(errors='replace')[-5000:]}"
            for name in COMPONENTS
        )
        raise TimeoutError(f"waited {self._timeout:g} s in vain until {name}\n{logs}")


def _content(answer: requests.Response) -> dict[str, Any]:
    if not answer.ok:
        raise RuntimeError(f"{answer.request.method} {answer.url} gave {answer.status_code}: {answer.text}")
    content: dict[str, Any] = answer.json()
    return content

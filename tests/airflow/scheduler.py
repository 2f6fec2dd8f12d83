"""A real scheduler, with the server that answers for it and the DAG processor; tasks in processes of their own."""

from __future__ import annotations

import base64
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

from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run
from tests.airflow.rest import AIRFLOW_2, RestApi

PROCESS_TREE = Path(__file__).with_name("process_tree.py")
# The scheduler would listen on a port, the same for all, to show logs. Airflow 2's starts its DAG processor by itself.
COMPONENTS = {
    "scheduler": ["--skip-serve-logs"],
    **({"webserver": []} if AIRFLOW_2 else {"api-server": [], "dag-processor": []}),
}
# Everybody who opens Airflow 2's pages, on the loopback address, has every right.
EVERYBODY_IS_ADMIN = "AUTH_ROLE_PUBLIC = 'Admin'\n"

T = TypeVar("T")


def settings_of_a_scheduler() -> dict[str, str]:
    """Return the settings of an Airflow that listens on a free port of the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for_both = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        # Connections that tests store are to be as unreadable in the database as those of a production.
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    }
    if AIRFLOW_2:
        return for_both | {
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__WEBSERVER__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_hex(32),
            # A task that was killed is found sooner.
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
        }
    return for_both | {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # the first answers of a server on a busy machine take long
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
        self.rest = RestApi(home.environment)
        self._is_healthy = False

    def __enter__(self) -> Self:
        """Start the processes without waiting for them: :meth:`trigger` does."""
        if AIRFLOW_2:
            (self.home.folder / "webserver_config.py").write_text(EVERYBODY_IS_ADMIN)
        commands = {
            str(self.home.folder / f"{name}.log"): [sys.executable, "-m", "airflow", name, *arguments]
            for name, arguments in COMPONENTS.items()
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
        self.rest.close()
        self._process.communicate(timeout=60)

    def wait_until_healthy(self) -> None:
        """Wait for the server, the scheduler and the DAG processor, and sign in."""
        if self._is_healthy:
            return
        self.poll(self.rest.is_healthy, "Airflow is healthy")
        self.rest.sign_in()
        self._is_healthy = True

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Start a run of a DAG and return it as it is now."""
        self.wait_until_healthy()
        run_id = self.poll(lambda: self.rest.trigger(dag_id, conf), f"{dag_id} is parsed")["dag_run_id"]
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
        return Run(
            dag_id=run.dag_id,
            run_id=run.run_id,
            state=self.rest.state(run),
            log="".join(path.read_text(errors="replace") for path in self.logs_of(run)),
            metadata=self.home.metadata,
        )

    def runs_of(self, dag_id: str) -> list[Run]:
        """Return every run of a DAG as it is now."""
        states = self.home.metadata.runs(dag_id)
        return [
            Run(dag_id=dag_id, run_id=run_id, state=state, log="", metadata=self.home.metadata)
            for run_id, state in states.items()
        ]

    def logs_of(self, run: Run) -> list[Path]:
        """Return the log files of a run's tasks, one for each try."""
        return sorted((self.home.logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}").rglob("*.log"))

    def clear(self, run: Run, *task_ids: str, only_failed: bool = False) -> Run:
        """Clear tasks, as a person does to have them run again, and wait for the end of the run."""
        self.rest.clear(run, *task_ids, only_failed=only_failed)
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
        """Call ``fact`` until it returns a true value, and return this value; ``name`` describes it in the error."""
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

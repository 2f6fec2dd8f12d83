"""Airflow's processes: API server, scheduler, DAG processor and Celery workers, each the head of a tree of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psutil

from benchmarks.cluster.environment import SLOTS, WORKERS, free_port

T = TypeVar("T")
_LOOK_EVERY_SECONDS = 1.0
_ROOT = Path(__file__).parents[2]
# Ends with the pipe to it, and ends what it started: nothing is left behind even when this process is killed.
_TREE = _ROOT / "tests" / "airflow" / "process_tree.py"


class Stack:
    """Airflow's processes, started one after the other and ended together.

    :param folder: keeps a log of each.
    :param environment: of all of them.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._trees: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tree in self._trees.values():
            if tree.stdin:
                tree.stdin.close()
        for tree in self._trees.values():
            tree.wait()

    def migrate(self) -> None:
        """Create the tables.

        :raises RuntimeError: with what Airflow says.
        """
        log = self._log("migrate")
        with log.open("wb") as output:
            done = subprocess.run(  # noqa: S603 - our own command
                _airflow("db", "migrate"),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"airflow db migrate ended with {done.returncode}:\n{self.tail('migrate')}")

    def start(self, name: str, *command: str, **more: str) -> None:
        """Start ``airflow COMMAND``.

        :param more: variables for this process alone.
        """
        commands = {str(self._log(name)): _airflow(*command)}
        self._trees[name] = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-P", str(_TREE), json.dumps(commands)],
            env={**self._environment, **more},
            cwd=self._folder,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def start_worker(self, name: str) -> None:
        """Start a Celery worker."""
        options = ["-H", f"{name}@%h", "-c", str(SLOTS), "--pid", str(self._folder / f"{name}.pid")]
        options += ["--skip-serve-logs", "--without-gossip", "--without-mingle"]
        self.start(name, "celery", "worker", *options, AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=str(free_port()))

    def has_said(self, name: str, words: str) -> bool:
        """Return whether ``words`` are in the log of a process."""
        log = self._log(name)
        return log.exists() and words in log.read_text(errors="replace")

    def check(self) -> None:
        """Make sure that every process is at work.

        :raises RuntimeError: one has ended by itself; with the end of its log.
        """
        for name, tree in self._trees.items():
            if tree.poll() is not None or _has_ended(tree.pid):
                raise RuntimeError(f"{name} has ended by itself:\n{self.tail(name)}")

    def wait_for(self, fact: Callable[[], T | None], name: str, seconds: float) -> T:
        """Return what ``fact`` gives as soon as it gives something.

        :raises TimeoutError: it gave nothing for so many seconds.
        :raises RuntimeError: a process has ended meanwhile.
        """
        deadline = time.monotonic() + seconds
        while not (found := fact()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s in vain until {name}; the logs are in {self._folder}")
            self.check()
            time.sleep(_LOOK_EVERY_SECONDS)
        return found

    def worker_of(self, pid: int) -> str | None:
        """Return the worker that runs a process; ``None`` when the process is gone."""
        heads = {self._trees[name].pid: name for name in WORKERS if name in self._trees}
        try:
            return next((heads[parent.pid] for parent in psutil.Process(pid).parents() if parent.pid in heads), None)
        except psutil.NoSuchProcess:
            return None

    def kill(self, name: str) -> int:
        """Kill a process and all that it started with SIGKILL, at one go; return how many they were.

        Task processes are in process groups of their own, so it takes more than the group of the worker.
        """
        tree = self._trees.pop(name)
        processes = [psutil.Process(tree.pid), *psutil.Process(tree.pid).children(recursive=True)]
        groups = set()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                groups.add(os.getpgid(process.pid))
        for group in sorted(groups, key=lambda group: group != tree.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        tree.wait()
        psutil.wait_procs(processes, timeout=10)
        return len(processes)

    def tail(self, name: str) -> str:
        """Return the end of the log of a process."""
        return self._log(name).read_text(errors="replace")[-4000:]

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _has_ended(tree: int) -> bool:
    # Nobody waits for what a tree started, so it stays as a zombie, before the orphans that the tree adopts.
    first = min(psutil.Process(tree).children(), key=lambda child: child.create_time(), default=None)
    return first is not None and first.status() == psutil.STATUS_ZOMBIE


def _airflow(*command: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *command]

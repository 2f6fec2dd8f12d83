"""The course of a run: two workers deliver, one is killed half-way, the other goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cluster.dag_run import DagRun, Saved, Try
from benchmarks.cluster.environment import SLOTS, WORKERS
from benchmarks.cluster.stack import Stack
from benchmarks.table import say

TASK = "send_partition"
_SAY_EVERY_SECONDS = 30.0
# A save that was on its way when its task was killed is in the database by then.
_SETTLES_WITHIN = 3.0
_WAITING = (None, "scheduled", "queued")
_OVER = ("success", "failed")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What the kill met.

    :param at: when, in Unix time.
    :param processes: how many died.
    :param saved: what each task that died had saved, by map index; ``None`` for nothing.
    """

    at: float
    held: int
    processes: int
    saved: dict[int, Saved | None]


@dataclass(kw_only=True)
class Course:
    """What became of a run.

    :param workers: which workers each task ran on, by map index, in order.
    :param retried_at: when the second try of each task was first seen running, in Unix time.
    :param reports: what each task returned.
    :param summary: what the task behind them returned.
    :param longest_wait: of a process for a core, in words.
    """

    state: str = "never started"
    kill: Kill | None = None
    tries: list[Try] = field(default_factory=list)
    workers: dict[int, list[str]] = field(default_factory=dict)
    retried_at: dict[int, float] = field(default_factory=dict)
    reports: dict[int, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] | None = None
    longest_wait: str = ""


class Watch:
    """Looks at a run until it is over, and kills one worker on the way.

    :param held: tells how many users have arrived.
    :param kill_at: as soon as so many have.
    :param timeout: seconds that the run may take.
    """

    def __init__(self, run: DagRun, stack: Stack, held: Callable[[], int], *, kill_at: int, timeout: float) -> None:
        self._run = run
        self._stack = stack
        self._held = held
        self._kill_at = kill_at
        self._timeout = timeout
        self._said_at = 0.0
        self.course = Course()

    def until_the_end(self) -> Course:
        """Return what became of the run.

        :raises TimeoutError: it does not end.
        """
        course = self.course
        course.state = self._stack.wait_for(self._look, "the run has ended", self._timeout)
        course.tries = self._run.tries(TASK)
        for one in course.tries:
            if report := self._run.result(TASK, one.map_index):
                course.reports[one.map_index] = report
        course.summary = self._run.result("summarize")
        return course

    def _look(self) -> str | None:
        tries, held = self._run.tries(TASK), self._held()
        on = self._note(tries)
        first = [index for index, worker in on.items() if worker == WORKERS[0]]
        if self.course.kill is None and held >= self._kill_at and self._can_be_killed(first, tries):
            self._kill(held)
        self._say(tries, held)
        state = self._run.state()
        return state if state in _OVER else None

    def _note(self, tries: list[Try]) -> dict[int, str]:
        """Note where the tasks run; return it by map index."""
        on: dict[int, str] = {}
        for one in tries:
            if one.state != "running" or one.pid is None or (worker := self._stack.worker_of(one.pid)) is None:
                continue
            on[one.map_index] = worker
            seen = self.course.workers.setdefault(one.map_index, [])
            if len(seen) < one.number:
                seen.append(worker)
            if one.number > 1:
                self.course.retried_at.setdefault(one.map_index, time.time())
        return on

    def _can_be_killed(self, running: list[int], tries: list[Try]) -> bool:
        """Return whether all processes of the first worker are at work, and each has progress to continue.

        With one to spare it may have taken a task from the broker that it has not begun. Such a task is noticed too,
        but only after ``[scheduler] task_queued_timeout``.
        """
        is_busy = len(running) == SLOTS or not any(one.state in _WAITING for one in tries)
        return bool(running) and is_busy and all(self._run.saved(TASK, index) for index in running)

    def _kill(self, held: int) -> None:
        at = time.time()
        processes = self._stack.kill(WORKERS[0])
        lost = self._lost()
        time.sleep(_SETTLES_WITHIN)
        lost &= self._lost()
        saved = {index: self._run.saved(TASK, index) for index in sorted(lost)}
        self.course.kill = Kill(at=at, held=held, processes=processes, saved=saved)
        say(f"SIGKILL to the {processes} processes of {WORKERS[0]}, {held:,} users held; tasks {[*saved]} died with it")

    def _lost(self) -> set[int]:
        """Return the tasks that count as running and have no process."""
        running = [(one.map_index, one.pid) for one in self._run.tries(TASK) if one.state == "running"]
        return {index for index, pid in running if pid is not None and self._stack.worker_of(pid) is None}

    def _say(self, tries: list[Try], held: int) -> None:
        if time.monotonic() - self._said_at >= _SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            running = sum(one.state == "running" for one in tries)
            done = sum(one.state == "success" for one in tries)
            say(f"{time.strftime('%H:%M:%S')}  {held:,} users held, {running} tasks running, {done} done")

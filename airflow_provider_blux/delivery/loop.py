"""The engine: keeps batches in flight, in order for each user, and counts what became of them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_provider_blux.delivery.batches import Batch, Reject
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import Outcome, Report

Send = Callable[[Batch], Outcome]
SHOWN_REJECTS = 10
_SHORTEST_WAIT = 0.05


class Loop:
    """Keeps at most ``concurrency`` batches alive, no two of them with a record of the same user.

    :param send: delivers one batch; called from up to ``concurrency`` threads.
    :param report: is filled in while the loop runs, so that it can be read whatever happens.
    """

    def __init__(self, send: Send, report: Report, concurrency: int, progress: Progress) -> None:
        self._send = send
        self._report = report
        self._concurrency = concurrency
        self._progress = progress
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="blux")
        self._done: queue.SimpleQueue[tuple[Batch, Outcome | BaseException]] = queue.SimpleQueue()
        self._in_flight = 0
        self._busy: set[Any] = set()
        self.first_rejects: list[Reject] = []

    def run(self, batches: Iterable[Batch]) -> None:
        """Send every batch; return when the last one is settled."""
        for batch in batches:
            while self._in_flight >= self._concurrency or not self._busy.isdisjoint(batch.records):
                self._settle_next()
            self._start(batch)
            while not self._done.empty():  # a slow source must not keep a failure from being seen
                self._settle_next()
        while self._in_flight:
            self._settle_next()

    def finish(self) -> None:
        """Wait for what is on its way and count it; leave no thread behind."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        while not self._done.empty():
            batch, result = self._done.get()
            if isinstance(result, Outcome):
                self._settle(batch, result)

    def _start(self, batch: Batch) -> None:
        if not batch.records:
            self._settle(batch, Outcome())
            return
        self._in_flight += 1
        self._busy.update(batch.records)
        self._pool.submit(self._work, batch)

    def _work(self, batch: Batch) -> None:
        result: Outcome | BaseException
        try:
            result = self._send(batch)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits for it
            result = error
        self._done.put((batch, result))

    def _settle_next(self) -> None:
        batch, result = self._next_result()
        self._in_flight -= 1
        self._busy.difference_update(batch.records)
        if isinstance(result, BaseException):
            raise result
        self._settle(batch, result)

    def _next_result(self) -> tuple[Batch, Outcome | BaseException]:
        while True:
            self._progress.say(self._report)
            try:
                return self._done.get(timeout=max(self._progress.due_in(), _SHORTEST_WAIT))
            except queue.Empty:
                continue

    def _settle(self, batch: Batch, outcome: Outcome) -> None:
        report, rejects = self._report, [*batch.rejects, *outcome.rejects]
        report.read += batch.read
        report.rejected += len(rejects)
        for count in ("delivered", "merged", "unknown", "valid", "requests", "retries"):
            setattr(report, count, getattr(report, count) + getattr(outcome, count))
        report.batches += 1
        self.first_rejects.extend(rejects[: SHOWN_REJECTS - len(self.first_rejects)])

"""The engine: keeps batches in flight, in order for each user."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import Outcome
from airflow_provider_blux.delivery.stopping import Stop
from airflow_provider_blux.exceptions import BluxStopped

Send = Callable[[Batch], Outcome]
# So often the waiting loop looks up to say its progress, or to hear that it is to stop.
_LOOK_UP_SECONDS = 0.5


class Loop:
    """Keeps at most ``concurrency`` batches alive, no two of them with a record of the same user.

    :param send: delivers one batch; called from up to ``concurrency`` threads.
    :param settle: called, in the thread that runs the loop, with what became of each batch.
    """

    def __init__(
        self,
        send: Send,
        settle: Callable[[Batch, Outcome], None],
        *,
        progress: Progress,
        stop: Stop,
        concurrency: int,
    ) -> None:
        self._send = send
        self._settle = settle
        self._progress = progress
        self._stop = stop
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="blux")
        self._done: queue.SimpleQueue[tuple[Batch, Outcome | BaseException]] = queue.SimpleQueue()
        self._in_flight = 0
        self._busy: set[Any] = set()
        #: Why a batch failed that was on its way when the loop was left.
        self.failure: BaseException | None = None

    def run(self, batches: Iterable[Batch]) -> None:
        """Send every batch; return when the last one is settled."""
        for batch in batches:
            self._stop.check()
            while self._in_flight >= self._concurrency or not self._busy.isdisjoint(batch.records):
                self._settle_next()
            self._start(batch)
            while not self._done.empty():  # a slow source must not keep a failure from being seen
                self._settle_next()
        while self._in_flight:
            self._settle_next()

    def finish(self) -> None:
        """Wait for what is on its way and settle it; leave no thread behind."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        while not self._done.empty():
            batch, result = self._done.get()
            if isinstance(result, Outcome):
                self._settle(batch, result)
            elif self.failure is None and not isinstance(result, BluxStopped):
                self.failure = result

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
            self._progress.say()
            try:
                return self._done.get(timeout=_LOOK_UP_SECONDS)
            except queue.Empty:
                self._stop.check()

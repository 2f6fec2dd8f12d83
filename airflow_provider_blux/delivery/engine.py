"""The loop that keeps batches in flight: it reads ahead, passes batches to a thread pool and records the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.outcomes import Outcome
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.switching import frequent_switching
from airflow_provider_blux.exceptions import BluxStopped

# While it waits, the loop wakes up this often to log the progress and to check for a request to stop.
_LOOK_UP_SECONDS = 0.5

Send = Callable[[Batch, Callable[[], None]], Outcome]
"""Delivers a batch in a pool thread; calls the second argument when the first request is written to the network."""

_Result = Outcome | BaseException


class Engine:
    """Sends batches in a thread pool, at most ``concurrency`` at a time.

    Batches that share a record key are not sent at the same time, so records of one user arrive in source order.

    :param send: delivers one batch; called in a thread of the pool.
    :param settle: called with each batch and its outcome, in the thread that runs the engine.
    :param ahead: how many batches may be read and encoded while they wait for the rate limiter.
    """

    def __init__(
        self,
        send: Send,
        settle: Callable[[Batch, Outcome], None],
        *,
        progress: Progress,
        stop: Stop,
        concurrency: int,
        ahead: int,
    ) -> None:
        self._send = send
        self._settle = settle
        self._progress = progress
        self._stop = stop
        self._concurrency = concurrency
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="blux-sender")
        # An event without a result means that the first request has been written; with a result, the batch is done.
        self._events: SimpleQueue[tuple[Batch, _Result | None]] = SimpleQueue()
        self._alive = 0
        self._waiting: set[int] = set()
        self._busy: set[Any] = set()
        #: The error of a batch that was in flight when the engine was stopped.
        self.failure: BaseException | None = None

    def run(self, batches: Iterable[Batch]) -> None:
        """Send all batches; return when the last one has its outcome.

        An error of a batch is raised while others may be in flight: call :meth:`finish` afterwards.

        :raises BluxStopped: the run was asked to stop.
        """
        with frequent_switching:
            for batch in batches:
                self._stop.check()
                self._take_events()  # a failure must be noticed even if the source is slow
                while not self._may_start(batch):
                    self._await_event()
                self._start(batch)
            while self._alive:
                self._await_event()

    def finish(self) -> None:
        """Cancel batches not yet begun, wait for those in flight and record their outcomes, and end all threads.

        The first error of a batch in flight is stored in ``failure`` and not raised. If outcomes cannot be recorded,
        the first such error is raised after the others have been recorded.
        """
        self._pool.shutdown(cancel_futures=True)
        error: Exception | None = None
        while not self._events.empty():
            batch, result = self._events.get()
            if isinstance(result, Outcome):
                try:
                    self._settle(batch, result)
                except Exception as failed:  # noqa: BLE001 - it must not hide the outcomes of the other batches
                    error = error or failed
            elif self.failure is None and not isinstance(result, BluxStopped):
                self.failure = result
        if error is not None:
            raise error

    def _may_start(self, batch: Batch) -> bool:
        return (
            len(self._waiting) < self._ahead
            and self._alive < (1 if batch.waits_for_all else self._concurrency)
            and self._busy.isdisjoint(batch.records)
        )

    def _start(self, batch: Batch) -> None:
        if not batch.records:
            self._settle(batch, Outcome())
            return
        self._alive += 1
        self._waiting.add(batch.index)
        self._busy.update(batch.records)
        self._pool.submit(self._work, batch)

    def _work(self, batch: Batch) -> None:
        result: _Result
        try:
            result = self._send(batch, lambda: self._events.put((batch, None)))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that runs the engine
            result = error
        self._events.put((batch, result))

    def _await_event(self) -> None:
        self._progress.log_if_due()
        try:
            event = self._events.get(timeout=_LOOK_UP_SECONDS)
        except Empty:
            self._stop.check()
        else:
            self._take(*event)

    def _take_events(self) -> None:
        while not self._events.empty():
            self._take(*self._events.get())

    def _take(self, batch: Batch, result: _Result | None) -> None:
        self._waiting.discard(batch.index)
        if result is None:
            return
        self._alive -= 1
        self._busy.difference_update(batch.records)
        if isinstance(result, BaseException):
            raise result
        self._settle(batch, result)

"""The engine: keeps batches in flight, in order for each user."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from airflow_provider_blux.api.rate_limiter import Start
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.crew import Crew
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import Outcome
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.exceptions import BluxStopped

# So often the waiting loop looks up to say its progress, or to hear that it is to stop.
_LOOK_UP_SECONDS = 0.5
# More records do not wait for their turn. They would have left the caches of the processor when they are sent, and cost
# twice as much; and preparing that many at a time keeps turns waiting. It is a quarter of a second of deletions.
_MOST_AHEAD = 75_000
# Results that come within a moment are taken so many at a time: to change threads costs as much as to send a request.
_MOMENT_SECONDS = 0.02
_AT_A_TIME = 8

Turn = Start | BaseException | None


class Send(Protocol):
    """Delivers batches; its methods are called from threads of the loop."""

    def wait(self, batch: Batch, /) -> Start | None:
        """Wait for a batch's turn; called for one batch after the other."""

    def __call__(self, batch: Batch, start: Start | None, /) -> Outcome:
        """Deliver a batch that has its turn; called for many batches at a time."""


class Loop:
    """Keeps batches ready for their turn, and at most ``concurrency`` alive, no two with a record of the same user.

    :param settle: called, in the thread that runs the loop, with what became of each batch.
    :param turns_apart: seconds between two turns.
    """

    def __init__(
        self,
        send: Send,
        settle: Callable[[Batch, Outcome], None],
        *,
        progress: Progress,
        stop: Stop,
        concurrency: int,
        turns_apart: float,
    ) -> None:
        self._send = send
        self._settle = settle
        self._progress = progress
        self._stop = stop
        self._concurrency = concurrency
        self._crew: Crew[Batch, Turn] = Crew(self._wait, self._work, most=concurrency, turns_apart=turns_apart)
        self._done: deque[tuple[Batch, Outcome | BaseException]] = deque()
        self._wake = threading.Event()
        self._results_awaited = 0
        self._looked_up = 0.0
        self._in_flight = 0
        self._busy: set[Any] = set()
        #: Why a batch failed that was on its way when the loop was left.
        self.failure: BaseException | None = None

    def run(self, batches: Iterable[Batch]) -> None:
        """Send every batch; return when the last one is settled."""
        for batch in batches:
            self._stop.check()
            while (is_full := self._in_flight >= self._concurrency) or self._is_far_ahead(batch):
                self._await(results=_AT_A_TIME if is_full else 0)
            while not self._busy.isdisjoint(batch.records):
                self._await(results=1)
            self._start(batch)
            self._settle_done()  # a slow source must not keep a failure from being seen
        while self._in_flight:
            self._await(results=_AT_A_TIME)

    def finish(self) -> None:
        """Wait for what is on its way and settle it; leave no thread behind."""
        self._crew.dismiss()
        while self._done:
            batch, result = self._done.popleft()
            if isinstance(result, Outcome):
                self._settle(batch, result)
            elif self.failure is None and not isinstance(result, BluxStopped):
                self.failure = result

    def _is_far_ahead(self, batch: Batch) -> bool:
        return self._crew.waiting * len(batch.records) >= _MOST_AHEAD

    def _start(self, batch: Batch) -> None:
        if not batch.records:
            self._settle(batch, Outcome())
            return
        self._in_flight += 1
        self._busy.update(batch.records)
        self._crew.put(batch)

    def _wait(self, batch: Batch) -> Turn:
        if not self._results_awaited:
            self._wake.set()  # there is room for another one, which can be prepared meanwhile
        try:
            return self._send.wait(batch)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits for it
            return error

    def _work(self, batch: Batch, turn: Turn) -> None:
        result: Outcome | BaseException
        if isinstance(turn, BaseException):
            result = turn
        else:
            try:
                result = self._send(batch, turn)
            except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits for it
                result = error
        self._done.append((batch, result))
        if self._is_worth_waking() or not isinstance(result, Outcome):
            self._wake.set()

    def _is_worth_waking(self) -> bool:
        """Tell whether there are as many results as are awaited, or no more will come within a moment."""
        return self._results_awaited > 0 and (
            len(self._done) >= self._results_awaited
            or not self._crew.waiting
            or time.monotonic() - self._looked_up >= _MOMENT_SECONDS
        )

    def _await(self, *, results: int) -> None:
        """Wait until some batches are done, with 0 only until one has left those that wait for a turn; settle them.

        :param results: so many are awaited, if they come soon.
        """
        self._progress.say()
        self._crew.tend()
        self._results_awaited = results
        if not self._done and not self._wake.wait(_LOOK_UP_SECONDS):
            self._stop.check()
        self._looked_up = time.monotonic()
        self._wake.clear()
        self._settle_done()

    def _settle_done(self) -> None:
        while self._done:
            batch, result = self._done.popleft()
            self._in_flight -= 1
            self._busy.difference_update(batch.records)
            if isinstance(result, BaseException):
                raise result
            self._settle(batch, result)

"""The engine: keeps batches in flight, in order for each user."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from airflow_provider_blux.api.pacing import Start
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.crew import Crew
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import Outcome
from airflow_provider_blux.delivery.stopping import Stop
from airflow_provider_blux.exceptions import BluxStopped

# So often the waiting loop looks up to say its progress, or to hear that it is to stop.
_LOOK_UP_SECONDS = 0.5
# An eighth of the batches in flight is settled and replaced together: to be waked for each costs more than settling it.
_TOGETHER = 8

Turn = Start | BaseException | None


class Send(Protocol):
    """Delivers batches; its methods are called from threads of the loop."""

    def wait(self, batch: Batch, /) -> Start | None:
        """Wait for a batch's turn; called for one batch after the other."""

    def __call__(self, batch: Batch, start: Start | None, /) -> Outcome:
        """Deliver a batch that has its turn; called for many batches at a time."""


class Loop:
    """Keeps at most ``concurrency`` batches alive, no two of them with a record of the same user.

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
        self._awaited = 1
        self._wake = threading.Event()
        self._in_flight = 0
        self._busy: set[Any] = set()
        #: Why a batch failed that was on its way when the loop was left.
        self.failure: BaseException | None = None

    def run(self, batches: Iterable[Batch]) -> None:
        """Send every batch; return when the last one is settled."""
        for batch in batches:
            self._stop.check()
            if self._in_flight >= self._concurrency:
                self._settle_down_to(self._concurrency - max(1, self._concurrency // _TOGETHER))
            while not self._busy.isdisjoint(batch.records):
                self._settle_down_to(self._in_flight - 1)
            self._start(batch)
            self._settle_done()  # a slow source must not keep a failure from being seen
        self._settle_down_to(0)

    def finish(self) -> None:
        """Wait for what is on its way and settle it; leave no thread behind."""
        self._crew.dismiss()
        while self._done:
            batch, result = self._done.popleft()
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
        self._crew.put(batch)

    def _wait(self, batch: Batch) -> Turn:
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
        if len(self._done) >= self._awaited or not isinstance(result, Outcome):
            self._wake.set()

    def _settle_down_to(self, left: int) -> None:
        """Wait until no more than so many batches are in flight; settle the others."""
        while self._in_flight > left:
            self._progress.say()
            self._crew.tend()
            self._awaited = self._in_flight - left
            self._wake.clear()
            if len(self._done) < self._awaited and not self._wake.wait(_LOOK_UP_SECONDS):
                self._stop.check()
            self._settle_done()

    def _settle_done(self) -> None:
        while self._done:
            batch, result = self._done.popleft()
            self._in_flight -= 1
            self._busy.difference_update(batch.records)
            if isinstance(result, BaseException):
                raise result
            self._settle(batch, result)

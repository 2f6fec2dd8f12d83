"""How far the loop reads ahead of what is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.api.rate_limiter import Start
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.loop import Loop
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import Outcome, Report, Traffic
from airflow_provider_blux.delivery.run import Stop

SECONDS = 10


class Slow:
    """Grants the first turn when so many batches were read, and notes how far ahead the reading is at each turn."""

    def __init__(self, until: int) -> None:
        self._until = until
        self._reached = threading.Event()
        self._turns = 0
        self.read = 0
        self.ahead: list[int] = []

    def batches(self, count: int, size: int) -> Iterator[Batch]:
        for index in range(count):
            self.read += 1
            self.ahead.append(self.read - self._turns)
            if self.read == self._until:
                self._reached.set()
            yield Batch(index + 1, 1, 1, records={(index, number): "" for number in range(size)})

    def wait(self, _batch: Batch) -> None:
        assert self._reached.wait(SECONDS)
        self._turns += 1

    def __call__(self, _batch: Batch, _start: Start | None) -> Outcome:
        return Outcome()


@pytest.mark.parametrize(("size", "most"), [(3000, 25), (100, 40)], ids=["ids by 3,000", "users by 100"])
def test_records_that_wait_for_their_turn_are_limited_and_so_are_batches(size, most):
    slow, settled = Slow(until=most), []
    progress = Progress(endpoints_for("delete_users", "application")[0], Report(), Traffic())
    loop = Loop(
        slow,
        lambda batch, _: settled.append(batch.index),
        progress=progress,
        stop=Stop(),
        concurrency=40,
        turns_apart=0.01,
    )
    loop.run(slow.batches(60, size))
    loop.finish()

    assert sorted(settled) == [*range(1, 61)]
    # One more is with the first in line, and one is in the hands of the reader.
    assert most <= max(slow.ahead) <= most + 2

"""How the engine keeps batches in flight: how many, in which order, how far ahead, and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.engine import Engine
from airflow_provider_blux.delivery.outcomes import Outcome
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.exceptions import BluxStopped, BluxUnavailable
from tests.delivery.pushing import own_threads

SECONDS = 10
Send = Callable[[Batch, Callable[[], None]], Outcome]


def batch(index: int, *keys: Any) -> Batch:
    return Batch(index, index, index, records={key: Record(index, key) for key in keys})


def engine_of(
    send: Send,
    settled: list[int],
    *,
    concurrency: int = 4,
    ahead: int = 4,
    stop: Stop | None = None,
    clock: Callable[[], float] = time.monotonic,
    settle: Callable[[Batch, Outcome], None] | None = None,
) -> Engine:
    return Engine(
        send,
        settle or (lambda one, _: settled.append(one.index)),
        progress=Progress(endpoints_for("delete_users", "application")[0], Report(), Traffic(), clock=clock),
        stop=stop or Stop(),
        concurrency=concurrency,
        ahead=ahead,
    )


def run(engine: Engine, batches: Iterable[Batch]) -> None:
    try:
        engine.run(batches)
    finally:
        engine.finish()


@pytest.mark.parametrize(("concurrency", "ahead"), [(1, 1), (4, 1), (4, 4), (32, 5)])
def test_as_many_batches_are_in_flight_as_are_allowed_and_no_more(concurrency, ahead):
    together, in_flight, most = threading.Barrier(concurrency), 0, 0
    lock, settled = threading.Lock(), []

    def send(_one: Batch, on_left: Callable[[], None]) -> Outcome:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        on_left()
        together.wait(SECONDS)  # for as many others
        with lock:
            in_flight -= 1
        return Outcome()

    run(engine_of(send, settled, concurrency=concurrency, ahead=ahead), (batch(n, n) for n in range(3 * concurrency)))

    assert most == concurrency
    assert sorted(settled) == [*range(3 * concurrency)]


@pytest.mark.parametrize(
    ("has_left", "most_read"),
    [(False, 6), (True, 8)],
    ids=["as many as may wait for their turn", "as many as may be in flight"],
)
def test_reading_ahead_is_limited(has_left, most_read):
    read, while_waiting, is_full = 0, [], threading.Event()

    def clock() -> float:  # the engine looks at it while it waits
        while_waiting.append(read)
        if read > most_read:  # one more is in the hands of the engine
            is_full.set()
        return 0.0

    def batches() -> Iterator[Batch]:
        nonlocal read
        for number in range(40):
            read += 1
            yield batch(number, number)

    def send(_one: Batch, on_left: Callable[[], None]) -> Outcome:
        if has_left:
            on_left()
        assert is_full.wait(SECONDS)
        return Outcome()

    settled: list[int] = []
    run(engine_of(send, settled, concurrency=8, ahead=6, clock=clock), batches())

    assert next(number for number in while_waiting if number > most_read) == most_read + 1
    assert len(settled) == 40


def test_a_batch_waits_while_another_carries_one_of_its_keys_and_those_behind_it_wait_too():
    """Otherwise an old value could arrive after a newer value of the same user."""
    is_held, may_end, other_is_sent, sent = False, threading.Event(), threading.Event(), []

    def clock() -> float:
        if is_held:  # the engine looks at it while it waits
            may_end.set()
        return 0.0

    def send(one: Batch, on_left: Callable[[], None]) -> Outcome:
        sent.append(one.index)
        on_left()
        if one.index == 1:
            assert may_end.wait(SECONDS)
            sent.append(-1)
        if one.index == 2:
            other_is_sent.set()
        return Outcome()

    def batches() -> Iterator[Batch]:
        nonlocal is_held
        yield batch(1, "a", "b")
        yield batch(2, "c")
        assert other_is_sent.wait(SECONDS)
        is_held = True
        yield batch(3, "d", "b")  # not before the first has ended
        yield batch(4, "b")

    run(engine_of(send, [], clock=clock), batches())

    assert sorted(sent[:2]) == [1, 2]
    assert sent[2:] == [-1, 3, 4]


def test_a_key_is_free_again_once_its_batch_is_settled():
    settled: list[int] = []
    run(engine_of(lambda _one, _left: Outcome(), settled), (batch(number, "same") for number in range(20)))

    assert settled == [*range(20)]


def test_a_batch_without_records_is_settled_without_being_sent():
    settled: list[int] = []

    def send(_one: Batch, _left: Callable[[], None]) -> Outcome:
        raise AssertionError("nothing is to be sent")

    run(engine_of(send, settled), [batch(1), batch(2)])

    assert settled == [1, 2]


def test_a_failure_ends_the_engine_and_what_was_in_flight_is_settled():
    failed, settled = threading.Event(), []

    def send(one: Batch, on_left: Callable[[], None]) -> Outcome:
        on_left()
        if one.index == 2:
            failed.set()
            raise BluxUnavailable("no")
        assert failed.wait(SECONDS)
        return Outcome()

    with pytest.raises(BluxUnavailable):
        run(engine_of(send, settled), (batch(number, number) for number in range(1, 100)))

    assert 1 in settled
    assert 2 not in settled
    assert len(settled) < 20


def test_a_failure_behind_the_one_that_ended_it_is_kept():
    settled: list[int] = []
    both = threading.Barrier(2)

    def send(one: Batch, _left: Callable[[], None]) -> Outcome:
        both.wait(SECONDS)
        raise BluxStopped("told to") if one.index == 1 else BluxUnavailable("why")

    engine = engine_of(send, settled, concurrency=2)
    with pytest.raises((BluxStopped, BluxUnavailable)) as caught:
        run(engine, [batch(1, 1), batch(2, 2)])

    assert isinstance(caught.value, BluxUnavailable) or "why" in str(engine.failure)


def test_outcomes_are_recorded_although_that_of_another_batch_cannot_be():
    """Otherwise the report would not count what has arrived."""
    together, tried = threading.Barrier(4), []

    def settle(one: Batch, _outcome: Outcome) -> None:
        tried.append(one.index)
        raise OSError("disk full")

    def send(_one: Batch, _left: Callable[[], None]) -> Outcome:
        together.wait(SECONDS)
        return Outcome()

    engine = engine_of(send, [], settle=settle)
    with pytest.raises(OSError, match="disk full"):
        engine.run(batch(number, number) for number in range(4))
    with pytest.raises(OSError, match="disk full"):
        engine.finish()

    assert sorted(tried) == [0, 1, 2, 3]


def test_a_failure_is_seen_although_the_source_is_slow():
    failed = threading.Event()

    def send(_one: Batch, _left: Callable[[], None]) -> Outcome:
        failed.set()
        raise BluxUnavailable("no")

    read = []

    def batches() -> Iterator[Batch]:
        for number in range(1000):
            read.append(number)
            if number:
                assert failed.wait(SECONDS)
            yield batch(number, number)

    with pytest.raises(BluxUnavailable):
        run(engine_of(send, [], concurrency=1000, ahead=1000), batches())

    assert len(read) < 1000


def test_it_stops_between_two_batches():
    stop, settled = Stop(), []

    def batches() -> Iterator[Batch]:
        yield batch(1, 1)
        stop.set()
        yield batch(2, 2)

    with pytest.raises(BluxStopped):
        run(engine_of(lambda _one, _left: Outcome(), settled, stop=stop), batches())

    assert settled == [1]


def test_it_leaves_no_thread_behind():
    before = own_threads()
    run(engine_of(lambda _one, _left: Outcome(), []), (batch(number, number) for number in range(50)))

    assert own_threads() == before


def test_a_stop_is_heard_while_it_waits_for_what_is_in_flight():
    stop, is_over, settled = Stop(), threading.Event(), []

    def send(_one: Batch, on_left: Callable[[], None]) -> Outcome:
        on_left()
        stop.set()
        assert is_over.wait(SECONDS)
        return Outcome()

    engine = engine_of(send, settled, concurrency=1, stop=stop)
    with pytest.raises(BluxStopped):
        engine.run([batch(1, 1)])
    assert settled == []

    is_over.set()
    engine.finish()
    assert settled == [1]

"""The slots that a rate limiter grants, with a simulated clock: no test depends on the speed of the machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.api.rate_limiter import RateLimiter, Rules, Slot
from tests.api.limiting import Clock, limiter_and_clock, most_in_any_second, spaces, starts_of


@given(rate=st.sampled_from([1, 3, 20, 100]), work=st.lists(st.floats(0, 0.3), min_size=30, max_size=150))
def test_no_second_has_more_starts_than_the_limit_whatever_happens_between(rate, work):
    limiter, clock = limiter_and_clock(rate)
    starts = []
    for seconds in work:
        limiter.wait()
        starts.append(clock())
        clock.sleep(seconds)

    assert most_in_any_second(starts) <= rate


@pytest.mark.parametrize("rate", [0.5, 20, 100, 1000])
def test_starts_are_evenly_spaced_with_one_percent_of_headroom(rate):
    limiter, _ = limiter_and_clock(rate)

    assert spaces(starts_of(limiter, 300)) == pytest.approx([1.01 / rate] * 299)


def test_starts_that_are_late_by_a_little_do_not_add_up():
    limiter, clock = limiter_and_clock(20)
    began = clock()
    for _ in range(1200):
        limiter.wait()
        clock.sleep(0.0008)  # an operating system wakes a thread late, never early

    assert 1200 / (clock() - began) >= 0.99 * 20


@pytest.mark.parametrize(("rate", "late"), [(20, 0.015), (1000, 0.0025)])
def test_a_start_that_is_late_is_caught_up(rate, late):
    limiter, clock = limiter_and_clock(rate)
    first = limiter.wait().at
    clock.sleep(1.01 / rate + late)
    starts = starts_of(limiter, 200)

    assert starts[0] == pytest.approx(first + 1.01 / rate + late)
    assert starts[180:] == pytest.approx([first + number * 1.01 / rate for number in range(181, 201)])


@pytest.mark.parametrize(("rate", "late"), [(20, 0.025), (20, 60), (1000, 0.0035)])
def test_a_start_that_is_very_late_is_not_caught_up(rate, late):
    limiter, clock = limiter_and_clock(rate)
    limiter.wait()
    clock.sleep(1.01 / rate + late)

    assert spaces(starts_of(limiter, 40)) == pytest.approx([1.01 / rate] * 39)


def test_the_starts_of_a_second_leave_most_of_the_headroom_also_while_catching_up():
    limiter, clock = limiter_and_clock(20)
    starts = []
    for number in range(200):
        starts.append(limiter.wait().at)
        if number % 30 == 0:
            clock.sleep(1.01 / 20 + 0.019)

    assert min(later - earlier for earlier, later in zip(starts, starts[20:], strict=False)) >= 1.007 - 1e-9


def test_a_pause_holds_every_start_and_is_never_shortened():
    limiter, clock = limiter_and_clock(20)
    limiter.wait()
    began = clock()
    limiter.pause(7)
    limiter.pause(2)
    starts = starts_of(limiter, 30)

    assert starts[0] == pytest.approx(began + 7)
    assert spaces(starts) == pytest.approx([1.01 / 20] * 29)


def test_a_pause_that_comes_while_somebody_waits_holds_them_too():
    clock = Clock()
    pauses = [5.0]

    def interrupted(seconds: float) -> None:
        clock.sleep(seconds)
        if pauses:
            limiter.pause(pauses.pop())

    limiter = RateLimiter(1, clock=clock, sleep=interrupted)
    limiter.wait()
    limiter.wait()

    assert clock() >= 1005


def test_what_is_to_be_done_before_a_start_is_done_once_and_before_the_wait():
    limiter, clock = limiter_and_clock(1)
    done = []
    limiter.wait()
    limiter.wait(before=lambda: done.append(clock()))

    assert done == [1000.0]
    assert clock() > 1000.9


def test_a_task_that_is_being_stopped_is_granted_no_slot():
    def sleep(seconds: float) -> None:
        raise InterruptedError

    done = []
    with pytest.raises(InterruptedError):
        RateLimiter(20, sleep=sleep).wait(before=lambda: done.append(1))

    assert done == []


def test_threads_are_granted_starts_one_at_a_time():
    clock, lock, starts = Clock(), threading.Lock(), []
    limiter = RateLimiter(20, clock=clock, sleep=clock.sleep)

    def work() -> None:
        for _ in range(25):
            slot = limiter.wait(before=None)
            with lock:
                starts.append(slot.at)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert spaces(sorted(starts)) == pytest.approx([1.01 / 20] * 199)


def test_no_thread_prepares_its_request_before_the_one_that_waits_has_its_slot():
    """The preparation before a slot records an intention to send, so only the next request may be prepared."""
    is_prepared = threading.Event()
    others = [threading.Thread(target=lambda: limiter.wait(before=is_prepared.set))]
    clock, were_early = Clock(), []

    def sleep(seconds: float) -> None:
        if seconds and others:
            others[0].start()
            joined.append(others.pop())
            were_early.append(is_prepared.wait(0.02))
        clock.sleep(seconds)

    joined: list[threading.Thread] = []
    limiter = RateLimiter(20, clock=clock, sleep=sleep)
    limiter.wait()
    limiter.wait()
    joined[0].join(10)

    assert were_early == [False]
    assert is_prepared.is_set()


CALLS: dict[str, Callable[[RateLimiter], object]] = {
    "wait": lambda limiter: limiter.wait(),
    "pause": lambda limiter: limiter.pause(1),
    "throttled": lambda limiter: limiter.throttled(None),
}


@pytest.mark.parametrize("first", CALLS)
@pytest.mark.parametrize("second", CALLS)
def test_a_thread_that_decides_is_not_disturbed_by_another(first, second):
    """The first thread reads the clock during its decision; at that moment a second thread is started."""
    others: list[threading.Thread] = []
    ended, were_disturbed = threading.Event(), []

    def other() -> None:
        with suppress(InterruptedError):
            CALLS[second](limiter)
        ended.set()

    def clock() -> float:
        if is_built and not others:
            others.append(threading.Thread(target=other))
            others[0].start()
            were_disturbed.append(ended.wait(0.02))
        return 1000.0

    def sleep(seconds: float) -> None:
        if seconds:
            raise InterruptedError

    is_built = False
    limiter = RateLimiter(20, clock=clock, sleep=sleep)
    is_built = True
    CALLS[first](limiter)
    others[0].join(10)

    assert were_disturbed == [False]
    assert ended.is_set()


@given(held_up=st.lists(st.integers(0, 3), min_size=60, max_size=150))
def test_requests_that_leave_late_are_counted_from_when_they_leave(held_up):
    limiter, clock = limiter_and_clock(20)
    starts, leaving = [], []
    for grants_later in held_up:
        starts.append(limiter.wait())
        leaving.append((len(starts) + grants_later, starts[-1]))
        clock.sleep(0.002)
        for due, start in leaving:
            if due == len(starts):
                start.leaves()

    assert most_in_any_second(sorted(start.at for start in starts)) <= 20


def test_twenty_requests_that_all_leave_late_are_counted_with_the_twenty_granted_after_them():
    limiter, clock = limiter_and_clock(20)
    late, others = [limiter.wait() for _ in range(20)], [limiter.wait() for _ in range(20)]
    for slot in late:
        slot.leaves()
    left = clock()

    assert limiter.wait().at >= left + 1
    assert len(others) == 20


def test_a_request_that_takes_long_to_write_is_counted_from_its_end():
    limiter, clock = limiter_and_clock(20)
    slot = limiter.wait()
    slot.leaves()
    clock.sleep(0.5)
    slot.left()

    assert slot.at == pytest.approx(clock() - 0.002)


def test_a_slot_tells_that_its_request_has_left():
    told = []
    slot = Slot(1.0, lambda: 2.0, lambda: told.append(slot.at))
    slot.leaves()
    assert told == []
    slot.left()
    assert told == [2.0]


def test_a_callback_that_comes_a_little_late_does_not_count():
    limiter, clock = limiter_and_clock(20)
    slot = limiter.wait()
    clock.sleep(0.004)
    slot.leaves()
    left = clock()
    clock.sleep(0.0015)
    slot.left()

    assert slot.at == left


@pytest.mark.parametrize(("rate", "limit"), [(0.5, 1), (1, 1), (20.9, 20)])
def test_the_limit_of_a_second_is_a_whole_number_of_requests(rate, limit):
    assert Rules(rate=rate).limit == limit


@pytest.mark.parametrize("rate", [1000, 1_000_000])
def test_a_rate_at_which_no_requests_are_counted_takes_no_memory(rate):
    limiter, _ = limiter_and_clock(rate)
    starts_of(limiter, 50)

    assert len(limiter._slots) == 1

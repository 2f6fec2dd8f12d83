"""The pace under a clock of the test's own: no test waits, none depends on the machine."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.api.rate_limiter import Pace


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace_and_clock(rate: float) -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(rate, clock=clock, sleep=clock.sleep), clock


def most_in_any_second(starts: list[float]) -> int:
    return max(sum(start <= other < start + 1 for other in starts) for start in starts)


@given(rate=st.sampled_from([1, 3, 20, 100]), work=st.lists(st.floats(0, 0.3), min_size=30, max_size=150))
def test_no_second_has_more_starts_than_the_limit_whatever_happens_between(rate, work):
    pace, clock = pace_and_clock(rate)
    starts = []
    for seconds in work:
        pace.wait()
        starts.append(clock())
        clock.sleep(seconds)

    assert most_in_any_second(starts) <= rate


@pytest.mark.parametrize("rate", [20, 100])
def test_the_pace_reaches_99_percent_of_the_limit(rate):
    pace, clock = pace_and_clock(rate)
    began = clock()
    for _ in range(rate * 60):
        pace.wait()

    assert rate * 60 / (clock() - began) >= 0.99 * rate


def test_starts_that_are_late_by_a_little_do_not_add_up():
    pace, clock = pace_and_clock(20)
    began = clock()
    for _ in range(1200):
        pace.wait()
        clock.sleep(0.0008)  # an operating system wakes a thread late, never early

    assert 1200 / (clock() - began) >= 0.99 * 20


def test_there_is_no_burst_after_a_slow_source():
    pace, clock = pace_and_clock(20)
    pace.wait()
    clock.sleep(60)
    starts = []
    for _ in range(40):
        pace.wait()
        starts.append(clock())

    assert most_in_any_second(starts) <= 20


def test_a_pause_holds_every_start_and_is_never_shortened():
    pace, clock = pace_and_clock(20)
    pace.wait()
    began = clock()
    pace.pause(7)
    pace.pause(2)
    starts = []
    for _ in range(30):
        pace.wait()
        starts.append(clock())

    assert starts[0] >= began + 7
    assert most_in_any_second(starts) <= 20


def test_a_pause_that_comes_while_somebody_waits_holds_them_too():
    clock = Clock()
    pauses = [5.0]

    def interrupted(seconds: float) -> None:
        clock.sleep(seconds)
        if pauses:
            pace.pause(pauses.pop())

    pace = Pace(1, clock=clock, sleep=interrupted)
    pace.wait()
    pace.wait()

    assert clock() >= 1005


def test_slowing_down_lowers_the_rate_once_for_refusals_that_come_together_and_recovers():
    pace, clock = pace_and_clock(20)
    for _ in range(16):
        pace.slow_down()
    began, count = clock(), 0
    while clock() < began + 1:
        pace.wait()
        count += 1

    assert 13 <= count <= 16  # 70 % and a little
    while clock() < began + 20:
        pace.wait()
    began = clock()
    for _ in range(40):
        pace.wait()
    assert clock() - began == pytest.approx(40 * 1.01 / 20, abs=0.06)


def test_what_is_to_be_done_before_a_start_is_done_once_and_before_the_wait():
    pace, clock = pace_and_clock(1)
    done = []
    pace.wait()
    pace.wait(before=lambda: done.append(clock()))

    assert done == [1000.0]
    assert clock() > 1000.9


def test_threads_are_granted_starts_one_at_a_time():
    clock, lock, starts = Clock(), threading.Lock(), []
    pace = Pace(20, clock=clock, sleep=clock.sleep)

    def work() -> None:
        for _ in range(25):
            pace.wait(before=None)
            with lock:
                starts.append(clock())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(starts) == 200
    assert clock() - 1000 >= 199 * 1.01 / 20 - 0.01


@given(held_up=st.lists(st.integers(0, 3), min_size=60, max_size=150))
def test_requests_that_leave_late_are_counted_from_when_they_leave(held_up):
    pace, clock = pace_and_clock(20)
    starts, leaving = [], []
    for grants_later in held_up:
        starts.append(pace.wait())
        leaving.append((len(starts) + grants_later, starts[-1]))
        clock.sleep(0.002)
        for due, start in leaving:
            if due == len(starts):
                start.leaves()

    assert most_in_any_second(sorted(start.at for start in starts)) <= 20


def test_a_request_that_takes_long_to_write_is_counted_from_its_end():
    pace, clock = pace_and_clock(20)
    start = pace.wait()
    start.leaves()
    clock.sleep(0.5)
    start.left()

    assert clock() - 0.01 <= start.at <= clock()


def test_each_episode_of_refusals_adds_headroom_which_is_forgotten_in_time():
    pace, clock = pace_and_clock(100)

    def seconds_for_300() -> float:
        began = clock()
        for _ in range(300):
            pace.wait()
        return clock() - began

    assert seconds_for_300() == pytest.approx(3.03, abs=0.02)
    for _ in range(5):
        pace.refused()
    assert seconds_for_300() == pytest.approx(3.045, abs=0.02)
    for _ in range(20):
        clock.sleep(1)
        pace.refused()
    assert seconds_for_300() == pytest.approx(3.15, abs=0.02)
    clock.sleep(6000)
    assert seconds_for_300() == pytest.approx(3.03, abs=0.02)

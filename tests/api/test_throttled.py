"""The reaction of a rate limiter to answers with 429, with a simulated clock."""

from __future__ import annotations

import pytest

from airflow_provider_blux.api.rate_limiter import RateLimiter
from tests.api.limiting import Clock, limiter_and_clock, starts_of


def speed_of(limiter: RateLimiter, headroom: float) -> float:
    """Return the share of the full speed at which the next slot but one is scheduled."""
    first, second = starts_of(limiter, 2)
    return (1 + headroom) / (limiter.rules.rate * (second - first))


def test_a_lone_429_among_twenty_requests_costs_five_percent_for_a_second():
    limiter, clock = limiter_and_clock(20)
    limiter.wait()
    limiter.throttled(None)

    assert speed_of(limiter, 0.015) == pytest.approx(0.95, abs=0.003)
    clock.sleep(1)
    assert speed_of(limiter, 0.015) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("refused", "speed"), [(2, 0.9), (5, 0.75), (6, 0.7), (20, 0.7)])
def test_the_speed_is_lowered_by_the_share_of_429s_but_by_no_more_than_three_tenths(refused, speed):
    limiter, clock = limiter_and_clock(20)
    limiter.wait()
    for _ in range(refused):
        limiter.throttled(None)
        clock.sleep(0.9 / refused)
    clock.sleep(-0.9 / refused)

    assert speed_of(limiter, 0.015) == pytest.approx(speed, abs=0.003)


def test_the_speed_recovers_by_five_percent_a_second_to_the_full_speed_and_not_beyond():
    limiter, clock = limiter_and_clock(20)
    for _ in range(6):
        limiter.throttled(None)
    for expected in (0.75, 0.80, 0.85, 0.90, 0.95, 1, 1):
        clock.sleep(1)
        now = clock()
        assert speed_of(limiter, 0.015) == pytest.approx(expected, abs=0.002)
        clock.now = now


def test_a_further_episode_lowers_the_speed_that_it_finds_by_the_share_of_that_speeds_requests():
    limiter, clock = limiter_and_clock(20)
    for _ in range(6):
        limiter.throttled(None)
    clock.sleep(1)  # 0.75 of the speed, 15 requests a second
    for _ in range(3):
        limiter.throttled(None)

    assert speed_of(limiter, 0.02) == pytest.approx(0.75 * 0.8, abs=0.003)


def test_429s_that_ask_for_a_pause_get_it_and_do_not_lower_the_speed():
    limiter, clock = limiter_and_clock(20)
    limiter.wait()
    began = clock()
    limiter.throttled(3)
    limiter.throttled(1)

    assert limiter.wait().at == pytest.approx(began + 3)
    assert speed_of(limiter, 0.015) == pytest.approx(1, abs=1e-4)


def test_each_episode_of_429s_adds_headroom_up_to_five_percent_which_is_forgotten_in_time():
    limiter, clock = limiter_and_clock(1000)

    def headroom() -> float:
        limiter.pause(0)
        first, second = starts_of(limiter, 2)
        return (second - first) * 1000 - 1

    assert headroom() == pytest.approx(0.01)
    for _ in range(3):
        limiter.throttled(0)
        clock.sleep(0.3)
    assert headroom() == pytest.approx(0.015, abs=1e-4)
    clock.sleep(0.5)
    limiter.throttled(0)
    assert headroom() == pytest.approx(0.02, abs=1e-4)
    clock.sleep(300)
    assert headroom() == pytest.approx(0.0175, abs=1e-4)
    limiter.throttled(0)
    assert headroom() == pytest.approx(0.0225, abs=1e-4)
    for _ in range(20):
        clock.sleep(1)
        limiter.throttled(0)
    assert headroom() == pytest.approx(0.05, abs=1e-4)
    clock.sleep(6000)
    assert headroom() == pytest.approx(0.01)


def space_after_a_late_one(limiter: RateLimiter, clock: Clock) -> float:
    """Send a request 15 ms late; return the time until the next one starts, as a share of the even interval."""
    late = limiter.wait()
    clock.sleep(0.015)
    late.leaves()
    left = clock()
    return (limiter.wait().at - left) * limiter.rules.rate


def test_without_429s_the_request_after_a_late_one_catches_up():
    limiter, clock = limiter_and_clock(20)

    assert space_after_a_late_one(limiter, clock) == pytest.approx(1.01 - 0.3)


@pytest.mark.parametrize(("rate", "refused"), [(20, 1), (30, 1), (60, 2)])
def test_where_many_are_refused_the_request_after_a_late_one_keeps_its_distance(rate, refused):
    limiter, clock = limiter_and_clock(rate)
    starts_of(limiter, 5)
    for _ in range(refused):
        limiter.throttled(0)

    assert space_after_a_late_one(limiter, clock) == pytest.approx(1.005, abs=1e-4)


def test_the_distance_grows_with_the_headroom_that_429s_have_taught():
    limiter, clock = limiter_and_clock(20)
    for _ in range(3):
        limiter.throttled(0)
        clock.sleep(1)

    assert space_after_a_late_one(limiter, clock) == pytest.approx(1.015, abs=1e-4)


def test_the_distance_is_kept_for_a_minute():
    limiter, clock = limiter_and_clock(20)
    limiter.throttled(0)
    clock.sleep(59.8)
    assert space_after_a_late_one(limiter, clock) > 1
    clock.sleep(0.3)
    assert space_after_a_late_one(limiter, clock) < 0.9


def test_the_distance_is_that_to_the_latest_request_in_whatever_order_they_leave():
    limiter, clock = limiter_and_clock(20)
    limiter.throttled(0)
    first, second = limiter.wait(), limiter.wait()
    second.leaves()
    clock.sleep(0.03)
    first.leaves()

    assert limiter.wait().at == pytest.approx(first.at + 1.005 / 20, abs=1e-5)


@pytest.mark.parametrize(("rate", "refused"), [(40, 1), (100, 3), (1000, 999)])
def test_where_few_are_refused_or_the_rate_is_high_a_late_request_is_caught_up(rate, refused):
    limiter, clock = limiter_and_clock(rate)
    starts_of(limiter, 5)
    for _ in range(refused):
        limiter.throttled(0)

    assert space_after_a_late_one(limiter, clock) < 0.9

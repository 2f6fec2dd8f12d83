"""The reaction of the shared rate limiter to answers with 429, on a real Redis whose clock is stopped."""

from __future__ import annotations

import pytest

from airflow_provider_blux.api.rate_limiter import RateLimiter
from airflow_provider_blux.api.redis_rate_limiter import RedisRateLimiter
from tests.api.limiting import Clock
from tests.api.redis_limiting import RATE, Key, interrupted


@pytest.fixture
def key(key: Key) -> Key:
    key.stop_clock()
    return key


@pytest.mark.parametrize(("refused", "speed"), [(1, 0.98), (10, 0.8), (15, 0.7), (40, 0.7)])
def test_429s_slow_every_task_down_by_their_share_and_cost_headroom_once_an_episode(key, refused, speed):
    key.limiter().wait()
    for _ in range(refused):
        key.limiter().throttled(None)

    assert key.state("speed") == pytest.approx(speed)
    assert key.state("headroom") == pytest.approx(0.025, abs=1e-4)
    assert key.next_distance() == pytest.approx(1.025 / RATE / speed, rel=0.02)


def test_the_speed_recovers_by_five_percent_a_second_to_the_full_speed_and_not_beyond(key):
    key.limiter().wait()
    key.set(speed=0.7, speed_at=key.now() - 4)
    assert key.next_distance() == pytest.approx(1.02 / RATE / 0.9, rel=0.01)
    key.set(speed_at=key.now() - 400)
    assert key.next_distance() == pytest.approx(1.02 / RATE)


def test_a_further_episode_lowers_the_speed_that_it_finds_by_the_share_of_that_speeds_requests(key):
    key.set(speed=0.5, speed_at=key.now() - 2, headroom=0.03, headroom_at=key.now() - 600)
    key.set(episode_at=key.now() - 1.1, episode_429s=30)
    for _ in range(3):
        key.limiter().throttled(None)

    assert key.state("speed") == pytest.approx(0.6 * (1 - 3 / (0.6 * RATE)), abs=0.002)
    assert key.state("headroom") == pytest.approx(0.03, abs=1e-4)


def test_429s_never_cost_more_than_five_percent_of_headroom(key):
    key.set(headroom=0.048, headroom_at=key.now())
    key.limiter().throttled(None)

    assert key.state("headroom") == 0.05


def test_a_429_that_asks_for_a_pause_holds_every_task_and_does_not_lower_the_speed(key):
    waited: list[float] = []
    limiter = key.limiter(sleep=interrupted(waited))
    key.limiter().wait()
    limiter.throttled(3600)
    key.client.hset(key.names[0], mapping={"paused_until": 1, "next": 1})  # as if Redis had not been told
    for other in (limiter, key.limiter(sleep=interrupted(waited))):
        with pytest.raises(InterruptedError):
            other.wait()

    assert waited == [pytest.approx(3600, abs=5)] * 2
    assert key.client.hget(key.names[0], "speed") is None
    assert key.state("headroom") == pytest.approx(0.025, abs=1e-4)


def test_a_429_that_asks_for_a_pause_tells_the_others_of_it(key):
    key.limiter().throttled(3600)

    assert key.state("paused_until") / 1e6 == pytest.approx(key.now() + 3600, abs=5)


@pytest.mark.parametrize("learned", [0.005, 0.03])
def test_where_many_are_refused_a_request_keeps_its_distance_to_when_the_last_one_left(key, learned):
    key.limiter(5).wait()
    key.limiter(5).throttled(0)
    key.set(headroom=0.02 + learned, headroom_at=key.now())
    left = key.set_start(0.5)

    assert key.delay(5) == pytest.approx(left + (1 + learned) / 5 - key.now(), abs=1e-4)


@pytest.mark.parametrize(("rate", "refused"), [(50, 1), (1000, 999)])
def test_where_few_are_refused_or_the_rate_is_high_no_distance_is_kept(key, rate, refused):
    limiter = key.limiter(rate)
    limiter.wait()
    for _ in range(refused):
        limiter.throttled(0)
    key.set_start(0.5)

    assert key.delay(rate) < 0.1


def test_the_headroom_that_429s_have_taught_is_that_of_the_next_slots(key):
    key.limiter().wait()
    key.limiter().throttled(0)

    assert key.next_distance() == pytest.approx(1.025 / RATE, rel=0.001)


def test_the_distance_is_kept_for_a_minute(key):
    key.limiter().wait()
    key.limiter().throttled(0)
    key.limiter().throttled(0)
    assert key.state("spaced_until") / 1e6 == pytest.approx(key.now() + 60, abs=1)
    key.set(spaced_until=key.now() - 0.001)
    key.set_start(0.5)

    assert key.delay(RATE) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("is_spaced", [False, True])
def test_the_requests_of_a_second_are_counted_from_when_they_left(key, is_spaced):
    key.limiter(5).wait()
    key.set(headroom=0.05, headroom_at=key.now(), spaced_until=key.now() + 60 * is_spaced)
    left = [key.set_start(0.3 + number / 10) for number in range(5)]

    assert key.delay(5) == pytest.approx(left[0] + 1 + 0.7 * 0.05 - key.now(), abs=1e-4)


def test_a_request_of_a_clock_that_was_set_back_does_not_count(key):
    key.limiter(1)
    key.set_start(500)

    assert key.delay(1) < 0.1


def test_without_redis_a_429_slows_this_task_down_all_the_same():
    redis = pytest.importorskip("redis")
    clock = Clock()
    fallback = RateLimiter(20, clock=clock, sleep=clock.sleep)
    client = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=None)
    limiter = RedisRateLimiter(client, "nobody", 20, fallback=fallback, clock=clock, sleep=clock.sleep)
    limiter.wait()
    limiter.throttled(None)
    first, second = limiter.wait().at, limiter.wait().at
    client.close()

    assert second - first == pytest.approx(1.015 / 20 / 0.95, rel=0.005)

"""The shared rate limiter on a real Redis with its own clock; the tests check limits, not speed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from airflow_provider_blux.api.rate_limiter import RateLimiter, Slot
from airflow_provider_blux.api.redis_rate_limiter import RedisRateLimiter
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxPaceError
from tests.api.limiting import Clock, most_in_any_second
from tests.api.redis_limiting import RATE, interrupted
from tests.redis_server import REDIS

redis = pytest.importorskip("redis")
from redis.backoff import NoBackoff  # noqa: E402
from redis.retry import Retry  # noqa: E402


@pytest.fixture
def nobody() -> Iterator[redis.Redis]:
    """A client of a Redis that does not answer."""
    client = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    yield client
    client.close()


class Comes(redis.Redis):
    """A client of a Redis that answers only after a test switches it on."""

    is_there = False
    asked = 0

    def execute_command(self, *args: object, **options: object) -> object:
        self.asked += 1
        if not self.is_there:
            raise redis.ConnectionError
        return super().execute_command(*args, **options)


def side_by_side(work: Callable[[int], None], tasks: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_tasks_together_never_start_more_in_any_second_than_the_limit(key):
    limiters = [key.limiter() for _ in range(4)]
    side_by_side(lambda number: [limiters[number].wait() for _ in range(25)], 4)

    assert most_in_any_second(key.starts()) <= RATE


def test_tasks_are_served_in_the_order_in_which_they_ask(key):
    """A task that waits keeps its place, and takes a place behind the others for its next request."""
    key.stop_clock()
    waited: list[float] = []
    others: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds:
            assert not waited  # once is enough
            waited.append(seconds)
            others.extend(key.delay() for _ in range(3))  # of three tasks that ask meanwhile
            key.advance_clock(seconds)

    key.limiter().wait()
    key.limiter(sleep=sleep).wait()
    interval = 1.02 / RATE

    assert waited == pytest.approx([interval])
    assert others == pytest.approx([2 * interval, 3 * interval, 4 * interval])
    assert key.delay() == pytest.approx(4 * interval)


def test_a_request_that_leaves_late_is_counted_from_when_it_left(key):
    start = key.limiter().wait()
    (granted,) = key.starts()
    start.left()
    (left,) = key.starts()

    assert left > granted


def test_a_pause_of_one_task_holds_the_others_too_whatever_they_had_reserved(key):
    pauses = [3600.0]

    def sleep(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
            if not pauses:
                raise InterruptedError
            key.limiter(1).pause(pauses.pop())

    waited: list[float] = []
    other = key.limiter(1, sleep=sleep)
    other.wait()
    with pytest.raises(InterruptedError):
        other.wait()

    assert waited[0] <= 1.1
    assert waited[1] == pytest.approx(3600, abs=5)


def test_a_pause_is_never_shortened(key):
    waited: list[float] = []
    limiter = key.limiter(sleep=interrupted(waited))
    limiter.pause(3600)
    limiter.pause(5)
    assert key.state("paused_until") / 1e6 == pytest.approx(key.now() + 3600, abs=5)
    with pytest.raises(InterruptedError):
        key.limiter(sleep=interrupted(waited)).wait()
    key.client.hset(key.names[0], mapping={"paused_until": 1, "next": 1})  # as if Redis had not been told
    with pytest.raises(InterruptedError):
        limiter.wait()

    assert waited == [pytest.approx(3600, abs=5)] * 2


def test_when_redis_has_forgotten_everything_a_task_that_has_started_requests_lets_a_second_pass(key):
    waited: list[float] = []
    sleep = interrupted(waited)

    limiter = key.limiter(sleep=sleep)
    limiter.wait()
    key.client.delete(*key.names)
    with pytest.raises(InterruptedError):
        limiter.wait()

    assert waited[0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("retry_after", [None, 0])
def test_when_redis_has_forgotten_everything_the_first_thing_that_it_is_told_may_be_a_429(key, retry_after):
    limiter = key.limiter(1000)
    limiter.wait()
    key.client.delete(*key.names)
    limiter.throttled(retry_after)
    for _ in range(5):
        limiter.wait()

    assert key.state("paused_until") > 0


def test_a_pause_of_which_redis_was_not_told_holds_the_waiting_process_and_then_the_others(key):
    waited: list[float] = []
    client = Comes.from_url(REDIS)
    client.is_there = True
    pauses = [3600.0]

    def sleep(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
            if not pauses:
                raise InterruptedError
            client.is_there = False
            limiter.pause(pauses.pop())
            client.is_there = True

    limiter = RedisRateLimiter(client, key.name, 1, sleep=sleep)
    limiter.wait()
    with pytest.raises(InterruptedError):
        limiter.wait()
    with pytest.raises(InterruptedError):
        key.limiter(1, sleep=interrupted(waited)).wait()

    assert waited[1:] == [pytest.approx(3600, abs=5), pytest.approx(3600, abs=5)]
    client.close()


def test_a_pause_that_is_shorter_than_the_wait_costs_nobody_a_turn(key):
    key.stop_clock()
    limiters = [key.limiter(20, sleep=key.advance_clock) for _ in range(4)]
    for limiter in limiters:
        limiter.wait()
    before = key.state("next")
    limiters[0].pause(0)

    assert key.state("next") == before


def test_a_long_wait_is_told_once(key, caplog):
    waits = [0, 1, 2]

    def sleep(seconds: float) -> None:
        if seconds and not waits.pop():
            raise InterruptedError

    key.limiter().pause(3600)
    with caplog.at_level(logging.WARNING), pytest.raises(InterruptedError):
        key.limiter(sleep=sleep).wait()

    (message,) = caplog.messages
    assert message.startswith("All tasks that share this rate wait for 3600 s")


def test_starts_that_are_too_many_to_be_counted_are_not_kept(key):
    limiter = key.limiter(1000)
    for _ in range(3):
        limiter.wait().left()

    assert key.starts() == []


def test_where_no_requests_are_counted_redis_is_not_told_when_they_left(key):
    client = Comes.from_url(REDIS)
    client.is_there = True
    slot = RedisRateLimiter(client, key.name, 1000).wait()
    asked = client.asked
    slot.left()

    assert client.asked == asked
    client.close()


def test_a_start_that_is_very_late_is_not_caught_up(key):
    key.limiter().wait()
    key.client.hset(key.names[0], "next", int((key.now() - 60) * 1e6))
    (before,) = key.starts()
    key.limiter().wait()

    assert key.state("next") / 1e6 >= before + 1.02 / RATE


def test_requests_of_long_ago_are_forgotten(key):
    key.set_start(-3)
    key.limiter().wait()

    assert len(key.starts()) == 1


def test_a_task_that_is_being_stopped_asks_for_no_turn(key):
    def sleep(seconds: float) -> None:
        raise InterruptedError

    done: list[int] = []
    with pytest.raises(InterruptedError):
        key.limiter(sleep=sleep).wait(before=lambda: done.append(1))

    assert done == []
    assert key.starts() == []


def test_what_redis_says_is_told_by_its_code(key):
    key.client.set(key.names[0], "something else")
    with pytest.raises(BluxPaceError, match=r"^Redis refuses \(WRONGTYPE\), so the rate"):
        key.limiter().wait()


class Refuses(redis.Redis):
    """A client whose scripts end with an error of Redis."""

    error = ""

    def register_script(self, _script: object) -> object:
        return super().register_script(f'return redis.error_reply("{self.error}")')


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("READONLY You can't write against a read only replica.", "ReadOnlyError"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OutOfMemoryError"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", "NoPermissionError"),
        ("NOAUTH Authentication required.", "AuthenticationError"),
    ],
)
def test_an_error_whose_code_the_client_removes_is_told_by_its_class(key, error, name):
    client = Refuses.from_url(REDIS, retry=Retry(NoBackoff(), 0))
    client.error = error
    with client, pytest.raises(BluxPaceError, match=rf"^Redis refuses \({name}\), so the rate"):
        RedisRateLimiter(client, key.name, RATE).wait()


def test_a_pace_that_nobody_uses_is_forgotten_within_hours(key):
    key.limiter().wait()
    assert 3000 < key.client.ttl(key.names[0]) <= 3600
    assert 3000 < key.client.ttl(key.names[1]) <= 3600
    key.limiter().pause(7200)
    assert 10000 < key.client.ttl(key.names[0]) <= 10800


def test_what_is_to_be_done_before_a_start_is_done_once(key):
    done: list[float] = []
    limiter = key.limiter()
    limiter.wait()
    limiter.wait(before=lambda: done.append(time.monotonic()))

    assert len(done) == 1


def test_without_redis_nothing_is_sent_and_the_message_says_how_to_go_on(nobody):
    with pytest.raises(
        BluxPaceError, match=r"ConnectionRefusedError.*Check the Redis of x, .*fallback='share'"
    ) as raised:
        RedisRateLimiter(nobody, "nobody", RATE, place="the Redis of x").wait()

    assert raised.value.retry_helps


def test_a_certificate_that_is_not_trusted_is_named(tmp_path):
    with Emulator(certificate=tmp_path) as server:  # not a Redis, but TLS comes first
        port = urlsplit(server.url).port
        client = redis.Redis(host="127.0.0.1", port=port, ssl=True, retry=Retry(NoBackoff(), 0))
        with pytest.raises(BluxPaceError, match=r"Redis does not answer \(SSLCertVerificationError\)"):
            RedisRateLimiter(client, "nobody", RATE).wait()
        client.close()


def alone(client: redis.Redis, name: str) -> tuple[RedisRateLimiter, Clock]:
    """Return a limiter that falls back to five requests a second."""
    clock = Clock()
    fallback = RateLimiter(5, clock=clock, sleep=clock.sleep)
    return RedisRateLimiter(client, name, 20, fallback=fallback, clock=clock, sleep=clock.sleep), clock


def test_without_redis_a_task_keeps_to_its_own_share(nobody, caplog):
    limiter, _ = alone(nobody, "nobody")
    starts: list[Slot] = []
    with caplog.at_level(logging.WARNING):
        starts.extend(limiter.wait() for _ in range(31))

    assert starts[-1].at - starts[0].at >= 30 / 5
    warning = "until Redis answers again, this task sends at most 5 requests/s (its own share)."
    assert caplog.messages == [f"Redis does not answer (ConnectionRefusedError): {warning}"]


def test_without_redis_a_pause_holds_this_task_all_the_same(nobody):
    limiter, clock = alone(nobody, "nobody")
    limiter.wait()
    limiter.pause(60)
    began = clock()
    limiter.wait()

    assert clock() - began >= 60


def test_a_task_that_went_on_alone_asks_redis_every_ten_seconds():
    client = Comes.from_url(REDIS)
    limiter, clock = alone(client, "nobody")
    for _ in range(10):
        limiter.wait()
        clock.now += 1.5

    assert client.asked == 2
    client.close()


def test_a_task_that_went_on_alone_comes_back_when_redis_does(key, caplog):
    client = Comes.from_url(REDIS)
    limiter, clock = alone(client, key.name)
    with caplog.at_level(logging.WARNING):
        limiter.wait()
        client.is_there = True
        clock.now += 11
        limiter.wait()

    assert len(key.starts()) == 1
    assert caplog.messages[-1] == "Redis answers again: this task shares the rate with the others again."
    client.close()

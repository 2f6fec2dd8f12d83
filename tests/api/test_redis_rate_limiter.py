"""The pace of several tasks on a real Redis, by its own clock, which nobody can set: bounds are checked, no speed."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_blux.api.rate_limiter import Pace, Start
from airflow_provider_blux.api.redis_rate_limiter import SharedPace
from airflow_provider_blux.exceptions import BluxPaceError
from tests.redis_server import REDIS, connected

redis = pytest.importorskip("redis")
from redis.backoff import NoBackoff  # noqa: E402
from redis.retry import Retry  # noqa: E402

RATE = 50


class Key:
    """A pace of the test's own."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.name = f"test:{secrets.token_hex(8)}"

    @property
    def names(self) -> tuple[str, str]:
        return f"{self.name}:state", f"{self.name}:starts"

    def pace(self, rate: float = RATE, **options: object) -> SharedPace:
        return SharedPace(self.client, self.name, rate, **options)

    def starts(self) -> list[float]:
        """Return when the requests started that Redis still remembers, in seconds."""
        return [at / 1e6 for _, at in self.client.zrange(self.names[1], 0, -1, withscores=True)]

    def state(self, name: str) -> float:
        return float(self.client.hget(self.names[0], name))


@pytest.fixture
def key() -> Iterator[Key]:
    client = connected()
    key = Key(client)
    yield key
    client.delete(*key.names)
    client.close()


@pytest.fixture
def nobody() -> Iterator[redis.Redis]:
    """A Redis that is not there."""
    client = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    yield client
    client.close()


class Comes(redis.Redis):
    """A Redis that is not there until it is told to be."""

    is_there = False

    def execute_command(self, *args: object, **options: object) -> object:
        if not self.is_there:
            raise redis.ConnectionError
        return super().execute_command(*args, **options)


def most_in_any_second(starts: list[float]) -> int:
    return max(sum(start <= other < start + 1 for other in starts) for start in starts)


def side_by_side(work: Callable[[int], None], tasks: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def interrupted(waited: list[float]) -> Callable[[float], None]:
    """Return a sleep that notes how long it should be, and does not."""

    def sleep(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
            raise InterruptedError

    return sleep


def test_tasks_together_never_start_more_in_any_second_than_the_limit(key):
    paces = [key.pace() for _ in range(4)]
    side_by_side(lambda number: [paces[number].wait() for _ in range(25)], 4)

    assert most_in_any_second(key.starts()) <= RATE


def test_tasks_that_wait_take_turns(key):
    order: list[int] = []

    def work(number: int) -> None:
        pace = key.pace()
        everybody.wait()
        for _ in range(15):
            pace.wait()
            order.append(number)

    everybody = threading.Barrier(4)
    side_by_side(work, 4)

    # Of the first 40 starts each has its ten, give or take what a busy machine does to a thread.
    assert all(5 <= order[:40].count(number) <= 15 for number in range(4)), order


def test_a_request_that_leaves_late_is_counted_from_when_it_left(key):
    start = key.pace().wait()
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
            key.pace(1).pause(pauses.pop())

    waited: list[float] = []
    other = key.pace(1, sleep=sleep)
    other.wait()
    with pytest.raises(InterruptedError):
        other.wait()

    assert waited[0] <= 1.1
    assert waited[1] == pytest.approx(3600, abs=5)


def test_a_pause_is_never_shortened(key):
    waited: list[float] = []
    sleep = interrupted(waited)

    pace = key.pace(sleep=sleep)
    pace.pause(3600)
    key.pace().pause(5)
    with pytest.raises(InterruptedError):
        key.pace(sleep=sleep).wait()

    assert waited[0] == pytest.approx(3600, abs=5)


def test_refusals_slow_every_task_down_and_cost_headroom_once_an_episode(key):
    key.pace().wait()
    for _ in range(5):
        key.pace().slow_down()
        key.pace().refused()

    assert key.state("speed") == pytest.approx(0.7)
    assert key.state("headroom") == pytest.approx(0.025, abs=1e-4)


def test_when_redis_has_forgotten_everything_a_task_that_has_started_requests_lets_a_second_pass(key):
    waited: list[float] = []
    sleep = interrupted(waited)

    pace = key.pace(sleep=sleep)
    pace.wait()
    key.client.delete(*key.names)
    with pytest.raises(InterruptedError):
        pace.wait()

    assert waited[0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("what", ["refused", "slow_down"])
def test_when_redis_has_forgotten_everything_the_first_thing_that_it_is_told_may_be_a_refusal(key, what):
    pace = key.pace(1000)
    pace.wait()
    key.client.delete(*key.names)
    getattr(pace, what)()
    for _ in range(5):
        pace.wait()

    assert key.state("paused_until") > 0


def test_a_pause_of_which_redis_was_not_told_holds_whoever_waits_already_and_then_the_others(key):
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
            pace.pause(pauses.pop())
            client.is_there = True

    pace = SharedPace(client, key.name, 1, sleep=sleep)
    pace.wait()
    with pytest.raises(InterruptedError):
        pace.wait()
    with pytest.raises(InterruptedError):
        key.pace(1, sleep=interrupted(waited)).wait()

    assert waited[1:] == [pytest.approx(3600, abs=5), pytest.approx(3600, abs=5)]
    client.close()


def test_a_pause_that_is_shorter_than_the_wait_costs_nobody_a_turn(key):
    paces = [key.pace(20) for _ in range(4)]
    for pace in paces:
        pace.wait()
    before = key.state("next")
    paces[0].pause(0)

    assert key.state("next") == before


def test_a_long_wait_is_told_once(key, caplog):
    waits = [0, 1, 2]

    def sleep(seconds: float) -> None:
        if seconds and not waits.pop():
            raise InterruptedError

    key.pace().pause(3600)
    with caplog.at_level(logging.WARNING), pytest.raises(InterruptedError):
        key.pace(sleep=sleep).wait()

    (message,) = caplog.messages
    assert message.startswith("All tasks that share this pace wait for 3600 s")


def test_starts_that_are_too_many_to_be_counted_are_not_kept(key):
    pace = key.pace(1000)
    for _ in range(3):
        pace.wait().left()

    assert key.starts() == []


def test_a_task_that_is_being_stopped_asks_for_no_turn(key):
    def sleep(seconds: float) -> None:
        raise InterruptedError

    done: list[int] = []
    with pytest.raises(InterruptedError):
        key.pace(sleep=sleep).wait(before=lambda: done.append(1))

    assert done == []
    assert key.starts() == []


def test_what_redis_says_is_told_by_its_code(key):
    key.client.set(key.names[0], "something else")
    with pytest.raises(BluxPaceError, match=r"^Redis refuses \(WRONGTYPE\), so the rate"):
        key.pace().wait()


def test_a_pace_that_nobody_uses_is_forgotten_within_hours(key):
    key.pace().wait()
    assert 3000 < key.client.ttl(key.names[0]) <= 3600
    key.pace().pause(7200)
    assert 10000 < key.client.ttl(key.names[0]) <= 10800


def test_what_is_to_be_done_before_a_start_is_done_once(key):
    done: list[float] = []
    pace = key.pace()
    pace.wait()
    pace.wait(before=lambda: done.append(time.monotonic()))

    assert len(done) == 1


def test_without_redis_nothing_is_sent_and_the_message_says_how_to_go_on(nobody):
    with pytest.raises(BluxPaceError, match=r"ConnectionError.*rate_limit_fallback='share'") as raised:
        SharedPace(nobody, "nobody", RATE).wait()

    assert raised.value.retry_helps


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def alone(client: redis.Redis, name: str) -> tuple[SharedPace, Clock]:
    """Return a pace that falls back to five requests a second."""
    clock = Clock()
    instead = Pace(5, clock=clock, sleep=clock.sleep)
    return SharedPace(client, name, 20, instead=instead, clock=clock, sleep=clock.sleep), clock


def test_without_redis_a_task_keeps_to_its_own_share(nobody, caplog):
    pace, _ = alone(nobody, "nobody")
    starts: list[Start] = []
    with caplog.at_level(logging.WARNING):
        starts.extend(pace.wait() for _ in range(31))

    assert starts[-1].at - starts[0].at >= 30 / 5
    assert caplog.messages == [
        "Redis does not answer (ConnectionError): until that changes, this task keeps to its own share of 5 requests/s."
    ]


def test_without_redis_a_pause_holds_this_task_all_the_same(nobody):
    pace, clock = alone(nobody, "nobody")
    pace.wait()
    pace.pause(60)
    began = clock()
    pace.wait()

    assert clock() - began >= 60


def test_a_task_that_went_on_alone_comes_back_when_redis_does(key, caplog):
    client = Comes.from_url(REDIS)
    pace, clock = alone(client, key.name)
    with caplog.at_level(logging.WARNING):
        pace.wait()
        client.is_there = True
        clock.now += 11
        pace.wait()

    assert len(key.starts()) == 1
    assert caplog.messages[-1] == "Redis answers again: this task shares its pace with the others again."
    client.close()

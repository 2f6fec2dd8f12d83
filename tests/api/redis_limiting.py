"""Reads and sets the state of one rate limiter in Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_blux.api.redis_rate_limiter import RedisRateLimiter

if TYPE_CHECKING:
    import redis

RATE = 50
CLOCK = "redis.call('TIME')"


class Key:
    """The Redis keys of a limiter that only one test uses."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.name = f"test:{secrets.token_hex(8)}"
        self.stopped_at: float | None = None

    @property
    def names(self) -> tuple[str, str]:
        return f"{self.name}:state", f"{self.name}:starts"

    def stop_clock(self) -> None:
        """From now on, let time pass in ``advance_clock`` only: a busy machine does not change what a test computes."""
        self.stopped_at = self.now()

    def advance_clock(self, seconds: float) -> None:
        assert self.stopped_at is not None
        self.stopped_at += seconds

    def limiter(self, rate: float = RATE, **options: object) -> RedisRateLimiter:
        return RedisRateLimiter(self, self.name, rate, **options)  # type: ignore[arg-type]

    def register_script(self, script: str) -> Callable[..., object]:
        """Register the script of a limiter, which reads the clock of this object if that has been stopped."""
        assert CLOCK in script
        as_it_is = self.client.register_script(script)
        timed = self.client.register_script(script.replace(CLOCK, "{ARGV[3], ARGV[4]}"))

        def run(keys: list[str], args: list[str]) -> object:
            if self.stopped_at is None:
                return as_it_is(keys=keys, args=args)
            return timed(keys=keys, args=[*args, *divmod(round(self.stopped_at * 1e6), 1_000_000)])

        return run

    def starts(self) -> list[float]:
        """Return the start times of the requests in Redis, in seconds."""
        return [at / 1e6 for _, at in self.client.zrange(self.names[1], 0, -1, withscores=True)]

    def state(self, name: str) -> float:
        return float(self.client.hget(self.names[0], name))

    def now(self) -> float:
        if self.stopped_at is not None:
            return self.stopped_at
        seconds, microseconds = self.client.time()
        return seconds + microseconds / 1e6

    def set(self, **fields: float) -> None:
        """Set fields of the state; times are seconds."""
        times = ("_at", "_until")
        values = {name: int(value * 1e6) if name.endswith(times) else value for name, value in fields.items()}
        self.client.hset(self.names[0], mapping=values)

    def set_start(self, seconds: float) -> float:
        """Add a request that starts in a number of seconds; return its start time."""
        at = self.now() + seconds
        self.client.zadd(self.names[1], {secrets.token_hex(4): int(at * 1e6)})
        return at

    def delay(self, rate: float = RATE) -> float:
        """Return for how long a task would wait for a slot."""
        waited: list[float] = [0]
        with suppress(InterruptedError):
            self.limiter(rate, sleep=interrupted(waited)).wait()
        return waited[-1]

    def next_distance(self) -> float:
        """Return the seconds between a slot and the next one."""
        self.set(next=(self.now() + 0.5) * 1e6)
        before = self.state("next")
        self.delay()
        return (self.state("next") - before) / 1e6


def interrupted(waited: list[float]) -> Callable[[float], None]:
    """Return a sleep function that does not sleep, but adds the seconds to ``waited``."""

    def sleep(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
            raise InterruptedError

    return sleep

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


class Key:
    """The Redis keys of a limiter that only one test uses."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.name = f"test:{secrets.token_hex(8)}"

    @property
    def names(self) -> tuple[str, str]:
        return f"{self.name}:state", f"{self.name}:starts"

    def limiter(self, rate: float = RATE, **options: object) -> RedisRateLimiter:
        return RedisRateLimiter(self.client, self.name, rate, **options)

    def starts(self) -> list[float]:
        """Return the start times of the requests in Redis, in seconds."""
        return [at / 1e6 for _, at in self.client.zrange(self.names[1], 0, -1, withscores=True)]

    def state(self, name: str) -> float:
        return float(self.client.hget(self.names[0], name))

    def now(self) -> float:
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

    def waits_until(self, rate: float, at: float) -> bool:
        """Return whether a task would wait for a slot until ``at``, by the clock of Redis."""
        before = self.now()
        delay = self.delay(rate)
        return at - self.now() - 0.001 <= delay <= at - before + 0.001

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

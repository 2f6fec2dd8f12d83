"""A rate limiter with a simulated clock, which advances only during sleep, so no test waits."""

from __future__ import annotations

from itertools import pairwise

from airflow_provider_blux.api.rate_limiter import RateLimiter


class Clock:
    """A clock that advances only during sleep."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def limiter_and_clock(rate: float) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(rate, clock=clock, sleep=clock.sleep), clock


def starts_of(limiter: RateLimiter, count: int) -> list[float]:
    return [limiter.wait().at for _ in range(count)]


def spaces(starts: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(starts)]


def most_in_any_second(starts: list[float]) -> int:
    return max(sum(start <= other < start + 1 for other in starts) for start in starts)

"""A rate limiter against simulated servers with three kinds of rate limits and random delays."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

import pytest

from airflow_provider_blux.api.rate_limiter import RateLimiter
from airflow_provider_blux.emulator.rates import LIMIT_KINDS, Limiters, LimitKind

MS = 0.001


class Server:
    """A server with a rate limit, and the network to it; only one thread sends, and the rest happens while it sleeps.

    :param latency: seconds from the arrival of a request to the arrival of its answer.
    :param stalls: share of the wake-ups and of the departures that are late by up to 3 ms more.
    """

    def __init__(self, kind: LimitKind, rate: int, *, latency: float = 0.2, stalls: float = 0.1, seed: int = 0) -> None:
        self.accepted: list[float] = []
        self.refused = 0
        self._kind: LimitKind = kind
        self._rate, self._latency, self._stalls = rate, latency, stalls
        self._police = Limiters()
        self._rng = random.Random(seed)  # noqa: S311 - chance for tests
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._limiter = RateLimiter(rate, clock=lambda: self._now, sleep=self._sleep)
        self._to_send = 0

    def serve(self, requests: int) -> None:
        """Send until a number of requests is accepted."""
        self._to_send = requests
        while len(self.accepted) < requests:
            if self._to_send:
                self._to_send -= 1
                slot = self._limiter.wait()
                leaves = self._now + self._delay(0.15)
                self._at(leaves, slot.leaves)
                self._at(leaves + 0.05 * MS, slot.left)
                self._at(leaves + self._delay(0.2, stalls=0), self._arrive)
            else:
                self._advance(self._events[0][0])

    @property
    def share(self) -> float:
        """The share of the rate at which requests were accepted."""
        return (len(self.accepted) - 1) / (self.accepted[-1] - self.accepted[0]) / self._rate

    def _arrive(self) -> None:
        if self._police.admits(self._kind, "users", self._rate, self._now):
            self.accepted.append(self._now)
        else:
            self.refused += 1
            self._at(self._now + self._latency, self._refuse)

    def _refuse(self) -> None:
        self._limiter.throttled(None)
        self._at(self._now + self._rng.uniform(0.5, 1), self._send_again)

    def _send_again(self) -> None:
        self._to_send += 1

    def _delay(self, milliseconds: float, *, stalls: float | None = None) -> float:
        stalled = self._rng.random() < (self._stalls if stalls is None else stalls)
        late = self._rng.uniform(0, 3) if stalled else 0
        return (milliseconds + self._rng.expovariate(10) + late) * MS

    def _sleep(self, seconds: float) -> None:
        if seconds:
            self._advance(self._now + seconds + self._delay(0.1))

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), event))

    def _advance(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self._now, _, event = heapq.heappop(self._events)
            event()
        self._now = until


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("latency", [0.05, 0.2, 0.8])
@pytest.mark.parametrize("kind", LIMIT_KINDS)
def test_every_kind_of_limiter_is_met_at_95_percent_with_at_most_1_percent_of_429s(kind, latency, seed):
    server = Server(kind, 20, latency=latency, seed=seed)
    server.serve(600)

    assert server.share >= 0.95
    assert server.refused <= 6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [20, 100])
def test_a_sliding_second_is_met_at_98_5_percent_without_a_429(rate, seed):
    server = Server("sliding_second", rate, seed=seed)
    server.serve(30 * rate)

    assert server.share >= 0.985
    assert server.refused == 0

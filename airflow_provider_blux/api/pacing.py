"""Requests a second: starts evenly spaced at the limit, slower when the API asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# A sliding one-second limit of n is kept when n + 1 starts span more than a second where they are counted: at the
# server, after a journey that is not always equally long. 1 % of a second is room for 10 ms of difference.
HEADROOM = 0.01
# A start that is late by no more than this does not delay the ones after it.
SLACK = 0.003
_SLOWEST = 0.05
_SLOW_DOWN, _RECOVERY_PER_SECOND = 0.7, 0.05
_EPISODE = 1.0


class Pace:
    """The starts of requests to one endpoint; safe to use from many threads.

    :param rate: most requests a second.
    :param clock: seconds that never run backwards.
    :param sleep: waits so many seconds; raises when the task is being stopped.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._interval = (1 + HEADROOM) / rate
        self._clock = clock
        self._sleep = sleep
        self._turnstile = threading.Lock()
        self._state = threading.Lock()
        self._next = float("-inf")
        self._speed, self._speed_since = 1.0, clock()
        self._slowed_at = float("-inf")

    def wait(self, before: Callable[[], None] | None = None) -> None:
        """Wait for this request's turn; turns are granted one by one.

        :param before: done once while waiting, when no other request will be granted a turn before this one.
        """
        with self._turnstile:
            if before is not None:
                before()
            while (delay := self._delay_or_start()) > 0:
                self._sleep(delay)

    def pause(self, seconds: float) -> None:
        """Grant no start for so many seconds."""
        with self._state:
            self._next = max(self._next, self._clock() + seconds)

    def slow_down(self) -> None:
        """Lower the speed, once for all refusals that come within a second, and let it recover gradually."""
        with self._state:
            now = self._clock()
            if now - self._slowed_at >= _EPISODE:
                self._speed = max(_SLOWEST, self._speed_at(now) * _SLOW_DOWN)
                self._speed_since = self._slowed_at = now

    def _delay_or_start(self) -> float:
        """Return the seconds still to wait; 0 when the start was granted and the next one put after it."""
        with self._state:
            now = self._clock()
            if now < self._next:
                return self._next - now
            # Counted from when it was due, so that small delays do not add up; from now where it came much later.
            self._next = max(self._next, now - SLACK) + self._interval / self._speed_at(now)
            return 0.0

    def _speed_at(self, now: float) -> float:
        return min(1.0, self._speed + (now - self._speed_since) * _RECOVERY_PER_SECOND)

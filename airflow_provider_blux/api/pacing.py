"""Requests a second: starts evenly spaced at the limit, slower when the API asks for it."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable

# A sliding one-second limit of n is kept when n + 1 starts span more than a second where they are counted: at the
# server, after a journey that is not always equally long. 1 % of a second is room for 10 ms of difference.
HEADROOM = 0.01
# Where it is not enough, each episode of refusals adds to it, and ten minutes without one take as much away.
_MORE_HEADROOM, _MOST_HEADROOM, _FORGET_SECONDS = 0.005, 0.05, 600.0
# Up to so many a second the starts of the last second are counted one by one; above it the headroom is worth two
# requests and more, and one that leaves late is no matter.
_COUNTED = 200
# A start that is late by no more than this does not delay the ones after it: more where starts are counted.
_SLACK_COUNTED, _SLACK = 0.02, 0.003
_SLOWEST = 0.05
_SLOW_DOWN, _RECOVERY_PER_SECOND = 0.7, 0.05
_EPISODE = 1.0


class Start:
    """The start of one request.

    :param at: when it was granted; once the request has left, when that was.
    """

    def __init__(self, at: float, clock: Callable[[], float]) -> None:
        self.at = at
        self._clock = clock

    def left(self) -> None:
        """Note that the request has left: a busy machine, or a new connection, may have held it up."""
        self.at = self._clock()


class Pace:
    """The starts of requests to one endpoint; safe to use from many threads.

    :param rate: most requests a second.
    :param clock: seconds that never run backwards.
    :param sleep: waits so many seconds; raises when the task is being stopped.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._rate = rate
        self._headroom, self._headroom_since = HEADROOM, clock()
        self._refused_at = float("-inf")
        self._clock = clock
        self._sleep = sleep
        self._turnstile = threading.Lock()
        self._state = threading.Lock()
        self._next = float("-inf")
        self._limit = max(1, int(rate))
        self._slack = _SLACK_COUNTED if self._limit <= _COUNTED else _SLACK
        self._starts: deque[Start] = deque(maxlen=2 * self._limit)
        self._speed, self._speed_since = 1.0, clock()
        self._slowed_at = float("-inf")

    def wait(self, before: Callable[[], None] | None = None) -> Start:
        """Wait for this request's turn; return its start. Turns are granted one by one.

        :param before: done once while waiting, when no other request will be granted a turn before this one.
        """
        with self._turnstile:
            if before is not None:
                before()
            while (delay := self._delay_or_start()) > 0:
                self._sleep(delay)
            return self._starts[-1]

    def pause(self, seconds: float) -> None:
        """Grant no start for so many seconds."""
        with self._state:
            self._next = max(self._next, self._clock() + seconds)

    def refused(self) -> None:
        """Note a refusal for want of headroom; all that come within a second are one."""
        with self._state:
            now = self._clock()
            if now - self._refused_at >= _EPISODE:
                self._headroom = min(_MOST_HEADROOM, self._headroom_at(now) + _MORE_HEADROOM)
                self._headroom_since = self._refused_at = now

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
            allowed_at = max(self._next, self._window_ends())
            if now < allowed_at:
                return allowed_at - now
            self._starts.append(Start(now, self._clock))
            # Counted from when it was due, so that small delays do not add up; from now where it came much later.
            due = self._next if now - self._next <= self._slack else now
            self._next = due + (1 + self._headroom_at(now)) / (self._rate * self._speed_at(now))
            return 0.0

    def _window_ends(self) -> float:
        """Return when a start no longer is one too many in a second; requests may have left later than granted."""
        if len(self._starts) < self._limit or self._limit > _COUNTED:
            return float("-inf")
        oldest = heapq.nlargest(self._limit, (start.at for start in self._starts))[-1]
        return oldest + 1 + self._headroom_at(self._clock())

    def _headroom_at(self, now: float) -> float:
        forgotten = (now - self._headroom_since) * _MORE_HEADROOM / _FORGET_SECONDS
        return max(HEADROOM, self._headroom - forgotten)

    def _speed_at(self, now: float) -> float:
        return min(1.0, self._speed + (now - self._speed_since) * _RECOVERY_PER_SECOND)

"""Requests a second: starts evenly spaced at the limit, slower when the API asks for it."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a pace goes about it. Times are seconds.

    :param rate: most requests a second.
    :param headroom: share of a second that is left free. A sliding one-second limit of n is kept when n + 1 starts span
        more than a second where they are counted: at the server, after a journey that is not always equally long. 1 %
        is room for 10 ms of difference.
    :param more_headroom: what each episode of refusals adds to it, and ``forget_seconds`` without one take away.
    :param counted: up to so many a second, the starts of the last second are counted one by one; above it the headroom
        is worth two requests and more, and one that leaves late is no matter.
    :param counted_headroom: share of the headroom that is kept where starts are counted: not all of it, or a start that
        came late once would have to stay late for good.
    :param slow_down: what is left of the speed after a refusal that did not say how long to wait.
    :param recovery: the share of the full speed that comes back in a second.
    :param episode: refusals within so many seconds are one.
    """

    rate: float
    headroom: float = 0.01
    more_headroom: float = 0.005
    most_headroom: float = 0.05
    forget_seconds: float = 600.0
    counted: int = 200
    counted_headroom: float = 0.7
    slow_down: float = 0.7
    slowest: float = 0.05
    recovery: float = 0.05
    episode: float = 1.0

    @property
    def limit(self) -> int:
        """Most starts in any one second."""
        return max(1, int(self.rate))

    @property
    def is_counted(self) -> bool:
        """Whether the starts of the last second are counted one by one."""
        return self.limit <= self.counted

    @property
    def slack(self) -> float:
        """A start that is late by no more than this does not delay the ones after it: more where starts are counted."""
        return 0.02 if self.is_counted else 0.003


# So late at most a thread comes back from writing a request because others hold the interpreter, which a delivery has
# them hand over twice a millisecond.
_SWITCH = 0.002


class Start:
    """The start of one request.

    :param at: when it was granted; once the request leaves, when it does.
    :param tell: called when the request has left.
    """

    def __init__(self, at: float, clock: Callable[[], float], tell: Callable[[], None] = lambda: None) -> None:
        self.at = at
        self._clock = clock
        self._tell = tell

    def leaves(self) -> None:
        """Note that the request leaves: a busy machine, or a new connection, may have held it up."""
        self.at = self._clock()

    def left(self) -> None:
        """Note that the request has left; where that took longer than it should, it may have left only now."""
        self.at = max(self.at, self._clock() - _SWITCH)
        self._tell()


class Pacing(Protocol):
    """What a sender knows of a pace, be it its own or one that it shares."""

    def wait(self, before: Callable[[], None] | None = None) -> Start:
        """Wait for this request's turn; return its start."""

    def pause(self, seconds: float) -> None:
        """Grant no start for so many seconds."""

    def refused(self) -> None:
        """Note a refusal for want of headroom."""

    def slow_down(self) -> None:
        """Lower the speed, and let it recover gradually."""


class Pace:
    """The starts of requests to one endpoint; safe to use from many threads.

    :param rate: most requests a second.
    :param clock: seconds that never run backwards.
    :param sleep: waits so many seconds; raises when the task is being stopped.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.rules = Rules(rate=rate)
        self._headroom, self._headroom_since = self.rules.headroom, clock()
        self._refused_at = float("-inf")
        self._clock = clock
        self._sleep = sleep
        self._turnstile = threading.Lock()
        self._state = threading.Lock()
        self._next = float("-inf")
        self._starts: deque[Start] = deque(maxlen=2 * self.rules.limit)
        self._speed, self._speed_since = 1.0, clock()
        self._slowed_at = float("-inf")

    def wait(self, before: Callable[[], None] | None = None) -> Start:
        """Wait for this request's turn; return its start. Turns are granted one by one.

        :param before: done once while waiting, when no other request will be granted a turn before this one.
        """
        with self._turnstile:
            self._sleep(0)  # nobody is granted another turn once the task is being stopped
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
            if now - self._refused_at >= self.rules.episode:
                self._headroom = min(self.rules.most_headroom, self._headroom_at(now) + self.rules.more_headroom)
                self._headroom_since = self._refused_at = now

    def slow_down(self) -> None:
        """Lower the speed, once for all refusals that come within a second, and let it recover gradually."""
        with self._state:
            now = self._clock()
            if now - self._slowed_at >= self.rules.episode:
                self._speed = max(self.rules.slowest, self._speed_at(now) * self.rules.slow_down)
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
            due = self._next if now - self._next <= self.rules.slack else now
            self._next = due + (1 + self._headroom_at(now)) / (self.rules.rate * self._speed_at(now))
            return 0.0

    def _window_ends(self) -> float:
        """Return when a start no longer is one too many in a second; requests may have left later than granted."""
        limit = self.rules.limit
        if len(self._starts) < limit or not self.rules.is_counted:
            return float("-inf")
        oldest = heapq.nlargest(limit, (start.at for start in self._starts))[-1]
        return oldest + 1 + self.rules.counted_headroom * self._headroom_at(self._clock())

    def _headroom_at(self, now: float) -> float:
        forgotten = (now - self._headroom_since) * self.rules.more_headroom / self.rules.forget_seconds
        return max(self.rules.headroom, self._headroom - forgotten)

    def _speed_at(self, now: float) -> float:
        return min(1.0, self._speed + (now - self._speed_since) * self.rules.recovery)

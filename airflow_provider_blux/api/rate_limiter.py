"""The client's rate limiter: requests start evenly spaced at the limit, and slower when the API asks for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The constants of a rate limiter. Times are in seconds.

    :param rate: maximum number of requests a second.
    :param headroom: share of each second that is left free. The transit times of requests differ, so without headroom
        too many could reach the server in one second. 1 % allows for a difference of 10 ms.
    :param more_headroom: what each episode of 429s adds to the headroom. Without a further episode, this is taken back
        gradually within ``forget_seconds``.
    :param most_headroom: upper limit of the headroom.
    :param forget_seconds: see ``more_headroom``.
    :param counted: up to this number of requests a second, the limiter counts the requests of about the last second,
        and delays a request that would exceed the limit. Above it, requests are only spaced evenly and not counted: the
        headroom is then at least two requests a second, enough for a late request.
    :param counted_headroom: the requests of the last ``1 + counted_headroom * headroom`` seconds are counted. Sent at
        even intervals, as many requests as the limit allows take ``1 + headroom`` seconds. So with a value below 1, the
        requests after a late one may follow more closely, and catch up.
    :param most_slowdown: largest share of the speed that one episode of 429s takes away.
    :param recovery: share of the full speed that is regained in a second.
    :param episode: 429s within this time of the first one are one episode.
    :param spaced_share: if more than this share of an episode's requests get a 429, the server is assumed to limit the
        interval between two requests.
    :param spaced_seconds: for how long each request then keeps a minimum interval to the one before; only at rates up
        to ``counted``.
    """

    rate: float
    headroom: float = 0.01
    more_headroom: float = 0.005
    most_headroom: float = 0.05
    forget_seconds: float = 600.0
    counted: int = 200
    counted_headroom: float = 0.7
    most_slowdown: float = 0.3
    recovery: float = 0.05
    episode: float = 1.0
    spaced_share: float = 0.03
    spaced_seconds: float = 60.0

    @property
    def limit(self) -> int:
        """Maximum number of requests in any one second."""
        return max(1, int(self.rate))

    @property
    def is_counted(self) -> bool:
        """Whether the rate is low enough that the requests of the last second are counted one by one."""
        return self.limit <= self.counted

    @property
    def slack(self) -> float:
        """The longest delay of a request, in seconds, after which the next requests still keep their planned times.

        A longer delay moves all later times by the part above this limit.
        """
        return 0.02 if self.is_counted else 0.003


# Longest delay by the interpreter lock that is attributed to a late callback.
_LATE_CALLBACK = 0.002


class Slot:
    """The permission to send one request, and the time when it was used.

    :param at: time of the permission; after :meth:`leaves`, the time when the request was sent.
    :param clock: returns the time in seconds, for ``at``.
    :param tell: called when the request has been written, to report this to a shared rate limiter.
    """

    def __init__(self, at: float, clock: Callable[[], float], tell: Callable[[], None] = lambda: None) -> None:
        self.at = at
        self._clock = clock
        self._tell = tell

    def leaves(self) -> None:
        """Set the time of sending to now. To be called just before the request is written.

        That may be later than the permission, because the machine is busy or a connection had to be opened.
        """
        self.at = self._clock()

    def left(self) -> None:
        """Report that the request was written. If that took long, the time of sending becomes the end of writing."""
        self.at = max(self.at, self._clock() - _LATE_CALLBACK)
        self._tell()


class RateLimiter:
    """Grants slots for requests to one endpoint; safe to use from many threads.

    Slots are evenly spaced at the rate. After a late request the next ones catch up, but no second has more requests
    than the limit. Some servers refuse a request that follows the previous one too closely (nginx ``limit_req`` without
    ``burst``). So when many requests are refused, there is no catching up, and each request keeps a minimum interval to
    the previous one. At rates above 200 requests a second (``Rules.counted``), there is no such interval.

    :param rate: maximum number of requests a second.
    :param clock: returns seconds of a monotonic clock.
    :param sleep: waits for a number of seconds; raises when the task is being stopped. It can be replaced, since
        a hook uses a rate limiter for several deliveries, each with a stop of its own.
    """

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.rules = Rules(rate=rate)
        self._clock = clock
        self.sleep = sleep
        self._queue = threading.Lock()
        self._state = threading.Lock()
        self._due = float("-inf")
        self._slots: deque[Slot] = deque(maxlen=2 * self.rules.limit if self.rules.is_counted else 1)
        self._headroom, self._headroom_at = self.rules.headroom, clock()
        self._speed, self._speed_at = 1.0, clock()
        self._episode_at, self._episode_speed, self._episode_429s = float("-inf"), 1.0, 0
        self._spaced_until = float("-inf")

    def wait(self, before: Callable[[], None] | None = None) -> Slot:
        """Wait for a slot and return it. Threads are served one by one.

        :param before: called once, when the calling thread is the next one to be granted a slot. If it raises, no slot
            is granted.
        """
        with self._queue:
            self.sleep(0)  # raises if the task is being stopped, so that no slot is granted
            if before is not None:
                before()
            while (delay := self._delay_or_grant()) > 0:
                self.sleep(delay)
            return self._slots[-1]

    def pause(self, seconds: float) -> None:
        """Grant no slot for a number of seconds; never shorten a longer pause."""
        with self._state:
            self._due = max(self._due, self._clock() + seconds)

    def throttled(self, retry_after: float | None) -> None:
        """React to an answer with status 429: leave more headroom, and pause or slow down.

        :param retry_after: seconds to pause. ``None`` to slow down instead, by the share of recent requests that got a
            429 (see ``episode`` of ``Rules``); the speed recovers gradually.
        """
        with self._state:
            now = self._clock()
            if now - self._episode_at >= self.rules.episode:
                self._headroom = min(self.rules.most_headroom, self._headroom_now(now) + self.rules.more_headroom)
                self._headroom_at = now
                self._episode_at, self._episode_speed, self._episode_429s = now, self._speed_now(now), 0
            self._episode_429s += 1
            share = self._episode_429s / (self.rules.rate * self._episode_speed * self.rules.episode)
            if share > self.rules.spaced_share:
                self._spaced_until = now + self.rules.spaced_seconds
            if retry_after is None:
                self._speed = self._episode_speed * (1 - min(share, self.rules.most_slowdown))
                self._speed_at = now
        if retry_after is not None:
            self.pause(retry_after)

    def _delay_or_grant(self) -> float:
        """Return the seconds to wait; or grant the slot, schedule the next one and return 0."""
        with self._state:
            now = self._clock()
            allowed_at = max(self._due, self._second_ends(now), self._space_ends(now))
            if now < allowed_at:
                return allowed_at - now
            self._slots.append(Slot(now, self._clock))
            # The next slot counts from the due time, so that small delays do not add up; after a long delay, from now.
            due = self._due if now - self._due <= self.rules.slack else now
            self._due = due + (1 + self._headroom_now(now)) / (self.rules.rate * self._speed_now(now))
            return 0.0

    def _second_ends(self, now: float) -> float:
        """Return the earliest time at which one more request keeps the limit of requests in a second.

        It is computed from the times when earlier requests were really sent. Minus infinity if these requests are
        fewer than the limit.
        """
        limit = self.rules.limit
        if len(self._slots) < limit:
            return float("-inf")
        oldest = sorted(slot.at for slot in self._slots)[-limit]
        return oldest + 1 + self.rules.counted_headroom * self._headroom_now(now)

    def _space_ends(self, now: float) -> float:
        """Return the earliest time at which one more request keeps the minimum interval to the previous one.

        It is computed from the time when that request was really sent. Minus infinity if no interval is kept.
        """
        if now >= self._spaced_until or not self.rules.is_counted:
            return float("-inf")
        latest = max((slot.at for slot in self._slots), default=float("-inf"))
        learned = self._headroom_now(now) - self.rules.headroom
        return latest + (1 + learned) / self.rules.rate

    def _headroom_now(self, now: float) -> float:
        forgotten = (now - self._headroom_at) * self.rules.more_headroom / self.rules.forget_seconds
        return max(self.rules.headroom, self._headroom - forgotten)

    def _speed_now(self, now: float) -> float:
        return min(1.0, self._speed + (now - self._speed_at) * self.rules.recovery)

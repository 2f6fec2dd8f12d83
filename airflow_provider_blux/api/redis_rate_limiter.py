"""A rate limiter shared by several tasks: each slot is reserved in Redis by the Lua script next to this module."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.api.rate_limiter import RateLimiter, Rules, Slot
from airflow_provider_blux.exceptions import BluxPaceError

if TYPE_CHECKING:
    from redis import Redis

# Twice the headroom of a single task, since the server receives the requests of several machines.
HEADROOM = 2 * Rules.headroom
# How long Redis remembers a limiter that no task uses.
_KEEP_SECONDS = 3600
# Seconds until a task that continues without Redis tries Redis again.
_TRY_AGAIN_SECONDS = 10.0
# A longer wait for a slot is logged.
_LONG_SECONDS = 10.0
_NO_RESERVATION = "0"

log = logging.getLogger(__name__)


class RedisRateLimiter:
    """Grants slots for requests to one endpoint to several tasks; safe to use from many threads.

    Each task holds at most one reservation, so waiting tasks are served in order, and no task starves.

    :param redis: a client of Redis.
    :param key: prefix of the two Redis keys, the same for all tasks that share the limiter. A hash tag in it keeps both
        keys in one slot of a Redis Cluster.
    :param rate: maximum number of requests a second, for all tasks together.
    :param place: the name of this Redis in the error message, as in "Check the Redis of connection redis_default".
    :param fallback: rate limiter of this task while Redis does not answer; ``None`` to fail.
    :param sleep: waits for a number of seconds; raises when the task is being stopped.
    """

    def __init__(
        self,
        redis: Redis,
        key: str,
        rate: float,
        *,
        place: str = "Redis",
        fallback: RateLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        script = files(__package__) / "redis_rate_limiter.lua"
        self._script = redis.register_script(script.read_text(encoding="utf-8"))
        self._keys = [f"{key}:state", f"{key}:starts"]
        self._rules = Rules(rate=rate, headroom=HEADROOM)
        self._constants = {
            **asdict(self._rules),
            "limit": self._rules.limit,
            "is_counted": self._rules.is_counted,
            "slack": self._rules.slack,
            "keep_seconds": _KEEP_SECONDS,
        }
        self._place = place
        self._fallback = fallback
        self._clock = clock
        self._sleep = sleep
        self._queue = threading.Lock()
        self._state = threading.Lock()
        self._has_started = False
        self._held_until = self._alone_until = float("-inf")

    def wait(self, before: Callable[[], None] | None = None) -> Slot:
        """Wait for a slot in the shared schedule and return it, as ``RateLimiter.wait`` does.

        :raises BluxPaceError: Redis does not answer, and there is no fallback.
        """
        with self._queue:
            self._sleep(0)  # asks for no slot once the task is being stopped
            if before is not None:
                before()
            if self._fallback and self._clock() < self._alone_until:
                return self._fallback.wait()
            return self._shared_slot()

    def pause(self, seconds: float) -> None:
        """Grant no slot to any task for a number of seconds; never shorten a longer pause."""
        self._hold(seconds)
        if self._fallback:
            self._fallback.pause(seconds)
        self._tell("pause", seconds=seconds)

    def throttled(self, retry_after: float | None) -> None:
        """React to an answer with status 429 as ``RateLimiter.throttled`` does, for all tasks."""
        if self._fallback:
            self._fallback.throttled(retry_after)
        if retry_after is None:
            self._tell("throttled")
        else:
            self._hold(retry_after)
            self._tell("throttled", seconds=retry_after)

    def _hold(self, seconds: float) -> None:
        with self._state:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def _shared_slot(self) -> Slot:
        name, due, is_logged = secrets.token_hex(8), _NO_RESERVATION, False
        while True:
            try:
                delay, due = self._ask_for_slot(name, due)
            except _redis_errors() as error:
                return self._slot_without_redis(error)
            if delay <= 0:
                break
            if delay > _LONG_SECONDS and not is_logged:
                is_logged = True
                log.warning(
                    "All tasks that share this rate wait for %.0f s: Blux asked one of them to wait, or the clock of "
                    "Redis was set back.",
                    delay,
                )
            self._sleep(delay)
        if self._alone_until > float("-inf"):
            log.warning("Redis answers again: this task shares the rate with the others again.")
            self._alone_until = float("-inf")
        self._has_started = True
        return Slot(self._clock(), self._clock, lambda: self._tell_left(name))

    def _ask_for_slot(self, name: str, due: str) -> tuple[float, str]:
        """Return the seconds to wait (0 if the slot is granted), and the reservation.

        The reservation is the time of the slot, in microseconds of Redis's clock.

        :param name: unique name of the request.
        :param due: the reservation that the previous call for this request returned; ``"0"`` in the first call.
        """
        # The pause is sent with each call, because Redis may have been unreachable when the pause began.
        held = max(0.0, self._held_until - self._clock())
        microseconds, due = self._ask("slot", name=name, due=due, held=held, has_started=self._has_started)
        return int(microseconds) / 1e6, str(int(due))

    def _tell_left(self, name: str) -> None:
        if self._rules.is_counted:
            self._tell("left", name=name)

    def _ask(self, what: str, **arguments: Any) -> Any:
        return self._script(keys=self._keys, args=[what, json.dumps({**self._constants, **arguments})])

    def _tell(self, what: str, **arguments: Any) -> None:
        """Report an event to the limiter in Redis; ignore errors, since the next wait for a slot raises them.

        :param what: the function of the Lua script that is called: ``left`` (a request was written), ``pause`` or
            ``throttled`` (the answer was a 429).
        :param arguments: the arguments of this function.
        """
        try:
            self._ask(what, **arguments)
        except Exception as error:  # noqa: BLE001 - a request may be in flight, and its answer must not be lost
            log.debug("Redis was not told of %s (%s).", what, type(error).__name__)

    def _slot_without_redis(self, error: Exception) -> Slot:
        what = _description(error)
        if self._fallback is None:
            raise BluxPaceError(
                f"{what}, so the rate that tasks share cannot be controlled, and nothing is sent. Check "
                f"{self._place}, or let each task continue with its own share of it (rate_limit_fallback='share')."
            ) from error
        if self._alone_until == float("-inf"):
            rate = self._fallback.rules.rate
            log.warning(
                "%s: until Redis answers again, this task sends at most %g requests/s (its own share).", what, rate
            )
        self._alone_until = self._clock() + _TRY_AGAIN_SECONDS
        return self._fallback.wait()


Limiter = RateLimiter | RedisRateLimiter
"""A rate limiter, in this process or shared through Redis."""


def _redis_errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError

    return (RedisError, OSError)


def _description(error: Exception) -> str:
    from redis.exceptions import AuthenticationError, ResponseError

    if isinstance(error, ResponseError | AuthenticationError):
        # The text starts with a Redis error code, unless the client has a class of its own for this code.
        code = str(error).partition(" ")[0]
        return f"Redis refuses ({code if code.isupper() else type(error).__name__})"
    # The client raises the same error for a refused connection, an unknown host and a certificate that is not trusted.
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    return f"Redis does not answer ({type(cause).__name__})"

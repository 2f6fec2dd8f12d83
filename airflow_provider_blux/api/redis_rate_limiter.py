"""One pace for many tasks: each start is reserved in Redis, by the script beside this module."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.api.rate_limiter import Pace, Rules, Start
from airflow_provider_blux.exceptions import BluxPaceError

if TYPE_CHECKING:
    from redis import Redis

# Twice the room that one task needs: requests of several machines meet at the server.
HEADROOM = 2 * Rules.headroom
# How long Redis remembers a pace that nobody uses.
_KEEP_SECONDS = 3600
# So often a task that goes on alone looks whether Redis is back.
_LOOK_AGAIN_SECONDS = 10.0
# A wait for a turn that is longer than this is worth a line in the log.
_LONG_SECONDS = 10.0
_NO_RESERVATION = "0"

log = logging.getLogger(__name__)


class SharedPace:
    """The starts of requests to one endpoint, of all tasks together; safe to use from many threads.

    Each task holds one reservation at most, so all that wait take turns and none starves.

    :param redis: a client of Redis.
    :param key: names the pace: the same for all tasks that share it.
    :param rate: most requests a second, of all tasks together.
    :param instead: paces this task alone while Redis does not answer; ``None`` to fail.
    :param sleep: waits so many seconds; raises when the task is being stopped.
    """

    def __init__(
        self,
        redis: Redis,
        key: str,
        rate: float,
        *,
        instead: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._script = redis.register_script((files(__package__) / "redis_rate_limiter.lua").read_text(encoding="utf-8"))
        self._keys = [f"{key}:state", f"{key}:starts"]
        self._rules = Rules(rate=rate, headroom=HEADROOM)
        derived = {"limit": self._rules.limit, "slack": self._rules.slack, "keep_seconds": _KEEP_SECONDS}
        self._constants = {**asdict(self._rules), **derived}
        self._instead = instead
        self._clock = clock
        self._sleep = sleep
        self._turnstile = threading.Lock()
        self._state = threading.Lock()
        self._names = (f"{secrets.token_hex(6)}-{number}" for number in count())
        self._has_started = False
        self._held_until = self._alone_until = float("-inf")

    def wait(self, before: Callable[[], None] | None = None) -> Start:
        """Wait for this request's turn among those of all tasks; return its start.

        :param before: done once while waiting, when no other request of this task will be granted a turn before.
        :raises BluxPaceError: Redis does not answer, and the task may not go on alone.
        """
        with self._turnstile:
            self._sleep(0)  # nobody asks for another turn once the task is being stopped
            if before is not None:
                before()
            if self._instead and self._clock() < self._alone_until:
                return self._instead.wait()
            return self._start_together()

    def pause(self, seconds: float) -> None:
        """Grant no task a start for so many seconds."""
        with self._state:
            self._held_until = max(self._held_until, self._clock() + seconds)
        if self._instead:
            self._instead.pause(seconds)
        self._tell("pause", seconds=seconds)

    def refused(self) -> None:
        """Note a refusal for want of headroom."""
        if self._instead:
            self._instead.refused()
        self._tell("refused")

    def slow_down(self) -> None:
        """Lower the speed of all tasks, and let it recover gradually."""
        if self._instead:
            self._instead.slow_down()
        self._tell("slow_down")

    def _start_together(self) -> Start:
        name, due, has_said = next(self._names), _NO_RESERVATION, False
        while True:
            try:
                delay, due = self._ask_for_turn(name, due)
            except _redis_errors() as error:
                return self._lost(error)
            if delay <= 0:
                break
            if delay > _LONG_SECONDS and not has_said:
                has_said = True
                log.warning(
                    "All tasks that share this pace wait for %.0f s: Blux asked one of them to, or the clock of Redis "
                    "was set back.",
                    delay,
                )
            self._sleep(delay)
        if self._alone_until > float("-inf"):
            log.warning("Redis answers again: this task shares its pace with the others again.")
            self._alone_until = float("-inf")
        self._has_started = True
        return Start(self._clock(), self._clock, lambda: self._tell_left(name))

    def _ask_for_turn(self, name: str, due: str) -> tuple[float, str]:
        """Return the seconds still to wait, 0 when the start was granted, and the reservation to come back with."""
        # Said again with each turn: Redis may have been away when it was told of a pause.
        held = max(0.0, self._held_until - self._clock())
        microseconds, due = self._ask("turn", name=name, due=due, held=held, has_started=self._has_started)
        return int(microseconds) / 1e6, str(int(due))

    def _tell_left(self, name: str) -> None:
        if self._rules.is_counted:
            self._tell("left", name=name)

    def _ask(self, what: str, **arguments: Any) -> Any:
        return self._script(keys=self._keys, args=[what, json.dumps({**self._constants, **arguments})])

    def _tell(self, what: str, **arguments: Any) -> None:
        """Tell the other tasks something; without Redis the next request of this one will notice."""
        try:
            self._ask(what, **arguments)
        except Exception as error:  # noqa: BLE001 - a request may be on its way, whose answer is not to be lost
            log.debug("Redis was not told of %s (%s).", what, type(error).__name__)

    def _lost(self, error: Exception) -> Start:
        what = _said_by(error)
        if self._instead is None:
            raise BluxPaceError(
                f"{what}, so the rate that tasks share cannot be kept; nothing is sent without it. See to Redis, or "
                "let each task go on with a share of its own (rate_limit_fallback='share')."
            ) from error
        if self._alone_until == float("-inf"):
            rate = self._instead.rules.rate
            log.warning("%s: until that changes, this task keeps to its own share of %g requests/s.", what, rate)
        self._alone_until = self._clock() + _LOOK_AGAIN_SECONDS
        return self._instead.wait()


def _redis_errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError

    return (RedisError, OSError)


def _said_by(error: Exception) -> str:
    from redis.exceptions import ResponseError

    if isinstance(error, ResponseError):  # an answer, which begins with its code
        return f"Redis refuses ({str(error).partition(' ')[0]})"
    return f"Redis does not answer ({type(error).__name__})"

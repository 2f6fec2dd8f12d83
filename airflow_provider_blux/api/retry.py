"""Whether a request is repeated, how long it waits, until when, and what is said (tenacity)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from airflow_provider_blux.exceptions import BluxUnavailable

ATTEMPTS = 6
_SHORTEST, _LONGEST = 0.5, 30.0

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


def until_answered(
    attempt: Callable[[], Answer],
    *,
    what: str,
    sleep: Callable[[float], None],
    on_retry: Callable[[], None],
    repeat_in_doubt: bool = True,
    rng: Callable[[], float] = random.random,
) -> Answer:
    """Return what a request is answered, after as many attempts as that takes.

    :param what: what is sent, for the log (``batch 12 (records 1101-1200)``).
    :param sleep: waits so many seconds; raises when the task is being stopped.
    :param on_retry: called once for each repetition.
    :param repeat_in_doubt: whether a request may be repeated that may have been processed already.
    :raises BluxUnavailable: none was answered; anything else that an attempt raises.
    """
    try:
        return attempt()
    except BluxUnavailable as error:
        failed = [error]

    def again() -> Answer:
        # The first attempt was made outside: it is nearly always the last, and need not pay for what follows one.
        if failed:
            raise failed.pop()
        return attempt()

    def whether(error: BaseException) -> bool:
        return isinstance(error, BluxUnavailable) and (repeat_in_doubt or not error.in_doubt)

    def how_long(state: RetryCallState) -> float:
        error = _error_of(state)
        if error.retry_after is not None:
            return 0.0  # the pace waits, for all requests alike
        ceiling: float = min(_LONGEST, _SHORTEST * 2**state.attempt_number)
        return ceiling / 2 + rng() * ceiling / 2

    def what_we_say(state: RetryCallState) -> None:
        error, delay = _error_of(state), state.next_action.sleep if state.next_action else 0.0
        wait = f"{delay:.1f} s" if error.retry_after is None else f"the {error.retry_after:.0f} s that Blux asked for"
        log.warning("%s: %s Attempt %d of %d failed, waiting %s.", what, error, state.attempt_number, ATTEMPTS, wait)
        on_retry()

    retrying = Retrying(
        retry=retry_if_exception(whether),
        wait=how_long,
        stop=stop_after_attempt(ATTEMPTS),
        before_sleep=what_we_say,
        sleep=sleep,
        reraise=True,
    )
    return retrying(again)


def _error_of(state: RetryCallState) -> BluxUnavailable:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, BluxUnavailable) else BluxUnavailable("no answer")

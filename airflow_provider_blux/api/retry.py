"""The retry policy for requests, with tenacity: conditions, delays, limit and logging."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, stop_after_attempt

from airflow_provider_blux.exceptions import BluxApiError, BluxUnavailable

ATTEMPTS = 6
_SHORTEST, _LONGEST = 0.5, 30.0
# If the API asks for a longer wait, the try fails, and Airflow waits before the next try of the task.
LONGEST_RETRY_AFTER = 3600.0

log = logging.getLogger(__name__)


def retrying(
    *,
    sleep: Callable[[float], None],
    on_retry: Callable[[], None],
    repeat_in_doubt: bool = True,
    rng: Callable[[], float] = random.random,
) -> Retrying:
    """Return a callable that calls a function and repeats the call after a temporary error.

    ``retrying(...)(function, what, *arguments)`` calls ``function(what, *arguments)``. The text of ``what`` names the
    request in the log (``batch 12 (records 1101-1200)``). The error of the last attempt is raised unchanged.

    :param sleep: waits for a number of seconds; raises when the task is being stopped.
    :param on_retry: called once for each retry.
    :param repeat_in_doubt: whether to retry a request that may have been processed.
    :param rng: returns a random number from 0 to 1, by which delays differ.
    """

    def should_retry(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, BluxApiError):
            error.attempt = state.attempt_number
        if not isinstance(error, BluxUnavailable) or (error.in_doubt and not repeat_in_doubt):
            return False
        return error.retry_after is None or error.retry_after <= LONGEST_RETRY_AFTER

    def wait(state: RetryCallState) -> float:
        # `Retry-After` is not used here: the rate limiter waits that long, for all requests.
        ceiling: float = min(_LONGEST, _SHORTEST * 2**state.attempt_number)
        return ceiling / 2 + rng() * ceiling / 2

    def log_retry(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        waiting = f"{seconds:.1f} s"
        if isinstance(error, BluxUnavailable) and (error.retry_after or 0) > seconds:
            waiting = f"the {error.retry_after:.0f} s that Blux asked for"
        log.warning(
            "%s: %s Attempt %d of %d failed, waiting %s.", state.args[0], error, state.attempt_number, ATTEMPTS, waiting
        )
        on_retry()

    return Retrying(
        retry=should_retry,
        wait=wait,
        stop=stop_after_attempt(ATTEMPTS),
        before_sleep=log_retry,
        sleep=sleep,
        reraise=True,
    )

from __future__ import annotations

import logging

import pytest

from airflow_provider_blux.api.retry import ATTEMPTS, retrying
from airflow_provider_blux.exceptions import BluxAuthError, BluxRequestError, BluxStopped, BluxUnavailable


class Caller:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.slept: list[float] = []
        self.retries = 0

    def __call__(self, what: str) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    def count(self) -> None:
        self.retries += 1

    def run(self, **options: object) -> str:
        retry = retrying(sleep=self.slept.append, on_retry=self.count, **options)
        return retry(self, "batch 3 (records 201-300)")


def test_six_attempts_with_growing_waits_and_the_last_error_comes_through():
    caller = Caller(*(BluxUnavailable(f"no {number}", status=503) for number in range(10)))

    with pytest.raises(BluxUnavailable, match="no 5") as raised:
        caller.run(rng=lambda: 1.0)
    assert raised.value.attempt == 6

    assert caller.calls == ATTEMPTS == 6
    assert caller.slept == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert caller.retries == 5


def test_the_waits_are_spread_by_half():
    caller = Caller(*(BluxUnavailable("no") for _ in range(5)))
    caller.run(rng=lambda: 0.0)
    assert caller.slept == [0.5, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    "error", [BluxAuthError("401", status=401), BluxRequestError("400", status=400), BluxStopped("")]
)
def test_what_another_attempt_cannot_fix_is_not_repeated(error):
    caller = Caller(error)
    with pytest.raises(type(error)):
        caller.run()
    assert caller.calls == 1


def test_a_request_in_doubt_is_repeated_only_where_that_is_allowed():
    repeated = Caller(BluxUnavailable("?", in_doubt=True))
    assert repeated.run() == "answer"

    left = Caller(BluxUnavailable("?", in_doubt=True))
    with pytest.raises(BluxUnavailable):
        left.run(repeat_in_doubt=False)
    assert left.calls == 1

    refused = Caller(BluxUnavailable("503", status=503))
    assert refused.run(repeat_in_doubt=False) == "answer"


@pytest.mark.parametrize("retry_after", [0, 1, 30])
def test_however_short_a_retry_after_is_the_wait_is_never_less_than_our_own(retry_after):
    caller = Caller(*(BluxUnavailable("503", status=503, retry_after=retry_after) for _ in range(3)))
    caller.run(rng=lambda: 1.0)
    assert caller.slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(("retry_after", "calls"), [(3600, 2), (3601, 1), (1.7e9, 1)])
def test_a_retry_after_beyond_an_hour_ends_the_try(retry_after, calls):
    caller = Caller(BluxUnavailable("429", status=429, retry_after=retry_after))
    if calls == 1:
        with pytest.raises(BluxUnavailable):
            caller.run()
    else:
        assert caller.run() == "answer"
    assert caller.calls == calls


def test_each_failed_attempt_is_said_once_with_what_and_how_long(caplog):
    caplog.set_level(logging.WARNING)
    Caller(BluxUnavailable("Blux answered 503.", status=503)).run(rng=lambda: 1.0)

    assert [record.getMessage() for record in caplog.records] == [
        "batch 3 (records 201-300): Blux answered 503. Attempt 1 of 6 failed, waiting 1.0 s."
    ]


@pytest.mark.parametrize(
    ("retry_after", "waiting"), [(None, "1.0 s"), (0, "1.0 s"), (30, "the 30 s that Blux asked for")]
)
def test_the_longer_of_both_waits_is_logged(caplog, retry_after, waiting):
    caplog.set_level(logging.WARNING)
    Caller(BluxUnavailable("Blux answered 503.", status=503, retry_after=retry_after)).run(rng=lambda: 1.0)

    assert caplog.records[0].getMessage().endswith(f"failed, waiting {waiting}.")

from __future__ import annotations

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.emulator.rates import LIMIT_KINDS, Limiters, LimitKind, rates_by_key
from tests.emulator.client import DELETE_PROFILE, DELETE_PROFILES, DELETE_USERS, PROFILES, USERS, VALID, Client


def test_the_window_slides() -> None:
    limiters = Limiters()
    # Twenty at the end of one clock second, twenty at the beginning of the next: forty within one second.
    counts = [limiters.arrive("open.send_events", 0.9 + n / 200) for n in range(40)]
    assert counts == list(range(1, 41))
    assert limiters.peaks() == {"open.send_events": 40}


def test_an_even_pace_at_the_limit_never_exceeds_it() -> None:
    limiters = Limiters()
    assert max(limiters.arrive("open.send_events", n / 20) for n in range(100)) == 20


def test_a_second_later_there_is_room_again() -> None:
    limiters = Limiters()
    assert [limiters.arrive("a.b", now) for now in (0.0, 0.5, 1.0, 1.4, 1.5)] == [1, 2, 2, 3, 3]


@pytest.mark.usefixtures("at_one_moment")
def test_rates_are_not_policed_unless_asked_for(blux: Emulator, client: Client) -> None:
    assert {client.post(USERS, VALID[USERS]).status_code for _ in range(25)} == {200}
    assert blux.state()["max_requests_in_one_second"] == {"application.upsert_users": 25}


@pytest.mark.usefixtures("at_one_moment")
def test_one_request_too_many_is_429_with_retry_after(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, rates={"upsert_users": 2})
    answers = [client.post(USERS, VALID[USERS]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json() == {"message": "more than 2 requests a second"}


@pytest.mark.usefixtures("at_one_moment")
def test_each_operation_of_each_api_has_its_own_rate(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, rates={"application.upsert_users": 1, "open.upsert_users": 2})
    assert [client.post(USERS, VALID[USERS]).status_code for _ in range(2)] == [200, 429]
    assert [client.post(PROFILES, VALID[PROFILES]).status_code for _ in range(3)] == [202, 202, 429]
    assert client.post(DELETE_USERS, VALID[DELETE_USERS]).status_code == 200


@pytest.mark.usefixtures("at_one_moment")
def test_both_deletion_jobs_share_a_rate(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, rates={"delete_users": 1})
    assert client.post(DELETE_PROFILE, VALID[DELETE_PROFILE]).status_code == 202
    assert client.post(DELETE_PROFILES, VALID[DELETE_PROFILES]).status_code == 429


@pytest.mark.usefixtures("at_one_moment")
def test_the_published_rates_are_the_default() -> None:
    with Emulator(police_rates=True) as blux, Client(blux) as client:
        assert blux.settings()["rates"] == {
            "application.upsert_users": 20,
            "application.delete_users": 100,
            "open.upsert_users": 20,
            "open.delete_users": 20,
            "open.send_events": 20,
            "open.update_devices": 20,
        }
        answers = [client.post(USERS, VALID[USERS]).status_code for _ in range(22)]
        assert answers == [200] * 20 + [429] * 2
        blux.reset()
        assert blux.settings()["police_rates"] is True


def admitted(kind: LimitKind, arrivals: list[float], rate: int = 20) -> list[bool]:
    """Return whether a limiter accepts each of the arrivals, which are Unix times."""
    limiters = Limiters()
    return [limiters.admits(kind, "a.b", rate, 1_790_000_000 + now) for now in arrivals]


@pytest.mark.parametrize("kind", LIMIT_KINDS)
def test_every_kind_of_limiter_lets_an_even_pace_at_the_limit_pass(kind: LimitKind) -> None:
    assert all(admitted(kind, [n / 20 for n in range(200)]))


def test_a_limiter_of_a_sliding_second_counts_what_it_refuses() -> None:
    arrivals = [*(n / 1000 for n in range(25)), 1.01]  # 15 arrived in the second before the last one
    assert admitted("sliding_second", arrivals) == [True] * 20 + [False] * 5 + [True]
    assert admitted("sliding_second", [0.0, 0.6, 1.2, 1.3], rate=1) == [True, False, False, False]


def test_a_limiter_of_the_spacing_refuses_what_follows_too_closely_and_counts_from_the_last_it_accepted() -> None:
    assert admitted("spacing", [0.0, 0.049, 0.05, 0.098, 0.101]) == [True, False, True, False, True]


def test_a_limiter_of_the_spacing_sees_whole_milliseconds() -> None:
    assert admitted("spacing", [0.0009, 0.0501]) == [True, True]
    assert admitted("spacing", [0.0001, 0.0499]) == [True, False]


def test_a_token_bucket_lets_a_burst_pass_and_is_refilled_at_the_rate() -> None:
    burst = [0.0] * 21
    assert admitted("token_bucket", [*burst, 0.04, 0.06, 0.06]) == [True] * 20 + [False, False, True, False]
    assert admitted("token_bucket", [*burst, *[5.0] * 21]) == ([True] * 20 + [False]) * 2


def test_a_token_bucket_is_not_filled_twice_for_a_request_that_is_seen_late() -> None:
    assert admitted("token_bucket", [1.0, 1.0, 0.0, 1.0], rate=2) == [True, True, False, False]


def test_limiters_know_operations_apart_and_forget_when_told_to() -> None:
    limiters = Limiters()
    for kind in LIMIT_KINDS:
        assert [limiters.admits(kind, key, 1, 7.0) for key in (f"a.{kind}", f"b.{kind}")] == [True, True]
        assert not limiters.admits(kind, f"a.{kind}", 1, 7.0)
    limiters.clear()
    assert all(limiters.admits(kind, f"a.{kind}", 1, 7.0) for kind in LIMIT_KINDS)


@pytest.mark.usefixtures("at_one_moment")
def test_the_kind_of_limiter_is_a_setting(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, limit_kind="spacing", rates={"upsert_users": 1})
    assert [client.post(USERS, VALID[USERS]).status_code for _ in range(2)] == [200, 429]
    blux.settings(limit_kind="sliding_second", rates={"upsert_users": 3})
    assert [client.post(USERS, VALID[USERS]).status_code for _ in range(2)] == [200, 429]
    blux.settings(limit_kind="token_bucket")
    assert [client.post(USERS, VALID[USERS]).status_code for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.usefixtures("at_one_moment")
def test_the_kind_of_limiter_may_be_given_at_the_start() -> None:
    with Emulator(police_rates=True, limit_kind="spacing") as blux, Client(blux) as client:
        assert [client.post(USERS, VALID[USERS]).status_code for _ in range(2)] == [200, 429]


@pytest.mark.usefixtures("at_one_moment")
def test_a_refusal_may_come_without_retry_after(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, retry_after=None, rates={"upsert_users": 1})
    assert "Retry-After" not in [client.post(USERS, VALID[USERS]) for _ in range(2)][1].headers
    blux.settings(retry_after=7)
    assert client.post(USERS, VALID[USERS]).headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"upsert": 1}, "'upsert' is not one of application.upsert_users"),
        ({"application.send_events": 1}, "is not one of"),
        ({"upsert_users": 0}, "upsert_users must be a whole number above zero"),
        ({"upsert_users": 1.5}, "upsert_users must be a whole number above zero"),
    ],
)
def test_wrong_rates_are_refused(rates: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates_by_key(rates)

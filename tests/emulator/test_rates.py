from __future__ import annotations

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.emulator.rates import Arrivals, rates_by_key
from tests.emulator.client import DELETE_PROFILE, DELETE_PROFILES, DELETE_USERS, PROFILES, USERS, VALID, Client


def test_the_window_slides() -> None:
    arrivals = Arrivals()
    # Twenty at the end of one clock second, twenty at the beginning of the next: forty within one second.
    counts = [arrivals.arrive("open.send_events", 0.9 + n / 200) for n in range(40)]
    assert counts == list(range(1, 41))
    assert arrivals.peaks() == {"open.send_events": 40}


def test_an_even_pace_at_the_limit_never_exceeds_it() -> None:
    arrivals = Arrivals()
    assert max(arrivals.arrive("open.send_events", n / 20) for n in range(100)) == 20


def test_a_second_later_there_is_room_again() -> None:
    arrivals = Arrivals()
    assert [arrivals.arrive("a.b", now) for now in (0.0, 0.5, 1.0, 1.4, 1.5)] == [1, 2, 2, 3, 3]


def test_rates_are_not_policed_unless_asked_for(blux: Emulator, client: Client) -> None:
    assert {client.post(USERS, VALID[USERS]).status_code for _ in range(25)} == {200}
    assert blux.state()["max_requests_in_one_second"] == {"application.upsert_users": 25}


def test_one_request_too_many_is_429_with_retry_after(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, rates={"upsert_users": 2})
    answers = [client.post(USERS, VALID[USERS]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json() == {"message": "more than 2 requests within a second"}


def test_each_operation_of_each_api_has_its_own_rate(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, rates={"application.upsert_users": 1, "open.upsert_users": 2})
    assert [client.post(USERS, VALID[USERS]).status_code for _ in range(2)] == [200, 429]
    assert [client.post(PROFILES, VALID[PROFILES]).status_code for _ in range(3)] == [202, 202, 429]
    assert client.post(DELETE_USERS, VALID[DELETE_USERS]).status_code == 200


def test_both_deletion_jobs_share_a_rate(blux: Emulator, client: Client) -> None:
    blux.settings(police_rates=True, rates={"delete_users": 1})
    assert client.post(DELETE_PROFILE, VALID[DELETE_PROFILE]).status_code == 202
    assert client.post(DELETE_PROFILES, VALID[DELETE_PROFILES]).status_code == 429


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


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"upsert": 1}, "'upsert' is none of application.upsert_users"),
        ({"application.send_events": 1}, "is none of"),
        ({"upsert_users": 0}, "upsert_users must be a whole number above zero"),
        ({"upsert_users": 1.5}, "upsert_users must be a whole number above zero"),
    ],
)
def test_wrong_rates_are_refused(rates: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates_by_key(rates)

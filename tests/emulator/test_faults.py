from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.emulator.endpoints import ENDPOINTS
from airflow_provider_blux.emulator.faults import FaultPlan, fault_from
from tests.emulator.client import (
    DELETE_PROFILE,
    DELETE_USERS,
    DEVICES,
    EVENTS,
    NOTHING,
    PROFILES,
    USERS,
    VALID,
    Client,
    until,
)
from tests.patience import with_enough_time

USERS_ENDPOINT = ENDPOINTS[0]


def statuses(client: Client, path: str, times: int) -> list[int]:
    return [client.post(path, VALID[path]).status_code for _ in range(times)]


def test_a_status_is_answered_and_nothing_stored(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=503, headers={"Retry-After": "7"}, body={"message": "later"})
    answer = client.post(USERS, VALID[USERS])
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (503, "7", {"message": "later"})
    assert blux.counts() == NOTHING
    assert blux.requests()[0]["fault"] == "status"
    assert blux.requests()[0]["records"] == 1


def test_a_processed_status_is_answered_after_storing(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=500, processed=True)
    answer = client.post(USERS, VALID[USERS])
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert blux.counts()["users"] == 1


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [("<h1>Bad gateway</h1>", "text/plain; charset=utf-8", "<h1>Bad gateway</h1>"), ([1], "application/json", "[1]")],
)
def test_a_status_has_the_given_body(blux: Emulator, client: Client, body: Any, content_type: str, text: str) -> None:
    blux.fault(kind="status", status=502, body=body)
    answer = client.post(USERS, VALID[USERS])
    assert (answer.headers["Content-Type"], answer.text) == (content_type, text)


def test_a_status_can_be_a_redirect_or_have_no_name(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=307, headers={"Location": "/elsewhere"}, times=1)
    blux.fault(kind="status", status=204, times=1)
    blux.fault(kind="status", status=599)
    assert client.post(USERS, VALID[USERS], allow_redirects=False).headers["Location"] == "/elsewhere"
    assert client.post(USERS, VALID[USERS]).content == b""
    assert client.post(USERS, VALID[USERS]).json() == {"message": "status 599"}


def test_times_and_skip_count_matching_requests(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=503, operation="upsert_users", api="application", skip=1, times=2)
    assert client.post(PROFILES, VALID[PROFILES]).status_code == 202
    assert statuses(client, USERS, 4) == [200, 503, 503, 200]
    (planned,) = blux.faults()
    assert (planned["seen"], planned["struck"]) == (3, 2)


def test_a_fault_without_an_operation_strikes_them_all(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=503)
    assert {client.post(path, body).status_code for path, body in VALID.items()} == {503}


def test_a_fault_of_an_api_strikes_that_api(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=503, api="open")
    assert statuses(client, USERS, 1) + statuses(client, DELETE_PROFILE, 1) == [200, 503]


def test_the_first_fault_in_the_plan_goes_first(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=500, times=1)
    blux.fault(kind="status", status=503, times=1)
    assert statuses(client, USERS, 3) == [500, 503, 200]


def test_a_wrong_key_is_401_whatever_the_faults(blux: Emulator, client: Client) -> None:
    blux.fault(kind="status", status=503)
    assert client.post(USERS, VALID[USERS], headers={"Authorization": "wrong"}).status_code == 401


def test_probability_repeats_with_its_seed(blux: Emulator, client: Client) -> None:
    def drawn(seed: int) -> list[int]:
        blux.reset()
        blux.settings(seed=seed)
        blux.fault(kind="status", status=503, probability=0.5)
        return statuses(client, USERS, 20)

    first = drawn(1)
    assert set(first) == {200, 503}
    assert drawn(1) == first
    assert drawn(2) != first


@pytest.mark.parametrize(("processed", "stored"), [(False, 0), (True, 1)])
def test_a_reset_connection_gives_no_answer(blux: Emulator, client: Client, processed: bool, stored: int) -> None:
    blux.fault(kind="reset", processed=processed, times=1)
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        client.post(USERS, VALID[USERS])
    assert blux.counts()["users"] == stored
    assert [(entry["status"], entry["fault"]) for entry in blux.requests()] == [(None, "reset")]
    assert client.post(USERS, VALID[USERS]).status_code == 200


@pytest.mark.parametrize(("path", "status"), [(USERS, 200), (EVENTS, 202)])
def test_a_truncated_answer_breaks_off_after_its_status(blux: Emulator, client: Client, path: str, status: int) -> None:
    blux.fault(kind="truncate", times=1)
    answer = client.post(path, VALID[path], stream=True)
    assert (answer.status_code, answer.headers["Content-Length"]) == (status, "16")
    with pytest.raises(requests.RequestException, match="IncompleteRead"):
        _ = answer.content
    assert sum(blux.counts().values()) == 1
    assert [(entry["status"], entry["fault"]) for entry in blux.requests()] == [(status, "truncate")]


def test_faults_after_storing_pass_a_refused_request_by(blux: Emulator, client: Client) -> None:
    blux.fault(kind="truncate", times=1)
    assert client.post(USERS, {"users": []}).status_code == 400
    assert blux.faults()[0]["struck"] == 0


def test_a_delay_outlasts_an_impatient_client_and_stores_all_the_same(blux: Emulator, client: Client) -> None:
    def outlasts(seconds: float) -> None:
        blux.reset()
        blux.fault(kind="delay", seconds=seconds, seconds_max=seconds + 0.05)
        with pytest.raises(requests.ReadTimeout):
            client.post(USERS, VALID[USERS], timeout=0.1)
        until(lambda: blux.requests() != [])
        assert blux.counts() == {**NOTHING, "users": 1}
        assert client.post(DELETE_USERS, VALID[DELETE_USERS], timeout=60).elapsed.total_seconds() >= seconds

    with_enough_time(0.3, outlasts)


def test_other_faults_apply_after_a_delay(blux: Emulator, client: Client) -> None:
    blux.fault(kind="delay", seconds=0.01)
    blux.fault(kind="delay", seconds=0.01)
    blux.fault(kind="status", status=503)
    assert client.post(USERS, VALID[USERS]).status_code == 503
    assert blux.requests()[0]["fault"] == "delay+status"


def test_latency_holds_every_request(blux: Emulator, client: Client) -> None:
    blux.settings(latency=0.05)
    assert client.post(USERS, VALID[USERS]).elapsed.total_seconds() >= 0.05
    assert blux.requests()[0]["fault"] is None


def test_a_request_on_hold_during_a_reset_belongs_to_the_past(blux: Emulator, client: Client) -> None:
    def is_dropped(seconds: float) -> None:
        blux.reset()
        blux.fault(kind="delay", seconds=seconds)
        with ThreadPoolExecutor() as pool:
            held = pool.submit(client.post, USERS, VALID[USERS], timeout=60)
            until(lambda: blux.faults()[0]["struck"] == 1)
            blux.reset()
            assert isinstance(held.exception(), requests.ConnectionError)
        assert blux.counts() == NOTHING
        assert blux.requests() == []

    with_enough_time(0.25, is_dropped)


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (USERS, {"users": [{"user_id": "good"}, {"user_id": "bad"}]}, "users[1]"),
        (DELETE_USERS, {"user_ids": ["good", "good", "bad"]}, "user_ids[2]"),
        (DELETE_PROFILE, {"user_id": "bad"}, "user_id"),
        (EVENTS, {"events": [{"name": "n", "user_id": "bad"}]}, "events[0]"),
        (DEVICES, {"devices": [{"device_id": "good", "user_id": "bad"}]}, "devices[0]"),
        (DEVICES, {"devices": [{"device_id": "bad"}]}, "devices[0]"),
    ],
)
def test_a_refused_id_is_named_by_its_index(
    blux: Emulator, client: Client, path: str, body: dict[str, Any], where: str
) -> None:
    blux.fault(kind="refuse", ids=["bad", "worse"])
    answer = client.post(path, body)
    assert (answer.status_code, answer.json()) == (400, {"message": f"{where} is refused"})
    assert blux.counts() == NOTHING


def test_a_careless_refusal_repeats_the_record(blux: Emulator, client: Client) -> None:
    blux.fault(kind="refuse", ids=["bad"], echo=True)
    body = {"users": [{"user_id": "bad", "user_properties": {"email_address": "홍@example.com"}}]}
    assert "홍@example.com" in client.post(USERS, body).json()["message"]


def test_refuse_leaves_other_ids_alone_and_does_not_count_them(blux: Emulator, client: Client) -> None:
    blux.fault(kind="refuse", ids=["bad"], times=1)
    assert statuses(client, USERS, 3) == [200, 200, 200]
    assert client.post(DELETE_USERS, {"user_ids": ["bad"]}).status_code == 400
    assert client.post(DELETE_USERS, {"user_ids": ["bad"]}).status_code == 200


def test_too_many_records_are_413(blux: Emulator, client: Client) -> None:
    blux.fault(kind="too_large", records=2, operation="delete_users")
    assert client.post(DELETE_USERS, {"user_ids": ["a", "b"]}).status_code == 200
    assert client.post(DELETE_USERS, {"user_ids": ["a", "b", "c"]}).status_code == 413


def test_too_many_bytes_are_413(blux: Emulator, client: Client) -> None:
    blux.fault(kind="too_large", bytes=200)
    assert client.post(DELETE_USERS, {"user_ids": ["a"]}).status_code == 200
    assert client.post(DELETE_USERS, {"user_ids": ["a" * 200]}).status_code == 413


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ([], "a fault must be an object"),
        ({}, "kind must be one of status, delay, reset, truncate, refuse, too_large"),
        ({"kind": "explode"}, "kind must be one of"),
        ({"kind": "reset", "staus": 1}, "staus is not a field of a reset fault"),
        ({"kind": "reset", "status": 500}, "status is not a field of a reset fault"),
        ({"kind": "status"}, "a status fault needs status"),
        ({"kind": "status", "status": 99}, "status must be a status from 200 to 599"),
        ({"kind": "status", "status": "503"}, "status must be a status from 200 to 599"),
        ({"kind": "status", "status": 204, "body": "x"}, "a 204 answer has no body"),
        ({"kind": "status", "status": 500, "headers": {"X": 1}}, "headers must be an object of valid headers"),
        ({"kind": "status", "status": 500, "headers": {"X": "a\r\nb"}}, "headers must be an object of valid headers"),
        ({"kind": "status", "status": 500, "headers": {"Content-Length": "1"}}, "headers must be an object"),
        ({"kind": "reset", "processed": "yes"}, "processed must be true or false"),
        ({"kind": "reset", "operation": "upsert"}, "operation must be one of upsert_users, delete_users"),
        ({"kind": "reset", "api": "closed"}, "api must be one of application, open"),
        ({"kind": "reset", "times": 0}, "times must be a whole number above zero"),
        ({"kind": "reset", "skip": -1}, "skip must be a whole number"),
        ({"kind": "reset", "probability": 1.5}, "probability must be a number from 0 to 1"),
        ({"kind": "delay"}, "a delay fault needs seconds"),
        ({"kind": "delay", "seconds": -1}, "seconds must be a number of seconds"),
        ({"kind": "delay", "seconds": 2, "seconds_max": 1}, "seconds_max must not be below seconds"),
        ({"kind": "refuse", "ids": []}, "ids must be a list of ids, not empty"),
        ({"kind": "refuse", "ids": [1]}, "ids must be a list of ids, not empty, each of them text"),
        ({"kind": "too_large"}, "a too_large fault needs records or bytes"),
        (
            {"kind": "reset", "api": "application", "operation": "send_events"},
            "the application API has no send_events, so the fault would never strike",
        ),
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_wrong(blux: Emulator, client: Client, fault: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault_from(fault)
    answer = client.call("POST", "/_emulator/faults", json=fault)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert blux.faults() == []


@pytest.mark.parametrize("body", [b"text", {1, 2}, float("nan"), {"at": object()}])
def test_a_body_that_no_answer_can_hold_is_refused_at_once(blux: Emulator, body: Any) -> None:
    with pytest.raises(ValueError, match=r"^body must be a value that JSON can hold, or text$"):
        blux.fault(kind="status", status=503, body=body)
    assert blux.faults() == []


def test_delays_are_drawn_between_their_bounds() -> None:
    plan = FaultPlan(random.Random(7))  # noqa: S311 - chance for a test
    plan.add(fault_from({"kind": "delay", "seconds": 1, "seconds_max": 3}))
    drawn = [plan.delay(USERS_ENDPOINT) for _ in range(200)]
    assert 1 <= min(drawn) < 1.2
    assert 2.8 < max(drawn) <= 3

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.emulator.client import DELETE_USERS, DEVICES, EVENTS, NOTHING, PROFILES, USERS, VALID, Client

CONTROL = [
    ("GET", "/state"),
    ("GET", "/overview"),
    ("GET", "/requests"),
    ("GET", "/faults"),
    ("POST", "/faults"),
    ("DELETE", "/faults"),
    ("GET", "/settings"),
    ("PUT", "/settings"),
    ("POST", "/reset"),
    ("GET", "/users/u-1"),
    ("GET", "/users/u-1/events"),
    ("GET", "/profiles/u-1"),
    ("GET", "/devices/d-1"),
    ("GET", "/deletions/u-1"),
]


def get(client: Client, path: str) -> Any:
    return client.call("GET", f"/_emulator{path}").json()


@pytest.mark.usefixtures("at_one_moment")
def test_the_state_counts_everything(client: Client) -> None:
    client.post(USERS, {"users": [{"user_id": "a"}, {"user_id": "b"}]})
    client.post(USERS, {"users": []})
    client.post(EVENTS, VALID[EVENTS])
    assert get(client, "/state") == {
        "counts": {**NOTHING, "users": 2, "events": 1},
        "requests": [
            {"api": "application", "operation": "upsert_users", "status": 200, "requests": 1, "records": 2},
            {"api": "application", "operation": "upsert_users", "status": 400, "requests": 1, "records": 0},
            {"api": "open", "operation": "send_events", "status": 202, "requests": 1, "records": 1},
        ],
        "max_requests_in_one_second": {"application.upsert_users": 2, "open.send_events": 1},
    }


def test_what_arrived_can_be_looked_up_by_id(blux: Emulator, client: Client) -> None:
    for path in (USERS, PROFILES, EVENTS, DEVICES):
        client.post(path, VALID[path])
    client.post(DELETE_USERS, {"user_ids": ["gone"]})
    assert get(client, "/users/u-1") == blux.user("u-1")
    assert get(client, "/profiles/u-1") == blux.profile("u-1")
    assert get(client, "/users/u-1/events") == blux.events("u-1") == VALID[EVENTS]["events"]
    assert get(client, "/devices/d-1") == blux.device("d-1")
    assert get(client, "/deletions/gone") == blux.deletion("gone")


@pytest.mark.parametrize("path", ["/users/nobody", "/profiles/nobody", "/devices/nothing", "/deletions/nobody"])
def test_what_did_not_arrive_is_404(client: Client, path: str) -> None:
    assert client.call("GET", f"/_emulator{path}").status_code == 404


@pytest.mark.parametrize("name", ["김철수", "a/b", "a/events", "100%", "a?b#c", "a b", "/"])
def test_any_id_can_be_looked_up(client: Client, name: str) -> None:
    client.post(USERS, {"users": [{"user_id": name}]})
    client.post(EVENTS, {"events": [{"name": "visit", "user_id": name}]})
    assert get(client, f"/users/{quote(name, safe='')}")["user_id"] == name
    assert [event["user_id"] for event in get(client, f"/users/{quote(name, safe='')}/events")] == [name]


def test_an_id_with_a_slash_needs_no_escaping(client: Client) -> None:
    client.post(USERS, {"users": [{"user_id": "shop/7"}]})
    assert get(client, "/users/shop/7")["user_id"] == "shop/7"


def test_the_journal_comes_in_pages(blux: Emulator, client: Client) -> None:
    for _ in range(5):
        client.post(USERS, VALID[USERS])
    assert get(client, "/requests") == blux.requests()
    assert [entry["seq"] for entry in get(client, "/requests?limit=2&offset=1")] == [2, 3]
    assert client.call("GET", "/_emulator/requests?limit=-5").status_code == 400
    answer = client.call("GET", "/_emulator/requests?limt=2")
    assert (answer.status_code, answer.json()["message"]) == (400, "limt is not one of the parameters limit, offset")


def test_faults_are_planned_shown_and_cleared(client: Client) -> None:
    fault = {"kind": "status", "status": 503, "operation": "send_events", "times": 1}
    assert client.call("POST", "/_emulator/faults", json=fault).status_code == 201
    (planned,) = get(client, "/faults")
    assert fault.items() <= planned.items()
    assert client.post(EVENTS, VALID[EVENTS]).status_code == 503
    assert get(client, "/faults")[0]["struck"] == 1
    assert client.call("DELETE", "/_emulator/faults").status_code == 200
    assert get(client, "/faults") == []


def test_settings_change_one_by_one(client: Client) -> None:
    assert client.call("PUT", "/_emulator/settings", json={"police_rates": True}).status_code == 200
    changed = client.call("PUT", "/_emulator/settings", json={"rates": {"send_events": 3}, "seed": 5}).json()
    assert (changed["police_rates"], changed["seed"], changed["latency"]) == (True, 5, 0)
    assert (changed["rates"]["open.send_events"], changed["rates"]["open.upsert_users"]) == (3, 20)
    assert get(client, "/settings") == changed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([], "the settings must be an object"),
        ({"police": True}, "police is not one of the settings police_rates, limit_kind, retry_after, rates, latency"),
        ({"police_rates": 1}, "police_rates must be true or false"),
        ({"limit_kind": "spaced"}, "limit_kind must be one of sliding_second, spacing, token_bucket"),
        ({"retry_after": True}, "retry_after must be a whole number of seconds, or null"),
        ({"retry_after": 0.5}, "retry_after must be a whole number of seconds, or null"),
        ({"retry_after": -1}, "retry_after must be a whole number of seconds, or null"),
        ({"latency": -1}, "latency must be a number of seconds"),
        ({"latency": True}, "latency must be a number of seconds"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"rates": 5}, "rates must be an object"),
        ({"rates": {"upsert": 5}}, "rates: 'upsert' is not one of"),
    ],
)
def test_wrong_settings_are_refused_and_change_nothing(client: Client, settings: Any, message: str) -> None:
    before = get(client, "/settings")
    answer = client.call("PUT", "/_emulator/settings", json=settings)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert get(client, "/settings") == before


def test_a_control_request_that_is_not_json_is_400(client: Client) -> None:
    assert client.call("POST", "/_emulator/faults", data="kind=reset").status_code == 400


def test_a_reset_forgets_everything(blux: Emulator, client: Client) -> None:
    for path, body in VALID.items():
        client.post(path, body)
    blux.fault(kind="reset")
    blux.settings(police_rates=True, rates={"upsert_users": 1}, latency=0.01, seed=3)
    at_the_start = {"police_rates": False, "latency": 0.0, "seed": 0}
    assert client.call("POST", "/_emulator/reset").status_code == 200
    assert blux.state() == {"counts": NOTHING, "requests": [], "max_requests_in_one_second": {}}
    assert blux.faults() == []
    assert at_the_start.items() <= blux.settings().items()
    assert blux.settings()["rates"]["open.upsert_users"] == 20
    assert (blux.user("u-1"), blux.events("u-1"), blux.deletion("u-1")) == (None, [], None)
    client.post(USERS, VALID[USERS])
    assert blux.counts() == {**NOTHING, "users": 1}


@pytest.mark.parametrize(("method", "path"), CONTROL)
@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example"}, {"Host": ""}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}],
    ids=["another host", "no host", "another origin", "an opaque origin"],
)
def test_the_control_plane_answers_this_machine_only(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    assert client.call(method, f"/_emulator{path}", headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8088", "127.0.0.1:8088", "[::1]:8088"])
def test_loopback_names_are_this_machine(client: Client, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.call("GET", "/_emulator/state", headers=headers).status_code == 200


def test_the_page_is_one_file_that_loads_nothing_from_elsewhere(client: Client) -> None:
    answer = client.call("GET", "/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "Blux" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "innerHTML" not in answer.text


def test_the_overview_has_all_that_the_page_shows(blux: Emulator, client: Client) -> None:
    for number in range(12):
        client.post(USERS, {"users": [{"user_id": f"u-{number}"}]})
    overview = get(client, "/overview")
    assert blux.state().items() <= overview.items()
    assert overview["newest_users"][0] == blux.user("u-11")
    assert len(overview["newest_users"]) == 10
    assert overview["latest_requests"] == blux.requests()[::-1]
    assert overview["connection"] == blux.connection_json()
    assert overview["settings"] == blux.settings()

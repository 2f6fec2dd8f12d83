from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.emulator.client import (
    DELETE_PROFILE,
    DELETE_PROFILES,
    DELETE_USERS,
    DEVICES,
    EVENTS,
    NOTHING,
    PROFILES,
    USERS,
    VALID,
    Client,
)


@pytest.mark.parametrize("path", [USERS, DELETE_USERS])
def test_the_application_api_answers_200_with_a_body(client: Client, path: str) -> None:
    answer = client.post(path, VALID[path])
    assert (answer.status_code, answer.json()) == (200, {"message": "ok"})


@pytest.mark.parametrize("path", [PROFILES, EVENTS, DELETE_PROFILE, DELETE_PROFILES, DEVICES])
def test_the_open_api_answers_202_without_a_body(client: Client, path: str) -> None:
    answer = client.post(path, VALID[path])
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize(
    ("path", "count"),
    [
        (USERS, "users"),
        (DELETE_USERS, "deleted_users"),
        (PROFILES, "profiles"),
        (EVENTS, "events"),
        (DELETE_PROFILE, "deleted_profiles"),
        (DELETE_PROFILES, "deleted_profiles"),
        (DEVICES, "devices"),
    ],
)
def test_each_endpoint_stores_its_own_kind(blux: Emulator, client: Client, path: str, count: str) -> None:
    client.post(path, VALID[path])
    assert blux.counts() == {**NOTHING, count: 1}


@pytest.mark.parametrize("path", VALID)
@pytest.mark.parametrize("authorization", ["wrong", "", "Bearer wrong", "Bearer demo-secret-key", "demo-open-api-key"])
def test_a_wrong_key_is_401(blux: Emulator, client: Client, path: str, authorization: str) -> None:
    answer = client.post(path, VALID[path], headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert blux.counts() == NOTHING


def test_another_application_is_401(client: Client) -> None:
    assert client.post(USERS.replace("demo-app", "other-app"), VALID[USERS]).status_code == 401


@pytest.mark.parametrize(
    "params", [{}, {"project_id": ""}, {"project_id": "other"}, {"project_id": ["demo-project"] * 2}]
)
def test_a_missing_or_wrong_project_is_401(client: Client, params: dict[str, Any]) -> None:
    assert client.post(EVENTS, VALID[EVENTS], params=params).status_code == 401


def test_other_credentials_can_be_chosen() -> None:
    chosen = {"application_id": "a", "secret_key": "b", "project_id": "c", "open_api_key": "d"}
    with Emulator(**chosen) as blux, Client(blux) as client:
        assert client.post(USERS, VALID[USERS]).status_code == 401
        application = USERS.replace("demo-app", "a")
        assert client.post(application, VALID[USERS], headers={"Authorization": "b"}).status_code == 200
        opened = {"headers": {"Authorization": "Bearer d"}, "params": {"project_id": "c"}}
        assert client.post(EVENTS, VALID[EVENTS], **opened).status_code == 202
        assert blux.connection()["login"] == "a"
        assert blux.connection()["extra"]["open_api_key"] == "d"


def test_credentials_are_checked_before_the_body(client: Client) -> None:
    assert client.post(USERS, data="not JSON", headers={"Authorization": "wrong"}).status_code == 401


def test_an_unknown_path_is_404_in_json(client: Client) -> None:
    answer = client.post("/prod/v3/nothing")
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_a_slash_too_many_is_404_and_no_redirect(client: Client) -> None:
    assert client.post(USERS + "/", VALID[USERS], allow_redirects=False).status_code == 404


def test_another_method_is_405_in_json(client: Client) -> None:
    answer = client.call("GET", USERS)
    assert (answer.status_code, answer.json()) == (405, {"message": "Method Not Allowed"})


@pytest.mark.parametrize(
    ("path", "key", "limit", "record"),
    [
        (USERS, "users", 100, lambda n: {"user_id": f"u-{n}"}),
        (DELETE_USERS, "user_ids", 3000, lambda n: f"u-{n}"),
        (PROFILES, "profiles", 1000, lambda n: {"user_id": f"u-{n}"}),
        (EVENTS, "events", 1000, lambda n: {"name": "visit", "user_id": f"u-{n}"}),
        (DELETE_PROFILES, "user_ids", 1000, lambda n: f"u-{n}"),
        (DEVICES, "devices", 1000, lambda n: {"device_id": f"d-{n}"}),
    ],
)
def test_the_limit_is_allowed_and_one_more_is_not(client: Client, path: str, key: str, limit: int, record: Any) -> None:
    records = [record(n) for n in range(limit + 1)]
    assert client.post(path, {key: records[:-1]}).status_code in {200, 202}
    answer = client.post(path, {key: records})
    assert (answer.status_code, answer.json()) == (400, {"message": f"{key} must not hold more than {limit} records"})


def test_a_refused_request_stores_none_of_its_records(blux: Emulator, client: Client) -> None:
    client.post(USERS, {"users": [{"user_id": "good"}, {"user_id": ""}]})
    assert blux.counts() == NOTHING


def test_every_request_is_in_the_journal(blux: Emulator, client: Client) -> None:
    client.post(USERS, {"users": [{"user_id": "a"}, {"user_id": "b"}]})
    client.post(EVENTS, VALID[EVENTS], params={})
    client.post(DELETE_PROFILES, {"user_ids": []})
    client.post(DELETE_PROFILE, VALID[DELETE_PROFILE])
    entries = blux.requests()
    assert [(e["api"], e["operation"], e["records"], e["status"], e["fault"]) for e in entries] == [
        ("application", "upsert_users", 2, 200, None),
        ("open", "send_events", 1, 401, None),
        ("open", "delete_users", 0, 400, None),
        ("open", "delete_users", 1, 202, None),
    ]
    assert [e["seq"] for e in entries] == [1, 2, 3, 4]
    assert sorted(e["arrived"] for e in entries) == [e["arrived"] for e in entries]

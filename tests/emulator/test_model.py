from __future__ import annotations

import sqlite3
from pathlib import Path

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


def test_an_update_merges_key_by_key(blux: Emulator, client: Client) -> None:
    first = {"phone_number": "010", "marketing_notification_consent": True}
    client.post(
        USERS, {"users": [{"user_id": "u", "user_properties": first, "custom_user_properties": {"a": {"b": 1}}}]}
    )
    client.post(USERS, {"users": [{"user_id": "u", "user_properties": {"phone_number": None}}]})
    client.post(USERS, {"users": [{"user_id": "u", "custom_user_properties": {"a": {"c": 2}, "d": 3}}]})
    assert blux.user("u") == {
        "user_id": "u",
        "user_properties": {"phone_number": None, "marketing_notification_consent": True},
        "custom_user_properties": {"a": {"c": 2}, "d": 3},
    }
    assert blux.counts()["users"] == 1


def test_updates_within_one_request_apply_in_order(blux: Emulator, client: Client) -> None:
    users = [{"user_id": "u", "custom_user_properties": {"n": n, f"k{n}": True}} for n in (1, 2)]
    client.post(USERS, {"users": users})
    assert blux.user("u")["custom_user_properties"] == {"n": 2, "k1": True, "k2": True}


def test_the_two_apis_keep_their_users_apart(blux: Emulator, client: Client) -> None:
    client.post(USERS, VALID[USERS])
    client.post(
        PROFILES, {"profiles": [{"user_id": "p-1", "properties": {"x": 1}, "timestamp": "2025-01-17T05:39:22Z"}]}
    )
    client.post(DELETE_PROFILES, {"user_ids": ["u-1"]})
    assert blux.user("u-1") is not None
    assert blux.profile("u-1") is None
    assert blux.user("p-1") is None
    assert blux.profile("p-1") == {"user_id": "p-1", "properties": {"x": 1}, "timestamp": "2025-01-17T05:39:22Z"}


def test_a_deletion_removes_the_user_and_is_noted(blux: Emulator, client: Client) -> None:
    client.post(USERS, {"users": [{"user_id": "a"}, {"user_id": "b"}]})
    client.post(DELETE_USERS, {"user_ids": ["a", "never seen", "a"]})
    client.post(DELETE_USERS, {"user_ids": ["a"]})
    assert dict(blux.users()).keys() == {"b"}
    assert blux.counts() == {**NOTHING, "users": 1, "deleted_users": 2}
    (noted,) = blux.deletion("a")["deletions"]
    assert (noted["api"], noted["times"], noted["time"]) == ("application", 2, blux.requests()[-1]["arrived"])
    assert blux.deletion("never seen")["deletions"][0]["times"] == 1
    assert blux.deletion("b") is None
    assert list(blux.deleted_users()) == ["a", "never seen"]


def test_both_deletion_jobs_remove_profiles(blux: Emulator, client: Client) -> None:
    client.post(PROFILES, {"profiles": [{"user_id": name} for name in "abc"]})
    client.post(DELETE_PROFILE, {"user_id": "a"})
    client.post(DELETE_PROFILES, {"user_ids": ["b"]})
    assert dict(blux.profiles()).keys() == {"c"}
    assert list(blux.deleted_profiles()) == ["a", "b"]


def test_an_event_that_arrives_twice_is_there_twice(blux: Emulator, client: Client) -> None:
    event = {"name": "purchase", "user_id": "u", "id": "e-1", "properties": {"price": 3}}
    client.post(EVENTS, {"events": [event, {"name": "visit", "user_id": "v"}]})
    client.post(EVENTS, {"events": [event]})
    assert blux.events("u") == [event, event]
    assert blux.events("nobody") == []
    assert [each["user_id"] for each in blux.all_events()] == ["u", "v", "u"]
    assert blux.counts()["events"] == 3


def test_a_device_is_updated_by_its_own_id(blux: Emulator, client: Client) -> None:
    client.post(DEVICES, {"devices": [{"device_id": "d", "user_id": "u", "token": "old", "properties": {"a": 1}}]})
    client.post(DEVICES, {"devices": [{"device_id": "d", "token": "new", "properties": {"b": 2}}]})
    assert blux.device("d") == {"device_id": "d", "user_id": "u", "token": "new", "properties": {"a": 1, "b": 2}}
    assert list(blux.devices()) == [("d", blux.device("d"))]


def test_iterators_go_beyond_their_page(blux: Emulator, client: Client) -> None:
    names = {f"u-{n}" for n in range(2500)}
    for start in range(0, 2500, 500):
        chunk = [f"u-{n}" for n in range(start, start + 500)]
        client.post(PROFILES, {"profiles": [{"user_id": name} for name in chunk]})
        client.post(EVENTS, {"events": [{"name": "visit", "user_id": name} for name in chunk]})
    client.post(DELETE_USERS, {"user_ids": sorted(names)})
    assert {name for name, _ in blux.profiles()} == names
    assert {event["user_id"] for event in blux.all_events()} == names
    assert len(list(blux.all_events())) == 2500
    assert set(blux.deleted_users()) == names


@pytest.mark.parametrize("name", ["김철수", "😀", "a/b", "null\x00byte", "'; DROP TABLE records; --", " "])
def test_any_text_is_an_id(blux: Emulator, client: Client, name: str) -> None:
    client.post(USERS, {"users": [{"user_id": name, "custom_user_properties": {"name": name}}]})
    assert blux.user(name)["custom_user_properties"] == {"name": name}
    client.post(DELETE_USERS, {"user_ids": [name]})
    assert blux.user(name) is None


def test_a_state_file_survives_a_restart(tmp_path: Path) -> None:
    with Emulator(state=tmp_path / "blux.sqlite") as blux, Client(blux) as client:
        for path, body in VALID.items():
            if path not in {DELETE_USERS, DELETE_PROFILE, DELETE_PROFILES}:
                client.post(path, body)
        client.post(DELETE_USERS, {"user_ids": ["gone"]})
        before = blux.state(), blux.requests(), blux.user("u-1"), blux.events("u-1"), blux.deletion("gone")
    with Emulator(state=str(tmp_path / "blux.sqlite")) as blux, Client(blux) as client:
        assert before == (blux.state(), blux.requests(), blux.user("u-1"), blux.events("u-1"), blux.deletion("gone"))
        client.post(USERS, VALID[USERS])
        assert blux.counts()["users"] == 1


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(OSError, match="it belongs to another program or version"):
        Emulator(state=tmp_path / "other.db").start()
    assert (tmp_path / "other.db").read_bytes() == before


@pytest.mark.parametrize("content", [None, b"this is not a database, it is a long enough text" * 50])
def test_a_state_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    state = tmp_path / "missing folder" / "blux.sqlite"
    if content:
        state = tmp_path / "text.txt"
        state.write_bytes(content)
    with pytest.raises(OSError, match=r"The state file .* cannot be used") as refusal:
        Emulator(state=state).start()
    assert str(state) in str(refusal.value)

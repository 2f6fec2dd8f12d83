"""The demo: it runs every example DAG, and detects a record that is lost, invented, changed or sent twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import requests

from airflow_provider_blux.emulator import Emulator
from example_dags.demo.__main__ import STEPS
from example_dags.demo.comparison import differences, requests_differing
from example_dags.demo.expected import Expected
from example_dags.demo.session import DAGS

EVENT = {"id": "e-1", "name": "visit", "user_id": "u-1"}


@pytest.fixture
def blux():
    with Emulator() as blux:
        yield blux


def send(blux, *, users=(), events=()):
    connection = blux.connection()
    if users:
        url = f"{connection['host']}/v2/applications/{connection['login']}/users/update-properties/bulk"
        answer = requests.post(
            url, json={"users": users}, headers={"Authorization": connection["password"]}, timeout=10
        )
        answer.raise_for_status()
    if events:
        answer = requests.post(
            f"{blux.url}/v1/api/events",
            params={"project_id": connection["extra"]["project_id"]},
            json={"events": events},
            headers={"Authorization": f"Bearer {connection['extra']['open_api_key']}"},
            timeout=10,
        )
        answer.raise_for_status()


def expected_user(grade):
    return {"user_properties": {}, "custom_user_properties": {"grade": grade}}


def user(grade):
    return {"user_id": "u-1", "custom_user_properties": {"grade": grade}}


def test_the_demo_runs_every_example_dag():
    files = {file.stem for file in DAGS.glob("*.py") if "\n@dag(" in file.read_text(encoding="utf-8")}

    assert {step.dag_id for step in STEPS} == files


def test_the_demo_sends_the_old_files_again_once_users_were_erased():
    order = [step.dag_id for step in STEPS]

    assert {"sync_users_from_files", "backfill_users"} <= set(order[order.index("delete_users") + 1 :])


def test_what_arrived_as_expected_is_no_difference(blux):
    send(blux, users=[user("골드")], events=[EVENT])

    assert differences(Expected(users={"u-1": expected_user("골드")}, events={"e-1": EVENT}), blux) == []


def test_a_lost_user_is_noticed(blux):
    assert differences(Expected(users={"u-1": expected_user("골드")}), blux) == ["user u-1: missing"]


def test_a_user_who_should_not_be_there_is_noticed(blux):
    send(blux, users=[user("골드")])

    assert differences(Expected(), blux) == ["user u-1: should not be there"]


def test_a_changed_property_is_noticed(blux):
    send(blux, users=[user("실버")])

    (difference,) = differences(Expected(users={"u-1": expected_user("골드")}), blux)
    assert difference.startswith("user u-1: holds")


def test_an_event_that_arrived_twice_is_noticed(blux):
    send(blux, events=[EVENT, EVENT])

    assert differences(Expected(events={"e-1": EVENT}), blux) == ["2 events arrived instead of 1"]


def test_a_deletion_that_was_never_asked_for_is_noticed(blux):
    found = differences(Expected(deleted={"u-1"}), blux)

    assert found == ["deletion of user u-1: missing", "deletion of profile u-1: missing"]


@pytest.fixture
def shop(tmp_path):
    """A database with three requests: one done earlier, one with a user id, one without."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("CREATE TABLE deletion_requests (request_no INTEGER, user_id TEXT, done_at TEXT)")
        database.executemany(
            "INSERT INTO deletion_requests VALUES (?, ?, ?)", [(1, "u-0", "2026"), (2, "u-1", None), (3, "u-2 ", None)]
        )
    return tmp_path / "shop.db"


def test_a_user_whom_an_old_file_brings_back_is_noticed(blux, shop):
    expected = Expected(users={"u-1": expected_user("골드")})
    assert expected.delete_users(shop)[:2] == (4, 2)
    send(blux, users=[user("골드")])

    assert "user u-1: should not be there" in differences(expected, blux)


def test_a_request_that_is_done_too_early_or_not_at_all_is_noticed(shop):
    expected = Expected()
    assert requests_differing(expected, shop) == []
    expected.delete_users(shop)
    assert requests_differing(expected, shop) == ["request 2: should be done"]

    with closing(sqlite3.connect(shop)) as database, database:
        database.execute("UPDATE deletion_requests SET done_at = '2026'")
    assert requests_differing(expected, shop) == ["request 3: should be open"]


def test_the_second_sync_is_expected_to_send_only_whom_both_files_name_or_one_names_twice(tmp_path):
    expected = Expected()
    first, second = expected.sync_users_from_files(tmp_path), expected.sync_users_from_files(tmp_path)

    assert (first.read, first.unchanged) == (4_012, 0)
    # 500 users are in both exports; of the others 9 of the CRM's are there twice.
    assert second.unchanged == (3_000 - 500 - 9) + (900 - 500)


def test_only_the_first_differences_are_told_and_the_others_counted(blux):
    found = differences(Expected(users={f"u-{n}": expected_user("골드") for n in range(20)}), blux)

    assert len(found) == 6
    assert found[-1] == "... and 15 more"

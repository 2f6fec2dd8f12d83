"""The demo: it runs every example DAG, and would notice a record that is lost, made up, changed or sent twice."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_blux.emulator import Emulator
from example_dags.demo.__main__ import STEPS
from example_dags.demo.comparison import differences
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


def test_only_the_first_differences_are_told_and_the_others_counted(blux):
    found = differences(Expected(users={f"u-{n}": expected_user("골드") for n in range(20)}), blux)

    assert len(found) == 6
    assert found[-1] == "... and 15 more"

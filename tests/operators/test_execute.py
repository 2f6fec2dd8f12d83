"""``execute`` against the emulator: every source, the report, and which errors Airflow retries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxApiError, BluxError, BluxSourceError, BluxStopped, BluxUnavailable
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)
from tests.operators.pipeline import Upstream, dag, rendered

REPORT = {
    *("read", "delivered", "rejected", "suppressed", "unchanged", "merged", "unknown", "resumed", "absent", "valid"),
    *("batches", "requests", "retries", "seconds", "records_per_second", "rate_limit"),
    *("rejects", "receipts", "reasons", "validate_only"),
}


def upserted(**arguments: Any) -> dict[str, Any]:
    return BluxUpsertUsersOperator(task_id="push", **arguments).execute({})


def test_the_report_has_these_keys_and_is_json(blux_emulator: Emulator) -> None:
    report = upserted(users=[{"user_id": "a"}, {"user_id": "b"}, {"user_id": "a", "grade": 1}])

    assert report.keys() == REPORT
    assert json.loads(json.dumps(report)) == report
    assert {name: report[name] for name in ("read", "delivered", "merged", "rejected", "batches", "requests")} == {
        "read": 3,
        "delivered": 2,
        "merged": 1,
        "rejected": 0,
        "batches": 1,
        "requests": 1,
    }
    assert (report["rejects"], report["receipts"], report["validate_only"]) == (None, None, False)


@pytest.mark.parametrize(
    "value",
    [
        [{"user_id": "a"}, {"user_id": "b"}],
        ({"user_id": "a"}, {"user_id": "b"}),
        [[{"user_id": "a"}], [{"user_id": "b"}], []],
        '[{"user_id": "a"}, {"user_id": "b"}]',
    ],
    ids=["list", "tuple", "lists", "JSON"],
)
def test_records_are_given(blux_emulator: Emulator, value: Any) -> None:
    assert upserted(users=value)["delivered"] == 2
    assert dict(blux_emulator.users()).keys() == {"a", "b"}


def test_records_are_read_from_files(blux_emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("user_id,marketing_notification_consent\n001,TRUE\n002,\n", "utf-8")
    (tmp_path / "2.jsonl").write_text('{"user_id": "003", "custom_user_properties": {"n": 1}}\n', "utf-8")

    assert upserted(path=str(tmp_path))["delivered"] == 3
    assert upserted(path=[f"{tmp_path}/1.csv"], file_format="csv")["delivered"] == 2
    assert dict(blux_emulator.users()) == {
        "001": {
            "user_id": "001",
            "user_properties": {"marketing_notification_consent": True},
            "custom_user_properties": {},
        },
        "002": {"user_id": "002", "user_properties": {}, "custom_user_properties": {}},
        "003": {"user_id": "003", "user_properties": {}, "custom_user_properties": {"n": 1}},
    }


def test_records_are_read_from_a_database(
    blux_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.sqlite")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE users (id INTEGER, city TEXT)")
        connection.executemany("INSERT INTO users VALUES (?, ?)", [(1, "Seoul"), (2, None), (3, "Busan")])
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}))

    report = upserted(sql="SELECT id AS user_id, city FROM users WHERE id < ?", sql_conn_id="shop", sql_parameters=[3])

    assert report["delivered"] == 2
    assert {name: user["custom_user_properties"] for name, user in blux_emulator.users()} == {
        "1": {"city": "Seoul"},
        "2": {},
    }


def test_every_operator_reaches_its_endpoint(blux_emulator: Emulator) -> None:
    moment = "2026-01-31T09:00:00Z"
    event = {"user_id": "a", "name": "order", "timestamp": moment}

    upserted(users=[{"user_id": "a"}, {"user_id": "b"}])
    upserted(users=[{"user_id": "a"}], api="open")
    BluxDeleteUsersOperator(task_id="push", user_ids=["b", "c"]).execute({})
    BluxSendEventsOperator(task_id="push", events=[event, event]).execute({})
    BluxUpdateDevicesOperator(task_id="push", devices=[{"device_id": "d"}]).execute({})

    assert blux_emulator.counts() == {
        "users": 1,
        "profiles": 1,
        "events": 2,
        "devices": 1,
        "deleted_users": 2,
        "deleted_profiles": 0,
    }


def test_arguments_reach_the_delivery(blux_emulator: Emulator) -> None:
    users = [{"user_id": str(n)} for n in range(6)]

    assert upserted(users=users, batch_size=2, rate_limit=1000, concurrency=1)["requests"] == 3
    assert upserted(users=users, validate_only=True)["valid"] == 6
    assert [request["records"] for request in blux_emulator.requests()] == [2, 2, 2]


def test_list_key_names_the_list_in_the_body(blux_emulator: Emulator) -> None:
    operator = BluxUpdateDevicesOperator(task_id="push", devices=[{"device_id": "d"}], list_key="items")

    with pytest.raises(AirflowFailException, match="devices is required"):
        operator.execute({})


def test_the_guard_fails_at_once_and_deletes_nothing(blux_emulator: Emulator) -> None:
    with pytest.raises(
        AirflowFailException, match="More than 2 different users would be deleted; this try sent nothing"
    ):
        BluxDeleteUsersOperator(task_id="push", user_ids=["a", "b", "c"], max_users=2).execute({})
    assert blux_emulator.requests() == []


def wrong_key(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    connection = {**emulator.connection(), "password": "wrong-key-1"}
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))
    return {"users": [{"user_id": "a"}]}


def unknown_extra(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps({"conn_type": "blux", "extra": {"region": "kr"}}))
    return {"users": []}


def no_credentials(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps({"conn_type": "blux"}))
    return {"users": []}


def rejected_record(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"users": [{"user_id": "a"}, {"user_id": "b", "phone_number": 1058267341}]}


def refused_record(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    emulator.fault(kind="refuse", ids=["b"])
    return {"users": [{"user_id": "a"}, {"user_id": "b"}]}


def too_large_a_batch(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"users": [], "batch_size": 101}


def unknown_file(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"path": __file__}


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (wrong_key, "Connection blux_default: the credentials are refused"),
        (unknown_extra, "Connection blux_default: unknown extra region"),
        (no_credentials, "Connection blux_default has no credentials for upsert_users"),
        (rejected_record, "record 2, phone_number: is a number"),
        (refused_record, "record 2"),
        (too_large_a_batch, "batch_size is 101"),
        (unknown_file, "cannot be told from its suffix"),
    ],
)
def test_airflow_does_not_retry_what_a_retry_cannot_help(
    blux_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Emulator, pytest.MonkeyPatch], dict[str, Any]],
    words: str,
) -> None:
    arguments = prepare(blux_emulator, monkeypatch)

    with pytest.raises(AirflowFailException) as raised:
        upserted(**arguments)
    assert words in str(raised.value)
    assert isinstance(raised.value.__context__, BluxError)
    assert raised.value.__suppress_context__, "one message and one traceback"
    assert "1058267341" not in str(raised.value)
    assert "wrong-key-1" not in str(raised.value)


def test_airflow_retries_when_blux_is_unavailable(blux_emulator: Emulator) -> None:
    # For so long only Airflow waits: the try ends at once.
    blux_emulator.fault(kind="status", status=503, headers={"Retry-After": "86400"})

    with pytest.raises(BluxUnavailable) as raised:
        upserted(users=[{"user_id": "a"}], rate_limit=1000)
    assert not isinstance(raised.value, AirflowFailException)
    assert isinstance(raised.value, BluxApiError)
    assert raised.value.status == 503


def test_airflow_retries_when_a_file_is_missing(blux_emulator: Emulator, tmp_path: Path) -> None:
    with pytest.raises(BluxSourceError, match="there is no such file"):
        upserted(path=f"{tmp_path}/absent.csv")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "users is None: the upstream task returned nothing"),
        ({"user_id": "a"}, "users is of type dict"),
        ("[{'user_id': 'a'}]", "users is text, but not a JSON list"),
    ],
)
def test_a_retry_cannot_help_against_what_an_upstream_task_has_returned(
    blux_emulator: Emulator, value: Any, message: str
) -> None:
    with dag():
        operator = BluxUpsertUsersOperator(task_id="push", users=Upstream(task_id="rows").output)

    with pytest.raises(AirflowFailException, match=message):
        rendered(operator, upstream=value).execute({})


class LazyXComUntilKilled(Sequence[dict[str, str]]):
    """Users that are fetched by slices; the task is killed while the second slice is."""

    def __init__(self) -> None:
        self.kill: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return 200

    def __getitem__(self, key: Any) -> Any:
        if key.start:
            self.kill()
        return [{"user_id": str(n)} for n in range(*key.indices(len(self)))]


def test_a_killed_task_sends_nothing_more(blux_emulator: Emulator) -> None:
    users = LazyXComUntilKilled()
    operator = BluxUpsertUsersOperator(task_id="push", users=users)
    users.kill = operator.on_kill

    with pytest.raises(BluxStopped):
        operator.execute({})
    assert not {"100", "199"} & dict(blux_emulator.users()).keys()


def test_a_task_that_is_killed_before_it_begins_sends_nothing(blux_emulator: Emulator) -> None:
    operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a"}])

    operator.on_kill()
    with pytest.raises(BluxStopped):
        operator.execute({})
    assert not dict(blux_emulator.users())
    assert operator.execute({})["delivered"] == 1  # a later try in the same process


def test_killing_a_task_that_has_ended_does_nothing(blux_emulator: Emulator) -> None:
    operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a"}])

    assert operator.execute({})["delivered"] == 1
    operator.on_kill()

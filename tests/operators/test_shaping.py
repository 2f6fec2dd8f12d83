"""The shaping arguments of the operators: errors when a DAG is parsed, and the effect on the rows of a source."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxCheckpointError, BluxConfigError, BluxUnavailable
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)
from tests.delivery.pushing import Memory, push
from tests.operators.pipeline import dag, serialized

OPERATORS: list[type[BluxOperator]] = [
    BluxUpsertUsersOperator,
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
]
any_operator = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.operation)

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"field_mapping": ["a"]}, "field_mapping must be a dict"),
    ({"field_mapping": {"a": 1}}, "field_mapping maps text to text"),
    ({"field_mapping": {"a": "group.x"}}, "does not name a field of a group"),
    ({"field_mapping": {"a": "user_id", "b": "user_id"}}, "maps both 'a' and 'b' to "),
    ({"true_values": "Y"}, "true_values must be a list"),
    ({"true_values": [True]}, "true_values holds something"),
    ({"true_values": ["false"]}, "true_values holds the word 'false'"),
    ({"false_values": ["TRUE"]}, "false_values holds the word 'true'"),
    ({"true_values": [1], "false_values": [1]}, "overlap"),
    ({"naive_timezone": "Seoul"}, "naive_timezone: there is no zone 'Seoul'"),
    ({"naive_timezone": 9}, "naive_timezone must be an IANA name"),
    ({"send_nulls": "no"}, "send_nulls must be True or False"),
    ({"send_nulls": None}, "send_nulls must be True or False"),
]


@any_operator
@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=str)
def test_a_wrong_shaping_argument_fails_when_the_dag_is_parsed(
    kind: type[BluxOperator], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(BluxConfigError, match=words):
        kind(task_id="push", **{kind.records_field: []}, **arguments)


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=str)
def test_the_hook_refuses_the_same(blux_emulator: Emulator, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BluxConfigError, match=words):
        BluxHook().upsert_users([{"user_id": "u"}], **arguments)
    assert blux_emulator.requests() == []


def test_a_field_of_the_other_api_is_refused_as_soon_as_the_api_is_known(blux_emulator: Emulator) -> None:
    arguments: dict[str, Any] = {"users": [{"user_id": "u"}], "field_mapping": {"lv": "properties.grade"}}

    operator = BluxUpsertUsersOperator(task_id="push", **arguments)
    with pytest.raises(AirflowFailException, match=r"'properties.grade' does not name a field of a group"):
        operator.execute({})
    with pytest.raises(
        BluxConfigError, match=r"the groups here are: user_properties.<name>, custom_user_properties.<name>\."
    ):
        BluxUpsertUsersOperator(task_id="push", api="application", **arguments)
    assert BluxUpsertUsersOperator(task_id="push", api="open", **arguments).execute({})["delivered"] == 1


@any_operator
def test_mapped_and_default_shaping_arguments_reach_the_task(kind: type[BluxOperator]) -> None:
    shaping: dict[str, Any] = {
        "field_mapping": {"no": "user_id"},
        "true_values": ["Y", 1],
        "false_values": ["N", 0],
        "naive_timezone": "Asia/Seoul",
        "send_nulls": True,
    }
    with dag(default_args=shaping) as one:
        plain = kind(task_id="plain", **{kind.records_field: []})
        kind.partial(task_id="mapped", **shaping).expand(path=["a.csv", "b.csv"])

    unmapped = cast("Any", one.get_task("mapped")).unmap({"path": "a.csv"})
    assert {name: getattr(plain, name) for name in shaping} == shaping
    assert {name: getattr(unmapped, name) for name in shaping} == shaping
    assert "Asia/Seoul" in serialized(one)


CSV = "회원번호,휴대폰,sms,grade\n001,01012345678,Y,gold\n002,,N,\n003,01087654321,,\n"
MAPPING = {
    "회원번호": "user_id",
    "휴대폰": "user_properties.phone_number",
    "sms": "marketing_notification_sms_consent",
    "grade": "custom_user_properties.등급",
}


@pytest.mark.parametrize("send_nulls", [False, True])
def test_columns_of_a_file_are_mapped(blux_emulator: Emulator, tmp_path: Path, send_nulls: bool) -> None:
    (tmp_path / "users.csv").write_text(CSV, "utf-8")
    BluxUpsertUsersOperator(
        task_id="push",
        path=str(tmp_path),
        field_mapping=MAPPING,
        true_values=["Y"],
        false_values=["N"],
        send_nulls=send_nulls,
    ).execute({})

    nothing: Any = {"phone_number": None} if send_nulls else {}
    no_grade: Any = {"등급": None} if send_nulls else {}
    sms = "marketing_notification_sms_consent"
    assert [(user["user_properties"], user["custom_user_properties"]) for _, user in sorted(blux_emulator.users())] == [
        ({"phone_number": "01012345678", sms: True}, {"등급": "gold"}),
        ({**nothing, sms: False}, no_grade),
        ({"phone_number": "01087654321", **({sms: None} if send_nulls else {})}, no_grade),
    ]


@any_operator
def test_a_file_without_the_column_fails_at_once(
    kind: type[BluxOperator], blux_emulator: Emulator, tmp_path: Path
) -> None:
    field = "device_id" if kind is BluxUpdateDevicesOperator else "user_id"
    (tmp_path / "rows.csv").write_text("ID,name,city\n" + "1,order,Seoul\n" * 3, "utf-8")

    with pytest.raises(AirflowFailException, match=rf"There is no column {field}, .* The columns are ID, name, city\."):
        kind(task_id="push", path=str(tmp_path), api="open", max_rejects=1000, rejects_path=str(tmp_path)).execute({})
    assert blux_emulator.requests() == []


@any_operator
@pytest.mark.parametrize("rows", ["", "1,order,Seoul\n"])
def test_the_error_names_the_file_without_the_column(
    kind: type[BluxOperator], blux_emulator: Emulator, tmp_path: Path, rows: str
) -> None:
    (tmp_path / "a.csv").write_text("user_id,device_id,name\n1,1,order\n", "utf-8")
    (tmp_path / "b.csv").write_text(f"ID,name,city\n{rows}", "utf-8")

    with pytest.raises(AirflowFailException, match=r"b\.csv: There is no column "):
        kind(task_id="push", path=str(tmp_path), api="open").execute({})


def test_the_guard_names_the_file_without_the_column(blux_emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id\n1\n2\n", "utf-8")
    (tmp_path / "b.csv").write_text("ID,name\n1,order\n", "utf-8")

    with pytest.raises(AirflowFailException, match=r"b\.csv: There is no column user_id"):
        BluxDeleteUsersOperator(task_id="delete", path=str(tmp_path), max_users=2).execute({})
    assert blux_emulator.requests() == []


def test_a_query_without_the_column_fails_at_once(
    blux_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.sqlite")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE customers (id INTEGER, sms INTEGER, at TEXT)")
        connection.execute("INSERT INTO customers VALUES (7, 1, '2026-01-31 09:00:00')")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}))
    arguments: dict[str, Any] = {"sql": "SELECT * FROM customers", "sql_conn_id": "shop", "api": "open"}

    with pytest.raises(AirflowFailException, match=r"Is 'id' meant|The columns are id, sms, at\."):
        BluxUpsertUsersOperator(task_id="push", **arguments).execute({})

    shaping: dict[str, Any] = {
        "field_mapping": {"id": "user_id", "sms": "marketing_notification_sms_consent", "at": "timestamp"},
        "true_values": [1],
        "false_values": [0],
        "naive_timezone": timezone(timedelta(hours=9)),
    }
    BluxUpsertUsersOperator(task_id="push", **arguments, **shaping).execute({})
    assert blux_emulator.profile("7") == {
        "user_id": "7",
        "properties": {"marketing_notification_sms_consent": True},
        "timestamp": "2026-01-31T09:00:00+09:00",
    }


def test_ids_to_delete_come_from_any_column(blux_emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "left.csv").write_text("customer,reason\n00901,left\n00902,left\n00901,left\n", "utf-8")
    report = BluxDeleteUsersOperator(
        task_id="push", path=str(tmp_path), field_mapping={"customer": "user_id"}, max_users=None
    ).execute({})

    assert (report["delivered"], report["merged"]) == (2, 1)
    assert blux_emulator.counts()["deleted_users"] == 2


def test_validate_only_names_the_first_problems_and_sends_nothing(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    users = [{"user_id": "a"}, {"user_id": "b", "phone_number": 1058267341}, {"user_id": 1.0}]

    with pytest.raises(AirflowFailException) as raised:
        BluxUpsertUsersOperator(task_id="push", users=users, validate_only=True).execute({})

    first, *problems = str(raised.value).splitlines()
    where = f"Connection blux_default, application.upsert_users at {blux_emulator.url.removeprefix('http://')}: "
    assert first.startswith(f"{where}Of 3 records, 1 is valid, 2 rejected")
    assert [line.split(":")[0].strip() for line in problems] == ["record 2, phone_number", "record 3, user_id"]
    assert "Suspicious: No consent in any of 1 users" in caplog.text
    assert "1058267341" not in f"{raised.value}{caplog.text}"
    assert "delivered" not in f"{raised.value}{caplog.text}"
    assert blux_emulator.requests() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"true_values": ["Y"]},
        {"false_values": [0]},
        {"naive_timezone": "Asia/Seoul"},
        {"send_nulls": True},
        {"field_mapping": {"sum": "total"}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_events_are_not_gone_on_with_when_they_are_read_otherwise(
    blux_emulator: Emulator, changed: dict[str, Any]
) -> None:
    store = Memory()
    events = [{"user_id": "u", "name": f"n-{number}"} for number in range(4)]
    blux_emulator.fault(kind="status", status=503, skip=2)
    with pytest.raises(BluxUnavailable):
        push(blux_emulator, "send_events", events, store=store, batch_size=1, concurrency=1)
    blux_emulator.clear_faults()

    with pytest.raises(BluxCheckpointError, match="other settings"):
        push(blux_emulator, "send_events", events, store=store, batch_size=1, **changed)
    assert push(blux_emulator, "send_events", events, store=store, batch_size=1).delivered == 4

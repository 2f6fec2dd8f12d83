"""The four operators under ``airflow dags test``, on every version of Airflow that the package supports."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries, result_of_the_task_that_reads
from tests.airflow.dag_tester import DagTester

Lines = Callable[..., Path]

OUTCOMES = ("delivered", "rejected", "suppressed", "merged", "unknown")
# For so long only Airflow waits: the try ends at once.
UNAVAILABLE = {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}}

tells_callbacks = pytest.mark.skipif(
    version("apache-airflow").startswith("3.0."), reason="here `dags test` does not tell callbacks the error"
)


def assert_adds_up(report: dict[str, Any], **expected: int) -> None:
    assert {key: report[key] for key in expected} == expected
    assert sum(report[outcome] for outcome in OUTCOMES) == report["read"]


def users(count: int) -> list[dict[str, Any]]:
    return [{"user_id": f"user-{number}", "grade": "gold"} for number in range(1, count + 1)]


def user_ids(blux: Emulator) -> set[str]:
    return set(dict(blux.users()))


def test_users_come_from_a_list_in_the_dag(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("users_from_a_list")

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=3, delivered=3, requests=1)
    assert user_ids(blux) == {"00123", "b", "c"}
    assert blux.user("00123")["user_properties"] == {"marketing_notification_consent": False}
    assert blux.user("b")["custom_user_properties"] == {"grade": "gold"}


def test_users_come_from_an_upstream_task(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    run = dag_tester.run("users_from_an_upstream_task", path=str(write_lines(users(150))))

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=150, delivered=150, requests=2)
    assert user_ids(blux) == {user["user_id"] for user in users(150)}


def test_an_operator_waits_for_the_task_that_its_records_come_from(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("users_from_an_upstream_task", upstream_fails=True)

    assert run.state == "failed"
    assert run.task("deliver").state == "upstream_failed"
    assert blux.requests() == []


def test_airflow_stores_of_a_task_s_records_their_type_and_number(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    canaries = Canaries()
    run = dag_tester.run("users_from_an_upstream_task", path=str(write_lines([canaries.user() for _ in range(5)])))

    assert run.state == "success"
    assert run.rendered("deliver")["users"] == "<list of 5>"
    assert canaries.in_tables(dag_tester.home.metadata, but=result_of_the_task_that_reads) == []


def test_nothing_of_a_delivered_record_is_logged_or_stored(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    canaries = Canaries()
    run = dag_tester.run("users_from_a_file", path=str(write_lines([canaries.user() for _ in range(5)])))

    assert run.state == "success", run.log
    assert canaries.in_text(run.log) == []
    assert canaries.in_tables(dag_tester.home.metadata) == []


def test_a_mapped_task_takes_its_list_of_users_and_hides_it(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    canaries = Canaries()
    everyone = [canaries.user() for _ in range(5)]
    run = dag_tester.run("users_from_mapped_lists", path=str(write_lines(everyone)))

    assert run.state == "success", run.log
    assert [run.result("deliver", map_index)["delivered"] for map_index in (0, 1)] == [2, 3]
    assert user_ids(blux) == {user["user_id"] for user in everyone}
    assert [run.rendered("deliver", map_index)["users"] for map_index in (0, 1)] == ["<list of 2>", "<list of 3>"]
    assert canaries.in_tables(dag_tester.home.metadata, but=result_of_the_task_that_reads) == []


@pytest.mark.parametrize("dag_id", ["users_from_an_upstream_task", "users_from_mapped_lists"])
def test_a_record_from_a_task_is_not_taken_for_a_template(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines, dag_id: str
) -> None:
    users = [{"user_id": name, "note": "{{ 1 + 1 }} {{ nobody }} {% broken"} for name in ("a", "b", "c")]
    run = dag_tester.run(dag_id, path=str(write_lines(users)))

    assert run.state == "success", run.log
    assert {user["custom_user_properties"]["note"] for _, user in blux.users()} == {users[0]["note"]}


def test_users_come_from_every_instance_of_a_mapped_task(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("users_from_a_mapped_task")

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=6, delivered=6, requests=1)
    assert user_ids(blux) == {f"page-{number}-{row}" for number in (1, 2, 3) for row in (1, 2)}


def test_users_come_from_json_in_a_template(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("users_from_json", users=[{"user_id": "김", "name": 'A "quoted" name'}])

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=1, delivered=1)
    assert blux.user("김")["custom_user_properties"] == {"name": 'A "quoted" name'}


def test_users_come_from_a_file(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    run = dag_tester.run("users_from_a_file", path=str(write_lines(users(5))))

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=5, delivered=5, requests=3, rejected=0)
    assert user_ids(blux) == {user["user_id"] for user in users(5)}


def test_an_operator_can_be_mapped_over_files(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    everyone = users(6)
    for number, name in enumerate(("one", "two", "three")):
        folder = write_lines(everyone[2 * number : 2 * number + 2], f"{name}.jsonl").parent
    run = dag_tester.run("users_from_mapped_files", folder=str(folder))

    assert run.state == "success", run.log
    for map_index in (0, 1, 2):
        assert_adds_up(run.result("deliver", map_index), read=2, delivered=2)
    assert user_ids(blux) == {user["user_id"] for user in everyone}


def test_users_come_from_a_query(dag_tester: DagTester, blux: Emulator, warehouse: Path) -> None:
    with closing(sqlite3.connect(warehouse)) as database, database:
        database.execute("create table customers (user_id integer, email_address text, grade text)")
        database.execute("insert into customers values (1, 'one@example.com', 'gold'), (2, null, 'silver')")
    run = dag_tester.run("users_from_sql", table="customers")

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=2, delivered=2)
    assert blux.user("1")["user_properties"] == {"email_address": "one@example.com"}
    assert blux.user("2")["user_properties"] == {}


def test_users_are_deleted(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    dag_tester.run("users_from_a_file", path=str(write_lines(users(3))))
    run = dag_tester.run("deletions", user_ids=["user-1", "user-3", "user-1"])

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=3, delivered=2, merged=1)
    assert user_ids(blux) == {"user-2"}


def test_events_come_from_a_file(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    events = [
        {"name": "order", "user_id": "a", "timestamp": f"2026-10-01T09:00:0{second}+09:00", "properties": {"n": second}}
        for second in range(3)
    ]
    run = dag_tester.run("events_from_a_file", folder=str(write_lines(events).parent))

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=3, delivered=3, requests=2)
    assert [event["properties"] for event in blux.events("a")] == [event["properties"] for event in events]


def test_devices_come_from_a_file(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    device = {"user_id": "a", "device_id": "d1", "platform": "ios", "token": "t"}
    run = dag_tester.run("devices_from_a_file", path=str(write_lines([device])))

    assert run.state == "success", run.log
    assert_adds_up(run.result("deliver"), read=1, delivered=1)
    assert blux.device("d1")["platform"] == "ios"


def test_missing_credentials_fail_the_first_try_and_the_fields_are_named(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("users_from_a_list", connection="no_credentials")

    assert (run.state, run.task("deliver").state, run.task("deliver").try_number) == ("failed", "failed", 1)
    assert "Application ID" in run.log
    assert "Secret key" in run.log
    assert blux.requests() == []


def test_a_wrong_key_is_not_tried_again(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("users_from_a_list", connection="wrong_key")

    assert (run.state, run.task("deliver").state, run.task("deliver").try_number) == ("failed", "failed", 1)
    assert [request["status"] for request in blux.requests()] == [401]


def test_an_outage_that_does_not_end_uses_up_the_retries_of_the_task(dag_tester: DagTester, blux: Emulator) -> None:
    blux.fault(**UNAVAILABLE)
    run = dag_tester.run("users_from_a_list")

    assert (run.state, run.task("deliver").state, run.task("deliver").try_number) == ("failed", "failed", 3)
    assert len(blux.requests()) == 3
    assert user_ids(blux) == set()


def test_a_task_succeeds_when_the_outage_ends(dag_tester: DagTester, blux: Emulator) -> None:
    blux.fault(**UNAVAILABLE, times=1)
    run = dag_tester.run("users_from_a_list")

    assert (run.state, run.task("deliver").try_number) == ("success", 2)
    assert_adds_up(run.result("deliver"), read=3, delivered=3)
    assert user_ids(blux) == {"00123", "b", "c"}


def test_a_retry_continues_where_the_outage_began(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    # Two users a request: the first two requests pass, the third ends the first try of the task.
    blux.fault(**UNAVAILABLE, skip=2, times=1)
    run = dag_tester.run("users_with_rejects_and_checkpoint", folder=str(write_lines(users(10)).parent))

    assert (run.state, run.task("deliver").try_number) == ("success", 2), run.log
    assert_adds_up(run.result("deliver"), read=10, delivered=10, resumed=4)
    assert len(blux.requests()) == 5 + 1
    assert user_ids(blux) == {user["user_id"] for user in users(10)}


def test_a_share_of_the_records_may_be_rejected_and_is_kept(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    records = users(6)
    del records[2]["user_id"]
    blux.fault(kind="refuse", ids=["user-5"])
    run = dag_tester.run("users_with_rejects_and_checkpoint", folder=str(write_lines(records).parent))

    assert (run.state, run.task("deliver").try_number) == ("success", 1), run.log
    assert_adds_up(run.result("deliver"), read=6, delivered=4, rejected=2)
    assert user_ids(blux) == {"user-1", "user-2", "user-4", "user-6"}
    (rejects,) = run.result("deliver")["rejects"]
    lines = Path(rejects.removeprefix("file://")).read_text("utf-8").splitlines()
    assert [(reject["record_number"], reject["record"]) for reject in map(json.loads, lines)] == [
        (3, records[2]),
        (5, records[4]),
    ]


def test_a_record_without_user_id_turns_the_task_red_and_holds_back_no_other(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    records = users(4)
    records.insert(2, {"grade": "gold"})
    run = dag_tester.run("users_from_a_file", path=str(write_lines(records)))

    assert (run.state, run.task("deliver").state, run.task("deliver").try_number) == ("failed", "failed", 1)
    assert user_ids(blux) == {user["user_id"] for user in users(4)}
    assert "record 3" in run.log.lower()
    assert "user_id" in run.log


@pytest.mark.parametrize(
    ("max_rejects", "state", "words"),
    [pytest.param(0, "failed", ["allowed are 0"], marks=tells_callbacks), (1, "success", [])],
)
def test_a_callback_can_tell_the_counts_and_the_reasons_be_the_task_green_or_red(
    dag_tester: DagTester,
    blux: Emulator,
    write_lines: Lines,
    tmp_path: Path,
    max_rejects: int,
    state: str,
    words: list[str],
) -> None:
    alert, path = tmp_path / "alert.txt", write_lines([*users(2), {"grade": "gold"}])
    run = dag_tester.run("users_with_alerts", path=str(path), alert=str(alert), max_rejects=max_rejects)

    assert run.state == state, run.log
    task, *error, counts, reason, rejects = alert.read_text("utf-8").splitlines()
    assert task.startswith("users_with_alerts.deliver, run ")
    assert task.endswith(", try 1")
    assert (len(error), all(word in line for word, line in zip(words, error, strict=True))) == (len(words), True)
    assert counts == "3 read = 2 delivered + 1 rejected"
    assert reason == "- user_id: is missing (null); every record needs one ... 1 time"
    assert rejects.startswith("Rejects: file://")


@tells_callbacks
def test_a_callback_is_told_the_counts_of_a_task_whose_retries_are_used_up(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines, tmp_path: Path
) -> None:
    alert, path = tmp_path / "alert.txt", write_lines(users(2))
    blux.fault(**UNAVAILABLE)
    run = dag_tester.run("users_with_alerts", path=str(path), alert=str(alert), max_rejects=0)

    assert run.state == "failed", run.log
    task, error, counts = alert.read_text("utf-8").splitlines()
    assert task.endswith(", try 3")
    assert "503" in error
    assert counts == "0 read = 0 delivered"

"""What Airflow keeps of the records and the keys that passed through it: nothing.

Each test sends records of values that occur nowhere else, then looks for the values in every byte of Airflow's home
(logs, output of the processes, metadata database, temporary files) and in every cell of every table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries, result_of_the_task_that_reads
from tests.airflow.scheduler import Scheduler

Lines = Callable[..., Path]

ATTEMPTS = 6  # of one request, before the task fails


@pytest.fixture
def canaries(keys: Canaries) -> Canaries:
    made = Canaries()
    made.values |= keys.values
    return made


def assert_nothing_is_kept(canaries: Canaries, scheduler: Scheduler) -> None:
    assert canaries.in_files(scheduler.home.folder) == []
    assert canaries.in_tables(scheduler.home.metadata) == []


def test_the_search_finds_what_is_kept(scheduler: Scheduler, blux: Emulator, canaries: Canaries) -> None:
    user = canaries.user()
    scheduler.run("users_from_json", users=[user])  # the configuration of a run is kept, in clear

    assert any(user["user_id"] in found for found in canaries.in_files(scheduler.home.folder))
    assert f"dag_run.conf: {user['user_id']}" in canaries.in_tables(scheduler.home.metadata)


@pytest.mark.parametrize(
    ("dag_id", "kind"),
    [("users_from_a_file", "user"), ("events_from_a_file", "event"), ("devices_from_a_file", "device")],
)
def test_nothing_of_a_delivered_record_is_kept(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines, *, dag_id: str, kind: str
) -> None:
    records = [getattr(canaries, kind)() for _ in range(5)]
    file = write_lines(records)
    run = scheduler.run(dag_id, path=str(file), folder=str(file.parent))

    assert run.state == "success", run.log
    assert_nothing_is_kept(canaries, scheduler)


@pytest.mark.parametrize(
    ("dag_id", "field"), [("users_from_an_upstream_task", "users"), ("deletions_from_an_upstream_task", "user_ids")]
)
def test_nothing_of_a_record_is_kept_but_the_result_of_the_task_that_made_it(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines, *, dag_id: str, field: str
) -> None:
    users = [canaries.user() for _ in range(5)]
    records = users if field == "users" else [user["user_id"] for user in users]
    run = scheduler.run(dag_id, path=str(write_lines(records)))

    assert run.state == "success", run.log
    assert canaries.in_tables(scheduler.home.metadata, but=result_of_the_task_that_reads) == []
    assert canaries.in_files(scheduler.home.logs) == []
    assert run.rendered("deliver")[field] == "<list of 5>"


def test_nothing_of_a_record_that_is_invalid_is_kept(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    users = [canaries.user() for _ in range(4)]
    users[0]["user_properties"]["marketing_notification_sms_consent"] = canaries.secret()
    users[1]["user_properties"]["phone_number"] = int(users[1]["user_properties"]["phone_number"])
    canaries.values.add(str(users[1]["user_properties"]["phone_number"]))
    del users[2]["user_id"]
    run = scheduler.run("users_from_a_file", path=str(write_lines(users)))

    assert run.state == "failed"
    assert set(dict(blux.users())) == {users[3]["user_id"]}
    assert_nothing_is_kept(canaries, scheduler)


def test_nothing_of_a_record_that_the_api_refuses_and_quotes_is_kept(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    users = [canaries.user() for _ in range(4)]
    blux.fault(kind="refuse", ids=[users[2]["user_id"]], echo=True)
    run = scheduler.run("users_from_a_file", path=str(write_lines(users)))

    assert run.state == "failed"
    assert len(dict(blux.users())) == 3
    assert_nothing_is_kept(canaries, scheduler)


def test_rejects_are_kept_where_the_dag_says_and_nowhere_else(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    users = [canaries.user() for _ in range(4)]
    del users[0]["user_id"]
    blux.fault(kind="refuse", ids=[users[2]["user_id"]], echo=True)
    run = scheduler.run("users_with_rejects_and_checkpoint", folder=str(write_lines(users).parent))

    assert run.state == "success", run.log
    (rejects,) = run.result("deliver")["rejects"]
    assert users[2]["user_id"] in Path(rejects.removeprefix("file://")).read_text("utf-8")
    assert_nothing_is_kept(canaries, scheduler)


def test_nothing_of_a_record_or_a_key_is_kept_when_the_key_is_wrong(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    run = scheduler.run("users_from_a_file", path=str(write_lines([canaries.user()])), connection="wrong_key")

    assert run.state == "failed"
    assert_nothing_is_kept(canaries, scheduler)


def test_nothing_of_a_record_is_kept_in_an_outage(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    users = [canaries.user() for _ in range(4)]
    careless = {"message": f"cannot store {users[2]['user_id']}, {users[2]['user_properties']['email_address']}"}
    blux.fault(kind="status", status=503, headers={"Retry-After": "0"}, body=careless, skip=1, times=ATTEMPTS)
    run = scheduler.run("users_from_a_file", path=str(write_lines(users)))

    assert run.state == "success", run.log
    assert run.task("deliver").try_number == 2, run.log
    assert_nothing_is_kept(canaries, scheduler)


def test_nothing_of_a_record_is_kept_when_the_task_is_killed(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    blux.fault(kind="delay", seconds=60, skip=1, times=1)
    run = scheduler.trigger("users_from_a_file", path=str(write_lines([canaries.user() for _ in range(4)])))
    scheduler.kill(run, "deliver", once=lambda: blux.counts()["users"] == 2)
    blux.clear_faults()
    run = scheduler.finish_or_clear(run, "deliver")

    assert run.state == "success", run.log
    assert run.task("deliver").try_number == 2, run.log
    assert_nothing_is_kept(canaries, scheduler)

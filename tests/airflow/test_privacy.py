"""Airflow stores neither the records nor the keys that pass through it.

Each test sends records with values that occur nowhere else, then searches for them in every byte of Airflow's home
(logs, output of the processes, temporary files, the metadata database where it is a file) and in every cell of every
table. The other two files named after privacy do so for every endpoint and for every kind of broken source.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries
from tests.airflow.scheduler import Scheduler

Lines = Callable[..., Path]

WRONG_DAGS = Path(__file__).with_name("wrong_dags")


@pytest.fixture
def canaries(keys: Canaries) -> Canaries:
    made = Canaries()
    made.values |= keys.values
    return made


def assert_nothing_is_kept(canaries: Canaries, scheduler: Scheduler) -> None:
    assert canaries.in_files(scheduler.home.folder) == []
    assert canaries.in_tables(scheduler.home.metadata) == []


def test_the_search_finds_what_is_kept(scheduler: Scheduler, canaries: Canaries) -> None:
    user_id = canaries.user()["user_id"]
    # A task logs it, and the configuration of a run is kept, in clear.
    run = scheduler.run("users_in_the_log", users=[{"user_id": user_id}])

    [log] = scheduler.logs_of(run)
    assert f"{log.relative_to(scheduler.home.folder)}: {user_id}" in canaries.in_files(scheduler.home.folder)
    assert f"dag_run.conf: {user_id}" in canaries.in_tables(scheduler.home.metadata)


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


def test_nothing_of_a_dag_that_is_wrong_is_kept(scheduler: Scheduler, parsed: Canaries) -> None:
    wrong = {path.name for path in WRONG_DAGS.glob("*.py")}
    scheduler.wait_until_healthy()
    errors = scheduler.poll(
        lambda: scheduler.rest.import_errors() if scheduler.rest.import_errors().keys() >= wrong else None,
        "every wrong DAG is refused",
    )

    assert "has no argument user" in errors["misspelt_argument.py"]
    assert "every argument is refused" in errors["records_in_other_arguments.py"]
    assert "users and path are given" in errors["two_sources.py"]
    assert_nothing_is_kept(parsed, scheduler)

"""Decorated functions under real Airflow: ``dags test`` on every version, a scheduler where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries, result_of_the_task_that_reads
from tests.airflow.dag_tester import DagTester
from tests.airflow.scheduler import Scheduler

Lines = Callable[..., Path]

# For so long only Airflow waits: the try ends at once.
UNAVAILABLE: dict[str, Any] = {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}}
EVENTS = [{"name": "order", "user_id": f"user-{number}", "timestamp": "2026-10-01T09:00:00Z"} for number in range(10)]


@pytest.fixture
def canaries(keys: Canaries) -> Canaries:
    made = Canaries()
    made.values |= keys.values
    return made


def users(count: int) -> list[dict[str, Any]]:
    return [{"user_id": f"user-{number}", "note": "{{ 1 + 1 }} {% broken"} for number in range(1, count + 1)]


def user_ids(blux: Emulator) -> set[str]:
    return set(dict(blux.users()))


def test_arguments_come_from_upstream_from_templates_and_from_the_context(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    run = dag_tester.run("function_of_an_upstream_task", path=str(write_lines(users(150))))

    assert run.state == "success", run.log
    assert (run.result("deliver")["delivered"], run.result("deliver")["requests"]) == (150, 2)
    assert blux.user("user-150")["custom_user_properties"] == {
        "note": "{{ 1 + 1 }} {% broken",
        "label": "function_of_an_upstream_task.sql",
        "task": "deliver",
        "also": 150,
    }


def test_airflow_stores_of_the_arguments_their_types_and_lengths(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    canaries = Canaries()
    path = str(write_lines([canaries.user() for _ in range(5)]))
    upstream, mapped = (dag_tester.run(dag, path=path) for dag in ("function_of_an_upstream_task", "function_mapped"))

    assert (upstream.state, mapped.state) == ("success", "success"), upstream.log + mapped.log
    assert upstream.rendered("deliver")["op_args"] == "[<list of 5>, <str of 32>]"
    assert upstream.rendered("deliver")["op_kwargs"] == "{'also': <list of 5>}"
    shown = [mapped.rendered("deliver", map_index)["op_kwargs"] for map_index in (0, 1)]
    assert shown == [f"{{'label': <str of 15>, 'rows': <list of {count}>}}" for count in (2, 3)]
    assert canaries.in_tables(dag_tester.home.metadata, but=result_of_the_task_that_reads) == []


def test_a_function_is_mapped(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    run = dag_tester.run("function_mapped", path=str(write_lines(users(5))))

    assert run.state == "success", run.log
    assert [run.result("deliver", map_index)["delivered"] for map_index in (0, 1)] == [2, 3]
    assert blux.user("user-5")["custom_user_properties"] == {
        "note": "{{ 1 + 1 }} {% broken",
        "label": "function_mapped",
    }


@pytest.mark.parametrize("task_id", ["group.deliver", "deliver"], ids=["a mapped group", "expand_kwargs"])
def test_arguments_that_are_mapped_otherwise_are_hidden_too(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines, task_id: str
) -> None:
    run = dag_tester.run("function_mapped_otherwise", path=str(write_lines(users(5))))

    assert run.state == "success", run.log
    assert [run.result(task_id, map_index)["delivered"] for map_index in (0, 1)] == [2, 3]
    shown = [run.rendered(task_id, map_index) for map_index in (0, 1)]
    for count, fields in zip((2, 3), shown, strict=True):
        assert f"<list of {count}>" in fields["op_args"] + fields["op_kwargs"]
    assert "user-" not in repr(shown)


def test_a_function_is_used_again_with_other_arguments(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("function_overridden")

    assert run.state == "success", run.log
    assert (run.result("users")["valid"], run.result("deliver")["delivered"]) == (1, 1)
    assert user_ids(blux) == {"sent"}


def test_a_function_deletes_users_with_receipts(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    path = write_lines(["user-1", {"user_id": "user-2"}])
    run = dag_tester.run("function_that_deletes", path=str(path), folder=str(path.parent))

    assert run.state == "success", run.log
    assert set(blux.deleted_users()) == {"user-1", "user-2"}
    assert len(run.result("deliver")["receipts"]) == 1


def test_more_users_than_meant_are_not_deleted(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    path = write_lines([f"user-{number}" for number in range(11)])
    run = dag_tester.run("function_that_deletes", path=str(path), folder=str(path.parent))

    assert (run.state, run.task("deliver").try_number) == ("failed", 1), run.log
    assert blux.requests() == []


def test_a_function_that_yields_finds_the_context(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    run = dag_tester.run("function_that_reads", path=str(write_lines(users(5))))

    assert run.state == "success", run.log
    assert (run.result("deliver")["delivered"], run.result("deliver")["requests"]) == (5, 3)


def test_a_retry_goes_on_with_the_next_event_of_the_function(
    dag_tester: DagTester, blux: Emulator, write_lines: Lines
) -> None:
    blux.fault(**UNAVAILABLE, skip=2, times=1)
    path = write_lines(EVENTS)
    run = dag_tester.run("function_with_a_checkpoint", path=str(path), folder=str(path.parent))

    assert (run.state, run.task("deliver").try_number) == ("success", 2), run.log
    assert (run.result("deliver")["delivered"], run.result("deliver")["resumed"]) == (10, 4)
    assert len(list(blux.all_events())) == 10


def test_airflow_retries_what_the_function_raises(dag_tester: DagTester, blux: Emulator, write_lines: Lines) -> None:
    run = dag_tester.run("function_that_fails_at_first", path=str(write_lines(users(5))))

    assert (run.state, run.task("deliver").try_number) == ("success", 2), run.log
    assert "LookupError" in run.log
    assert "the function fails, as it should" in run.log
    assert run.result("deliver")["delivered"] == 5


def test_a_function_skips_its_task(dag_tester: DagTester, blux: Emulator) -> None:
    run = dag_tester.run("function_that_skips")

    assert run.task("deliver").state == "skipped", run.log
    assert blux.requests() == []


@pytest.mark.parametrize(
    ("dag_id", "tries"),
    [("function_of_an_upstream_task", 1), ("function_mapped", 1), ("function_that_fails_at_first", 2)],
)
def test_nothing_of_a_record_is_kept_but_the_result_of_the_task_that_made_it(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines, *, dag_id: str, tries: int
) -> None:
    everyone = [canaries.user() for _ in range(5)]
    run = scheduler.run(dag_id, path=str(write_lines(everyone)))

    assert run.state == "success", run.log
    assert run.task("deliver", 1 if dag_id == "function_mapped" else -1).try_number == tries, run.log
    assert user_ids(blux) == {user["user_id"] for user in everyone}
    assert canaries.in_tables(scheduler.home.metadata, but=result_of_the_task_that_reads) == []
    assert canaries.in_files(scheduler.home.logs) == []


def test_nothing_of_an_id_is_kept_by_a_function_that_deletes(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    path = write_lines([canaries.user()["user_id"] for _ in range(5)])
    run = scheduler.run("function_that_deletes", path=str(path), folder=str(path.parent))

    assert run.state == "success", run.log
    assert run.result("deliver")["delivered"] == 5
    assert canaries.in_tables(scheduler.home.metadata, but=result_of_the_task_that_reads) == []
    assert canaries.in_files(scheduler.home.logs) == []


def test_nothing_of_a_record_that_a_function_reads_itself_is_kept_even_when_its_process_is_killed(
    scheduler: Scheduler, blux: Emulator, canaries: Canaries, write_lines: Lines
) -> None:
    blux.fault(kind="delay", seconds=60, skip=1, times=1)
    everyone = [canaries.user() for _ in range(4)]
    run = scheduler.trigger("function_that_reads", path=str(write_lines(everyone)))
    scheduler.kill(run, "deliver", once=lambda: blux.faults()[0]["struck"] == 1)
    blux.clear_faults()
    run = scheduler.finish_or_clear(run, "deliver")

    assert (run.state, run.task("deliver").try_number) == ("success", 2), run.log
    assert user_ids(blux) == {user["user_id"] for user in everyone}
    assert canaries.in_files(scheduler.home.folder) == []
    assert canaries.in_tables(scheduler.home.metadata) == []

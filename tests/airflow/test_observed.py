"""Asset events, lineage, metrics and task progress of a delivery under real Airflow."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries
from tests.airflow.dag_tester import DagTester
from tests.airflow.lineage import FILE, events_of
from tests.airflow.scheduler import Scheduler
from tests.airflow.statsd import StatsdListener
from tests.postgres import SERVER, why_not

Lines = Callable[..., Path]
Airflow = DagTester | Scheduler

AIRFLOW = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2])
USERS_URI, DELETIONS_URI = "blux://demo-app/users", "blux://demo-app/deletions"


def users(count: int) -> list[dict[str, Any]]:
    return [{"user_id": f"user-{number}", "grade": "gold"} for number in range(1, count + 1)]


def some_of(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names}


def paths(file: Path) -> dict[str, str]:
    return {"path": str(file), "folder": str(file.parent)}


def test_the_event_of_an_outlet_carries_the_report(airflow: Airflow, blux: Emulator, write_lines: Lines) -> None:
    records = users(5)
    del records[2]["user_id"]
    run = airflow.run("users_with_an_outlet", **paths(write_lines(records)))

    assert run.state == "success", run.log
    events = run.asset_events()
    assert events[USERS_URI] == {"api": "application", "operation": "upsert_users", **run.result("deliver")}
    assert some_of(events[USERS_URI], "read", "delivered", "rejected") == {"read": 5, "delivered": 4, "rejected": 1}
    assert events["file:///exports/users"] == {}


def test_the_event_of_an_alias_names_the_application_of_the_connection(
    airflow: Airflow, blux: Emulator, tmp_path: Path
) -> None:
    run = airflow.run("deletions_with_an_alias", user_ids=["user-1", "user-2"], folder=str(tmp_path))

    assert run.state == "success", run.log
    (uri,) = events = run.asset_events()
    assert uri == DELETIONS_URI
    assert some_of(events[uri], "operation", "delivered") == {"operation": "delete_users", "delivered": 2}
    assert json.loads(events[uri]["receipts"]) == run.result("deliver")["receipts"]


def test_a_dry_run_announces_no_change(airflow: Airflow, blux: Emulator, write_lines: Lines) -> None:
    run = airflow.run("users_checked_with_an_outlet", **paths(write_lines(users(2))))

    assert run.state == "success", run.log
    assert list(run.asset_events()) == ["file:///exports/checked"]


def test_a_task_that_fails_announces_no_change(airflow: Airflow, blux: Emulator, write_lines: Lines) -> None:
    run = airflow.run("users_with_an_outlet", **paths(write_lines([{"grade": "gold"}] * 2)))

    assert run.state == "failed"
    assert run.asset_events() == {}


@pytest.mark.parametrize(
    ("producer", "consumer"), [("users_with_an_outlet", "after_users"), ("deletions_with_an_alias", "after_deletions")]
)
def test_a_dag_that_waits_for_an_asset_sees_the_report(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines, *, producer: str, consumer: str
) -> None:
    run = scheduler.run(producer, user_ids=["user-1", "user-2"], **paths(write_lines(users(2))))

    def seen() -> dict[str, Any] | None:
        ended = [found for found in scheduler.runs_of(consumer) if found.state == "success"]
        events = [event for found in ended for event in found.result("events")]
        return next((event["extra"] for event in events if event["run_id"] == run.run_id), None)

    report = scheduler.poll(seen, f"{consumer} has run after {run.run_id}")
    assert some_of(report, "read", "delivered") == {"read": 2, "delivered": 2}


def counts_of(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return some_of(event["run"]["facets"]["blux_delivery"], *names)


def datasets(event: dict[str, Any], side: str) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in event[side]]


def rows(event: dict[str, Any]) -> int:
    (output,) = event["outputs"]
    count: int = output["outputFacets"]["outputStatistics"]["rowCount"]
    return count


def plan_an_outage(blux: Emulator) -> None:
    """Let the third request fail twice, the second time with a ``Retry-After`` so long that the try ends."""
    blux.fault(kind="status", status=503, skip=2, times=1)
    blux.fault(kind="status", status=503, headers={"Retry-After": "86400"}, skip=2, times=1)


def test_lineage_names_the_files_the_asset_and_the_counts_of_each_try(
    airflow: Airflow, blux: Emulator, write_lines: Lines
) -> None:
    folder = write_lines([*users(7), {"grade": "gold"}], "part-1.jsonl").parent
    write_lines(users(10)[7:], "last.jsonl")
    plan_an_outage(blux)
    run = airflow.run("users_with_lineage", folder=str(folder))

    assert run.state == "success", run.log
    events = events_of(airflow.home.folder, "users_with_lineage.deliver")
    failed, complete = [event for event in events if event["eventType"] in ("FAIL", "COMPLETE")]
    assert failed["eventType"] == "FAIL"
    for event in (failed, complete):
        assert datasets(event, "inputs") == [("file", str(folder)), ("file", str(folder / "last.jsonl"))]
        assert datasets(event, "outputs") == [("blux://demo-app", "users")]
    assert [rows(failed), rows(complete)] == [4, 6]
    assert counts_of(failed, "read", "delivered", "retries") == {"read": 4, "delivered": 4, "retries": 1}
    assert counts_of(complete, "read", "delivered", "resumed", "rejected", "operation") == {
        "read": 11,
        "delivered": 10,
        "resumed": 4,
        "rejected": 1,
        "operation": "upsert_users",
    }


def test_lineage_holds_nothing_of_a_record_and_no_key(
    airflow: Airflow, blux: Emulator, write_lines: Lines, keys: Canaries
) -> None:
    canaries = Canaries()
    canaries.values |= keys.values
    folder = write_lines([canaries.user() for _ in range(4)], "part-1.jsonl").parent
    write_lines([{**canaries.user(), "user_id": 1.5}], "last.jsonl")
    run = airflow.run("users_with_lineage", folder=str(folder))

    assert run.state == "success", run.log
    assert canaries.in_text((airflow.home.folder / FILE).read_text("utf-8")) == []


def test_the_lineage_of_a_dry_run_names_what_was_read_and_no_change(
    airflow: Airflow, blux: Emulator, write_lines: Lines
) -> None:
    file = write_lines(users(3))
    run = airflow.run("users_checked_with_lineage", path=str(file))

    assert run.state == "success", run.log
    event = events_of(airflow.home.folder, "users_checked_with_lineage.deliver")[-1]
    assert (datasets(event, "inputs"), event["outputs"]) == ([("file", str(file))], [])
    assert counts_of(event, "validate_only", "valid") == {"validate_only": True, "valid": 3}


@pytest.fixture
def table() -> Iterator[str]:
    psycopg2 = pytest.importorskip("psycopg2")
    if reason := why_not():
        pytest.skip(reason)
    server = psycopg2.connect(**SERVER)
    name = f"blux_lineage_{secrets.token_hex(4)}"
    server.autocommit = True
    with closing(server), server.cursor() as cursor:
        cursor.execute(
            f"create table {name} as select 'user-' || n as user_id, 'gold' as grade from generate_series(1, 3) n"  # noqa: S608
        )
        yield name
        cursor.execute(f"drop table {name}")


def test_the_lineage_of_a_query_names_its_tables_and_not_its_text(airflow: Airflow, blux: Emulator, table: str) -> None:
    run = airflow.run("users_from_a_table_with_lineage", table=table)

    assert run.state == "success", run.log
    event = events_of(airflow.home.folder, "users_from_a_table_with_lineage.deliver")[-1]
    assert datasets(event, "inputs") == [
        (f"postgres://{SERVER['host']}:{SERVER['port']}", f"{SERVER['dbname']}.public.{table}")
    ]
    assert rows(event) == 3
    assert "sql" not in event["job"]["facets"]


def test_the_lineage_of_a_task_with_the_hook_names_the_asset(airflow: Airflow, blux: Emulator) -> None:
    run = airflow.run("users_from_the_hook_with_lineage", users=users(3))

    assert run.state == "success", run.log
    event = events_of(airflow.home.folder, "users_from_the_hook_with_lineage.deliver")[-1]
    # Not all there is where many tasks share a process, as under `dags test`: the collector is the process's.
    assert ("blux://demo-app", "users") in datasets(event, "outputs")


def test_metrics_count_records_by_outcome_and_requests_by_status(
    airflow: Airflow, blux: Emulator, write_lines: Lines, metrics: StatsdListener
) -> None:
    folder = write_lines([*users(7), {"grade": "gold"}], "part-1.jsonl").parent
    write_lines(users(10)[7:], "last.jsonl")
    plan_an_outage(blux)
    metrics.clear()
    run = airflow.run("users_with_lineage", folder=str(folder))

    # Both tries together: what the first has delivered is not counted again by the second.
    assert (run.state, run.task("deliver").try_number) == ("success", 2), run.log
    tags = "api=application,operation=upsert_users"
    assert metrics.counters("airflow.blux.") == {
        f"airflow.blux.records,{tags},outcome=delivered": 10,
        f"airflow.blux.records,{tags},outcome=rejected": 1,
        f"airflow.blux.requests,{tags},status=200": 5,
        f"airflow.blux.requests,{tags},status=503": 2,
        f"airflow.blux.retries,{tags}": 1,
        "airflow.blux.application.upsert_users.records.delivered": 10,
        "airflow.blux.application.upsert_users.records.rejected": 1,
        "airflow.blux.application.upsert_users.requests.200": 5,
        "airflow.blux.application.upsert_users.requests.503": 2,
        "airflow.blux.application.upsert_users.retries": 1,
    }
    timings = metrics.timings("airflow.blux.")
    dotted = timings["airflow.blux.application.upsert_users.pace_wait"]
    assert timings == {
        f"airflow.blux.pace_wait,{tags}": dotted,
        "airflow.blux.application.upsert_users.pace_wait": dotted,
    }
    assert len(dotted) == 2  # one for each try
    assert all(0 < milliseconds < 60_000 for milliseconds in dotted)


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow before 3.3 keeps no task state")
def test_the_task_state_shows_the_progress_while_the_task_runs_and_its_end_afterwards(
    scheduler: Scheduler, blux: Emulator
) -> None:
    run = scheduler.trigger("users_slowly", users=users(60))

    def shown() -> dict[str, Any] | None:
        progress = scheduler.rest.task_state(run, "deliver").get("blux_progress")
        return progress if progress and progress["delivered"] else None

    progress = scheduler.poll(shown, "the progress is shown")
    assert some_of(progress, "state", "try_number", "total") == {"state": "running", "try_number": 1, "total": 60}
    assert 30 <= progress["delivered"] == progress["read"] < 60
    assert 2 < progress["records_per_second"] < 6
    assert 1 < progress["seconds_left"] < 15
    assert scheduler.look_at(run).state == "running"

    run = scheduler.finish(run)
    assert run.state == "success", run.log
    state = scheduler.rest.task_state(run, "deliver")
    assert list(state) == ["blux_progress"]
    ended = state["blux_progress"]
    assert some_of(ended, "state", "read", "delivered") == {"state": "ended", "read": 60, "delivered": 60}
    assert "seconds_left" not in ended


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow before 3.3 keeps no task state")
def test_a_cleared_task_shows_the_progress_of_its_new_try(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines
) -> None:
    run = scheduler.run("users_from_a_file", path=str(write_lines(users(10))))
    blux.reset()
    run = scheduler.clear(run, "deliver")

    progress = scheduler.rest.task_state(run, "deliver")["blux_progress"]
    assert some_of(progress, "state", "try_number", "delivered", "resumed") == {
        "state": "ended",
        "try_number": 2,
        "delivered": 10,
        "resumed": 0,
    }

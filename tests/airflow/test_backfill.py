"""Airflow's own backfill over months, each a run of mapped tasks: the example DAG as it stands, on a real scheduler."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run
from tests.airflow.rest import AIRFLOW_2
from tests.airflow.scheduler import Scheduler, settings_of_a_scheduler

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAG = "backfill_customers"

pytestmark = pytest.mark.skipif(AIRFLOW_2, reason="`airflow backfill create` came with Airflow 3")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a hundred customers that changed in each of three months."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE customers (customer_no INTEGER PRIMARY KEY, phone TEXT, email TEXT, name TEXT, "
            "updated_at TEXT)"
        )
        database.executemany(
            "INSERT INTO customers VALUES (?, NULL, NULL, ?, ?)",
            [(1000 + number, f"월{number % 3 + 1}", f"2026-0{number % 3 + 1}-15 09:00:00") for number in range(300)],
        )
    return path


@pytest.fixture(scope="module")
def scheduler(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, emulator: Emulator, shop: Path
) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("backfill")
    (folder / "dags" / "sql").mkdir(parents=True)
    for name in (f"{DAG}.py", "sql/customers_of_a_month.sql"):
        shutil.copy(EXAMPLES / name, folder / "dags" / name)
    (folder / "output" / "receipts").mkdir(parents=True)
    (folder / "output" / "receipts" / "earlier.jsonl").touch()
    settings = settings_of_a_scheduler() | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # only what is backfilled is to run
        "AIRFLOW_CONN_BLUX_DEFAULT": json.dumps(emulator.connection()),
        "AIRFLOW_CONN_BLUX_EXAMPLE_SHOP": json.dumps({"conn_type": "sqlite", "host": str(shop)}),
        "BLUX_EXAMPLE_OUTPUT": str(folder / "output"),
    }
    home = AirflowHome(folder, **settings)
    home.migrate(migrated_home)
    # Before the scheduler starts: SQLite does not let two processes write at the same time.
    home.command("dags", "reserialize")
    home.command(
        *("backfill", "create", "--dag-id", DAG, "--from-date", "2026-01-01", "--to-date", "2026-03-01"),
        *("--max-active-runs", "1"),
    )
    emulator.reset()
    emulator.fault(kind="refuse", ids=["1001"])
    with Scheduler(home) as running:
        running.wait_until_healthy()
        running.rest.unpause(DAG)  # only now: a task that starts before the server answers fails
        yield running


@pytest.fixture(scope="module")
def months(scheduler: Scheduler) -> list[Run]:
    """The runs of three months, of which customer 1001, changed in February, let one task fail."""
    run_ids = sorted(scheduler.home.metadata.runs(DAG))
    return [
        scheduler.finish(Run(dag_id=DAG, run_id=run_id, state="queued", log="", metadata=scheduler.home.metadata))
        for run_id in run_ids
    ]


def states(run: Run) -> list[str | None]:
    tasks = run.metadata.tasks(run.dag_id, run.run_id)
    return [task.state for (task_id, _), task in sorted(tasks.items()) if task_id == "send_range"]


def test_each_month_is_a_run_that_sends_its_own_rows_in_ranges(months: list[Run]) -> None:
    january, february, march = months

    assert [run.state for run in months] == ["success", "failed", "success"], february.log
    for run in (january, march):
        report = run.result("sum_up")
        assert (report["tasks"], report["read"], report["delivered"]) == (4, 100, 100)


def test_only_the_range_that_failed_is_sent_again_when_it_is_cleared(
    months: list[Run], scheduler: Scheduler, emulator: Emulator
) -> None:
    _, february, _ = months
    assert sorted(map(str, states(february))) == ["failed", "success", "success", "success"]
    assert "1001" not in dict(emulator.users())

    emulator.clear_faults()
    before = len(emulator.requests())
    february = scheduler.clear(february, "send_range", "sum_up", only_failed=True)
    sent_again = emulator.requests()[before:]

    assert february.state == "success", february.log
    assert sum(request["records"] for request in sent_again) == 25
    assert february.result("sum_up")["delivered"] == 100
    assert {user_id for user_id, _ in emulator.users()} == {str(1000 + number) for number in range(300)}

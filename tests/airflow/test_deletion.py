"""The deletion workflow, from the table of requests to the receipts: the example DAG as it stands, on every Airflow."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.receipts import KEY_VARIABLE, main
from tests.airflow.canaries import Canaries
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler, settings_of_a_scheduler

EXAMPLES = Path(__file__).parents[2] / "example_dags"
AIRFLOW = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2])
CAN_ASK = AIRFLOW >= (3, 1)
# Before 3.3 a task that asks is deferred to a triggerer, which the tests do not run.
ASKS_BY_ITSELF = AIRFLOW >= (3, 3)
# When a task fails, `dags test` of 3.0 shows the local variables of every frame in the terminal; no task log does.
TERMINAL_SHOWS_VARIABLES = AIRFLOW == (3, 0)
# For so long only Airflow waits: the try ends at once.
UNAVAILABLE = {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}}


class Shop:
    """The shop's table of requests to be erased."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, *user_ids: str | None, days_ago: float = 0) -> None:
        """Put a request for each id into the table."""
        asked = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
        with closing(sqlite3.connect(self.path)) as database, database:
            database.executemany(
                "INSERT INTO deletion_requests (user_id, requested_at) VALUES (?, ?)",
                [(user_id, asked) for user_id in user_ids],
            )

    def begin(self) -> None:
        """Create the table again, empty."""
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute("DROP TABLE IF EXISTS deletion_requests")
            database.execute(
                "CREATE TABLE deletion_requests (request_no INTEGER PRIMARY KEY, user_id TEXT, requested_at TEXT NOT "
                "NULL, reason TEXT, done_at TEXT)"
            )

    def open_ids(self) -> list[str | None]:
        """Return the ids of the open requests."""
        query = "SELECT user_id FROM deletion_requests WHERE done_at IS NULL ORDER BY request_no"
        with closing(sqlite3.connect(self.path)) as database:
            return [user_id for (user_id,) in database.execute(query)]


@pytest.fixture(scope="module")
def receipt_key(keys: Canaries) -> str:
    return keys.secret()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the DAGs read and write: ``shop.db``, ``data`` and ``output``."""
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def settings(emulator: Emulator, receipt_key: str, place: Path) -> dict[str, str]:
    blux = emulator.connection()
    blux["extra"]["receipt_key"] = receipt_key
    return {
        "AIRFLOW_CONN_BLUX_DEFAULT": json.dumps(blux),
        "AIRFLOW_CONN_BLUX_EXAMPLE_SHOP": json.dumps({"conn_type": "sqlite", "host": str(place / "shop.db")}),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "0",
        "BLUX_EXAMPLE_DATA": str(place / "data"),
        "BLUX_EXAMPLE_OUTPUT": str(place / "output"),
    }


@pytest.fixture(scope="module")
def examples(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, settings: dict[str, str]
) -> Iterator[DagTester]:
    home = AirflowHome(tmp_path_factory.mktemp("examples"), **settings)
    home.migrate(migrated_home)
    with DagTester(home) as tester:
        yield tester


@pytest.fixture(scope="module")
def scheduled(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, settings: dict[str, str]
) -> Iterator[Scheduler]:
    if not ASKS_BY_ITSELF:
        pytest.skip("this Airflow does not ask, or needs a triggerer for it")
    settings = settings | settings_of_a_scheduler()
    settings |= {
        "AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES": "receipt_key",  # as docs/deletion.md tells
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # only what the tests trigger is to run
    }
    home = AirflowHome(tmp_path_factory.mktemp("scheduled"), **settings)
    home.migrate(migrated_home)
    with Scheduler(home) as running:
        yield running


@pytest.fixture
def output(place: Path) -> Path:
    """The folder that the DAGs write to; it does not exist yet."""
    shutil.rmtree(place / "output", ignore_errors=True)
    return place / "output"


@pytest.fixture
def shop(place: Path, output: Path) -> Shop:
    shop = Shop(place / "shop.db")
    shop.begin()
    return shop


@pytest.fixture
def ids() -> Canaries:
    return Canaries()


@pytest.fixture
def verify(output: Path, receipt_key: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that verifies the receipts with the command; 0 means that they are valid and hold the id."""
    monkeypatch.setenv(KEY_VARIABLE, receipt_key)
    return lambda user_id: main(["verify", str(output / "receipts"), "--user-id", user_id])


def rejected_ids(output: Path) -> dict[str, set[str | None]]:
    """Return the ids in the rejects files, by task."""
    found: dict[str, set[str | None]] = {}
    for file in (output / "rejects").iterdir():
        task = next(task for task in ("delete_profiles", "delete_users__") if task in file.name).rstrip("_")
        found[task] = {json.loads(line)["record"]["user_id"] for line in file.read_text("utf-8").splitlines()}
    return found


def assert_nothing_is_kept(ids: Canaries, home: AirflowHome, *, but: str = "nothing") -> None:
    assert [found for found in ids.in_files(home.folder) if not found.startswith(but)] == []
    assert ids.in_tables(home.metadata) == []


def in_plain_text(log: str) -> str:
    """Return a log without the colours of the terminal."""
    return re.sub(r"\x1b\[[\d;]*m", "", log)


def test_a_request_is_done_when_both_apis_accepted_its_id_and_receipts_prove_it(
    examples: DagTester, blux: Emulator, shop: Shop, ids: Canaries, verify: Callable[..., int]
) -> None:
    asking = [ids.user()["user_id"] for _ in range(3)]
    shop.ask(*asking, asking[0])
    run = examples.run("delete_users")

    assert run.state == "success", run.log
    assert shop.open_ids() == []
    assert set(blux.deleted_users()) == set(blux.deleted_profiles()) == set(asking)
    assert run.result("mark_done") == {"done": 4, "open": 0}
    assert [verify(user_id) for user_id in asking] == [0, 0, 0]
    assert verify("nobody") == 1


def test_an_id_that_one_api_refuses_or_that_is_no_id_stays_open_and_holds_back_no_other(
    examples: DagTester, blux: Emulator, shop: Shop, output: Path, ids: Canaries
) -> None:
    fine, refused, blank = (ids.user()["user_id"] for _ in range(3))
    shop.ask(fine, refused, f" {blank}", None)
    blux.fault(kind="refuse", api="open", ids=[refused], echo=True)
    run = examples.run("delete_users")

    assert run.state == "success", run.log
    assert shop.open_ids() == [refused, f" {blank}", None]
    assert run.result("mark_done") == {"done": 1, "open": 3}
    assert "still open: requests [2, 3, 4]" in run.log
    assert rejected_ids(output) == {
        "delete_users": {f" {blank}", None},
        "delete_profiles": {refused, f" {blank}", None},
    }
    assert_nothing_is_kept(ids, examples.home)
    assert ids.in_files(output / "receipts") == []


def test_a_failed_run_is_red_marks_nothing_done_tells_the_deadlines_and_keeps_no_id(
    examples: DagTester, blux: Emulator, shop: Shop, output: Path, ids: Canaries
) -> None:
    shop.ask(ids.user()["user_id"], ids.user()["user_id"], days_ago=8)
    blux.fault(**UNAVAILABLE, api="open")
    run = examples.run("delete_users")

    assert run.state == "failed"
    assert run.task("delete_profiles").state == "failed"
    assert len(shop.open_ids()) == 2
    assert run.result("report_deadlines") == {"open": 2, "near_deadline": [1, 2]}
    assert_nothing_is_kept(ids, examples.home, but="dag_tester.log" if TERMINAL_SHOWS_VARIABLES else "nothing")
    assert ids.in_files(output) == []

    blux.clear_faults()
    run = examples.run("delete_users")
    assert run.state == "success", run.log
    assert shop.open_ids() == []


def test_the_deadline_is_a_parameter_and_requests_are_named_by_number(
    examples: DagTester, blux: Emulator, shop: Shop
) -> None:
    shop.ask(" new", days_ago=1)
    shop.ask(" near", days_ago=8)
    shop.ask(" late", days_ago=12)
    in_korea = examples.run("delete_users")
    in_the_eu = examples.run("delete_users", deadline_days=28)

    assert in_korea.result("report_deadlines") == {"open": 3, "near_deadline": [2, 3]}
    assert "fewer than 3 of 10 days left, or none: [2, 3]" in in_korea.log
    assert in_the_eu.result("report_deadlines") == {"open": 3, "near_deadline": []}


def test_nobody_asked_and_nothing_is_sent(examples: DagTester, blux: Emulator, shop: Shop) -> None:
    run = examples.run("delete_users")

    assert run.state == "success", run.log
    assert blux.requests() == []


@pytest.mark.skipif(CAN_ASK, reason="this Airflow asks")
def test_an_airflow_that_cannot_ask_stops_and_says_how_to_approve(
    examples: DagTester, blux: Emulator, shop: Shop
) -> None:
    shop.ask("a", "b", "c")
    run = examples.run("delete_users", usual_users=2)

    assert (run.state, run.task("approve").state) == ("failed", "failed")
    assert '{"approved": true}' in in_plain_text(run.log)
    assert blux.requests() == []
    assert len(shop.open_ids()) == 3


def test_an_approved_number_is_deleted(examples: DagTester, blux: Emulator, shop: Shop) -> None:
    shop.ask("a", "b", "c")
    run = examples.run("delete_users", usual_users=2, approved=True)

    assert run.state == "success", run.log
    assert run.task("approve").state == "skipped"
    assert set(blux.deleted_users()) == {"a", "b", "c"}


def trigger_until_it_asks(scheduled: Scheduler) -> Run:
    run = scheduled.trigger("delete_users", usual_users=2)

    def asks() -> bool:
        task = run.metadata.tasks(run.dag_id, run.run_id).get(("approve", -1))
        # Airflow 3.3.2 fails a task that is answered before the scheduler has heard that its process has ended.
        heard = f"Received executor event with state success for task instance TaskInstanceKey(dag_id='{run.dag_id}', "
        heard += f"task_id='approve', run_id='{run.run_id}'"
        log = (scheduled.home.folder / "scheduler.log").read_text(errors="replace")
        return task is not None and task.state == "awaiting_input" and heard in log

    scheduled.poll(asks, "Airflow asks")
    return run


def test_an_unusual_number_is_deleted_only_when_a_person_approves(
    scheduled: Scheduler, blux: Emulator, shop: Shop, ids: Canaries, keys: Canaries, verify: Callable[..., int]
) -> None:
    asking = [ids.user()["user_id"] for _ in range(3)]
    shop.ask(*asking)
    run = trigger_until_it_asks(scheduled)

    assert blux.requests() == []
    assert run.task("delete_users").state is None

    shop.ask("came-in-meanwhile")
    scheduled.rest.answer(run, "approve", "Approve")
    run = scheduled.finish(run)
    assert run.state == "success", run.log
    assert set(blux.deleted_users()) == set(blux.deleted_profiles()) == set(asking)
    assert shop.open_ids() == ["came-in-meanwhile"]
    assert verify(asking[0]) == 0
    assert_nothing_is_kept(ids, scheduled.home)
    assert_nothing_is_kept(keys, scheduled.home)


def test_nothing_is_deleted_when_a_person_rejects(scheduled: Scheduler, blux: Emulator, shop: Shop) -> None:
    shop.ask("a", "b", "c", days_ago=8)
    run = trigger_until_it_asks(scheduled)
    scheduled.rest.answer(run, "approve", "Reject")
    run = scheduled.finish(run)

    assert (run.task("delete_users").state, run.task("delete_profiles").state) == ("skipped", "skipped")
    assert blux.requests() == []
    assert shop.open_ids() == ["a", "b", "c"]
    assert run.result("report_deadlines") == {"open": 3, "near_deadline": [1, 2, 3]}


def test_a_backfill_of_old_data_does_not_bring_deleted_users_back(
    examples: DagTester, blux: Emulator, shop: Shop, place: Path
) -> None:
    folder = place / "data" / "partitions" / "2026-09-01"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users.jsonl").write_text('{"user_id": "here"}\n{"user_id": "erased"}\n')
    shop.ask("erased")
    examples.run("delete_users")
    run = examples.run("backfill_users")

    assert run.state == "success", run.log
    assert set(dict(blux.users())) == {"here"}
    report = run.result("sum_up")
    assert {name: report[name] for name in ("tasks", "read", "delivered", "merged", "suppressed")} == {
        "tasks": 1,
        "read": 2,
        "delivered": 1,
        "merged": 0,
        "suppressed": 1,
    }


def test_a_sync_whose_list_of_deleted_users_is_missing_sends_nobody(
    examples: DagTester, blux: Emulator, shop: Shop, output: Path, place: Path
) -> None:
    (place / "data").mkdir(exist_ok=True)
    (place / "data" / "users.csv").write_text("user_id,name\nerased,김\n")
    run = examples.run("sync_users_from_files")

    assert run.state == "failed"
    assert f"{output}/receipts" in run.log
    assert blux.requests() == []


def test_the_pages_of_airflow_mask_the_receipt_key_where_its_name_is_declared(
    scheduled: Scheduler,
) -> None:
    extra = {"receipt_key": Canaries().secret(), "project_id": "p"}
    scheduled.wait_until_healthy()
    scheduled.rest.store_connection(connection_id="stored", conn_type="blux", extra=json.dumps(extra))

    assert json.loads(scheduled.rest.extra_of("stored")) == {"receipt_key": "***", "project_id": "p"}


def state_rows(home: AirflowHome) -> list[dict[str, Any]]:
    return [row for table, row in home.metadata.rows() if table == "task_state_store"]


@pytest.mark.skipif(not ASKS_BY_ITSELF, reason="before 3.3 there is no task state")
def test_the_task_state_of_a_failed_deletion_holds_no_id(
    examples: DagTester, blux: Emulator, shop: Shop, ids: Canaries
) -> None:
    beginning = ids.deletion()["user_id"]
    shop.ask(*(f"{beginning}-{number}" for number in range(1_500)))
    blux.fault(**UNAVAILABLE, api="open", skip=1)
    run = examples.run("delete_users", usual_users=2_000)

    assert run.state == "failed"
    assert any(row["run_id"] == run.run_id for row in state_rows(examples.home))
    assert_nothing_is_kept(ids, examples.home)

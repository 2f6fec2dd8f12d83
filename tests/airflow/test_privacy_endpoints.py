"""Airflow stores no record and no key of six deliveries, one to each endpoint, whether or not their requests succeed.

The error messages of the APIs quote the records and the keys.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries, result_of_the_task_that_reads
from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler

# What the tasks of tests/airflow/dags/endpoints.py are named after: the operation and the API, the kind of record.
ENDPOINTS = {
    "users": ("upsert_users", "application", "user"),
    "profiles": ("upsert_users", "open", "profile"),
    "deletions": ("delete_users", "application", "deletion"),
    "deletion_jobs": ("delete_users", "open", "deletion"),
    "events": ("send_events", "open", "event"),
    "devices": ("update_devices", "open", "device"),
}
AIRFLOW = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2])
needs_task_state = pytest.mark.skipif(AIRFLOW < (3, 3), reason="before 3.3 there is no task state")
# For so long only Airflow waits: the try ends at once.
TOO_LONG = {"Retry-After": "86400"}


class Deliveries:
    """Four records for each endpoint, and the planned faults.

    :param folder: folder with the source files and the files that the tasks write.
    :param keys: the keys of all connections.
    :param connection: id and content of the connection.
    """

    def __init__(
        self, scheduler: Scheduler, blux: Emulator, folder: Path, keys: Canaries, connection: tuple[str, str]
    ) -> None:
        self.scheduler = scheduler
        self.folder = folder
        self._blux = blux
        self._connection_id, self._connection = connection[0], json.loads(connection[1])
        self._canaries = Canaries()
        self._canaries.values |= keys.values
        self.records = {
            name: [getattr(self._canaries, kind)() for _ in range(4)] for name, (_, _, kind) in ENDPOINTS.items()
        }

    def fault(self, **fields: Any) -> None:
        """Plan a separate fault for every endpoint; an error message quotes records and keys."""
        for name, (operation, api, _) in ENDPOINTS.items():
            in_its_request = self.records[name][2 * fields.get("skip", 0) :]
            words = {"body": {"message": self._careless(*in_its_request[:2])}} if fields["kind"] == "status" else {}
            self._blux.fault(operation=operation, api=api, **words, **fields)

    def write(self) -> None:
        """Write the files."""
        for name, records in self.records.items():
            lines = [f"{json.dumps(record, ensure_ascii=False)}\n" for record in records]
            (self.folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")

    def trigger(self, dag_id: str = "every_endpoint") -> Run:
        """Start the deliveries."""
        self.write()
        return self.scheduler.trigger(dag_id, folder=str(self.folder), connection=self._connection_id)

    def run(self, dag_id: str = "every_endpoint") -> Run:
        """Run the deliveries and wait for the end."""
        return self.scheduler.finish(self.trigger(dag_id))

    def wait_until_all_are_answered_once(self) -> None:
        """Wait until two records of each delivery have arrived, and the request for the others is in flight."""

        def arrived() -> bool:
            return {fault["seen"] for fault in self._blux.faults()} == {2}

        self.scheduler.poll(arrived, "every delivery is in its second request")

    def checkpoints(self) -> list[dict[str, Any]]:
        """Return the contents of the checkpoint files."""
        return [json.loads(file.read_text()) for file in (self.folder / "kept" / "checkpoints").glob("*")]

    def snapshots(self) -> list[Path]:
        """Return the files of the snapshots."""
        return sorted((self.folder / "kept" / "snapshots").glob("*/*"))

    def assert_nothing_is_kept(self) -> None:
        """Check that no value is in a file or table of Airflow, or in a file of a task, except for rejects files."""
        assert self._canaries.in_files(self.scheduler.home.folder) == []
        assert self._canaries.in_files(self.folder / "kept") == []
        assert self._canaries.in_tables(self.scheduler.home.metadata) == []

    def assert_only_results_of_other_tasks_are_kept(self) -> None:
        """Check that values are only where Airflow stores the return values of the tasks that read the records."""
        assert self._canaries.in_tables(self.scheduler.home.metadata, but=result_of_the_task_that_reads) == []
        assert self._canaries.in_other_files(self.scheduler.home.folder) == []

    def _careless(self, first: dict[str, Any], second: dict[str, Any]) -> str:
        *_, text = _texts(second)
        keys = self._connection["password"], self._connection["extra"]["open_api_key"]
        forms = [second["user_id"].upper(), html.escape(text), quote(text), json.dumps(text), *keys]
        return f"{' '.join(forms)}: cannot store {json.dumps(first)}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


@pytest.fixture
def connection_id() -> str:
    return "blux_default"


@pytest.fixture
def deliveries(
    scheduler: Scheduler,
    blux: Emulator,
    tmp_path: Path,
    keys: Canaries,
    connections: dict[str, str],
    connection_id: str,
) -> Deliveries:
    connection = connection_id, connections[f"AIRFLOW_CONN_{connection_id.upper()}"]
    return Deliveries(scheduler, blux, tmp_path, keys, connection)


def states(run: Run) -> dict[str, str | None]:
    return {name: run.task(name).state for name in ENDPOINTS}


ALL_SUCCEED = dict.fromkeys(ENDPOINTS, "success")
ALL_FAIL = dict.fromkeys(ENDPOINTS, "failed")


def test_nothing_of_what_is_delivered_is_kept(deliveries: Deliveries) -> None:
    run = deliveries.run()

    assert states(run) == ALL_SUCCEED, run.log
    assert {file.parent.name for file in deliveries.snapshots()} == {"users", "profiles", "devices"}
    assert {file.stat().st_mode & 0o077 for file in deliveries.snapshots()} == {0}
    deliveries.assert_nothing_is_kept()

    again = deliveries.run()
    assert {name: again.result(name)["unchanged"] for name in ("users", "profiles", "devices")} == {
        "users": 4,
        "profiles": 4,
        "devices": 4,
    }
    deliveries.assert_nothing_is_kept()


def test_nothing_is_kept_of_values_of_upstream_tasks_but_where_they_are_returned(deliveries: Deliveries) -> None:
    run = deliveries.run("every_endpoint_from_an_upstream_task")

    assert states(run) == ALL_SUCCEED, run.log
    deliveries.assert_only_results_of_other_tasks_are_kept()
    fields = {"users": "users", "profiles": "users", "events": "events", "devices": "devices"}
    fields |= dict.fromkeys(("deletions", "deletion_jobs"), "user_ids")
    assert {name: run.rendered(name)[fields[name]] for name in ENDPOINTS} == dict.fromkeys(ENDPOINTS, "<list of 4>")
    assert [run.rendered("mapped", index)["users"] for index in (0, 1)] == ["<list of 2>", "<list of 2>"]


def test_nothing_is_kept_of_records_that_are_invalid_or_refused_with_their_own_words(
    deliveries: Deliveries, blux: Emulator
) -> None:
    refused = []
    for first, second, *_ in deliveries.records.values():
        first["user_id"] = f" {first['user_id']}"  # whitespace around it
        refused += [value for value in second.values() if isinstance(value, str)]
    blux.fault(kind="refuse", ids=refused, echo=True)
    run = deliveries.run()

    assert states(run) == ALL_FAIL
    assert run.log.count("record 1, user_id: has whitespace around it") >= 6
    assert run.log.count("record 2, as a whole: Blux refused it (400)") >= 6
    deliveries.assert_nothing_is_kept()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "status", "status": 307}, "Redirects are never followed"),
        ({"kind": "status", "status": 404}, "Blux answered 404"),
        ({"kind": "too_large", "records": 0}, "is larger than Blux takes in one request"),
    ],
    ids=["a redirect", "404", "413"],
)
def test_nothing_is_kept_of_what_no_retry_can_fix(deliveries: Deliveries, fault: dict[str, Any], words: str) -> None:
    if fault["kind"] == "status":
        user_id = deliveries.records["users"][0]["user_id"]
        fault = fault | {"headers": {"Location": f"http://127.0.0.1/users/{user_id}"}}
    deliveries.fault(**fault)
    run = deliveries.run()

    assert states(run) == ALL_FAIL
    assert run.log.count(words) >= 6
    deliveries.assert_nothing_is_kept()


@pytest.mark.parametrize("connection_id", ["wrong_key"])
def test_nothing_is_kept_of_records_or_keys_when_the_keys_are_wrong(deliveries: Deliveries) -> None:
    deliveries.fault(kind="status", status=401)
    run = deliveries.run()

    assert states(run) == ALL_FAIL
    assert run.log.count("the credentials are refused") >= 6
    deliveries.assert_nothing_is_kept()


@pytest.mark.parametrize("connection_id", ["impatient"])
def test_nothing_is_kept_of_what_is_tried_again(deliveries: Deliveries) -> None:
    deliveries.fault(kind="reset", times=1)
    deliveries.fault(kind="delay", seconds=2, skip=1, times=1)
    # Twice, since it also answers the request that nobody waits for any more.
    deliveries.fault(kind="status", status=429, times=2)
    deliveries.fault(kind="status", status=500, times=1)
    run = deliveries.run()

    assert states(run) == ALL_SUCCEED, run.log
    for words in ("within 1 s", "answered 429", "answered 500", "broke during"):
        assert run.log.count(words) >= 6, words
    deliveries.assert_nothing_is_kept()


@pytest.mark.parametrize(
    "dag_id", [pytest.param("every_endpoint", marks=needs_task_state), "every_endpoint_with_a_checkpoint"]
)
def test_nothing_is_kept_in_an_outage_and_its_checkpoints_hold_digests(deliveries: Deliveries, dag_id: str) -> None:
    deliveries.fault(kind="status", status=503, skip=1, times=1)
    deliveries.fault(kind="status", status=503, headers=TOO_LONG, skip=1)
    run = deliveries.run(dag_id)

    assert states(run) == ALL_FAIL
    assert run.log.count("Attempt 1 of 6 failed") >= 6
    checkpoints = deliveries.checkpoints() if dag_id != "every_endpoint" else in_task_state(run)
    assert [(saved["counts"]["batches"], len(saved["digest"])) for saved in checkpoints] == 6 * [(1, 24)]
    deliveries.assert_nothing_is_kept()


def in_task_state(run: Run) -> list[dict[str, Any]]:
    """Return the checkpoints in Airflow's task state."""
    rows = [row for table, row in run.metadata.rows() if table == "task_state_store" and row["run_id"] == run.run_id]
    return [json.loads(row["value"]) for row in rows if row["key"] == "blux_checkpoint"]


def test_nothing_is_kept_when_the_time_is_up(deliveries: Deliveries) -> None:
    deliveries.fault(kind="delay", seconds=5, skip=1, times=1)
    run = deliveries.run("every_endpoint_in_limited_time")

    assert states(run) == ALL_FAIL
    assert run.log.count("AirflowTaskTimeout") >= 6
    deliveries.assert_nothing_is_kept()


def test_nothing_is_kept_when_the_tasks_are_marked_failed(deliveries: Deliveries, scheduler: Scheduler) -> None:
    deliveries.fault(kind="delay", seconds=60, skip=1, times=1)
    run = deliveries.trigger("every_endpoint_with_a_checkpoint")
    deliveries.wait_until_all_are_answered_once()
    processes = [psutil.Process(run.task(name).pid) for name in ENDPOINTS]
    for name in ENDPOINTS:
        scheduler.rest.mark_failed(run, name)
    scheduler.poll(lambda: not any(process.is_running() for process in processes), "the tasks' processes are gone")
    run = scheduler.finish(run)

    assert states(run) == ALL_FAIL
    assert [saved["counts"]["batches"] for saved in deliveries.checkpoints()] == 6 * [1]
    deliveries.assert_nothing_is_kept()


def test_nothing_is_kept_when_the_tasks_are_killed_and_run_again(
    deliveries: Deliveries, scheduler: Scheduler, blux: Emulator
) -> None:
    deliveries.fault(kind="delay", seconds=60, skip=1, times=1)
    run = deliveries.trigger("every_endpoint_with_a_checkpoint_at_most_once")
    deliveries.wait_until_all_are_answered_once()
    for name in ENDPOINTS:
        scheduler.kill(run, name, once=lambda: True)
    blux.clear_faults()
    run = scheduler.finish(run)

    assert states(run) == ALL_FAIL
    [events] = deliveries.checkpoints()  # noted before they were sent; nothing else was saved in so short a time
    # By its first record: the last one, and a digest.
    assert [(first, last, len(digest)) for first, (last, digest) in events["doubt"].items()] == [("3", 4, 24)]
    deliveries.assert_nothing_is_kept()

    run = scheduler.clear(run, *ENDPOINTS)
    assert states(run) == ALL_SUCCEED, run.log
    assert run.result("events")["unknown"] == 2
    deliveries.assert_nothing_is_kept()

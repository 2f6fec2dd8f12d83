"""Tasks that are stopped half-way under a real scheduler: their progress is kept, and running them again goes on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries
from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler

Lines = Callable[..., Path]

AIRFLOW = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2])
# For so long only Airflow waits: the try ends at once.
UNAVAILABLE = {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}}
# Airflow 3.3 and later keep a task's progress by themselves; before that the DAGs name a folder for it.
KEEPS_PROGRESS = AIRFLOW >= (3, 3)


def users(count: int, prefix: str = "user") -> list[dict[str, Any]]:
    return [{"user_id": f"{prefix}-{number}", "grade": "gold"} for number in range(1, count + 1)]


def sent_users(blux: Emulator) -> list[int]:
    """Return the number of records of every accepted request."""
    return [request["records"] for request in blux.requests() if request["status"] == 200]


def write_in_two(folder: Path, records: list[dict[str, Any]], whole: int, *, damaged: bool) -> None:
    """Write the first ``whole`` records to one file, the others to a second file; truncate it if ``damaged``."""
    lines = [f"{json.dumps(record)}\n" for record in records]
    second = gzip.compress("".join(lines[whole:]).encode())
    folder.mkdir(exist_ok=True)
    (folder / "1.jsonl").write_text("".join(lines[:whole]))
    (folder / "2.jsonl.gz").write_bytes(second[:15] if damaged else second)


def progress_of(run: Run, folder: Path, map_index: int = -1) -> int:
    """Return the number of settled batches in the checkpoint."""
    if KEEPS_PROGRESS:
        [kept] = [
            row["value"]
            for table, row in run.metadata.rows()
            if table == "task_state_store"
            and (row["run_id"], row["map_index"], row["key"]) == (run.run_id, map_index, "blux_checkpoint")
        ]
    else:
        name = "*" if map_index < 0 else f"*__{map_index}__*"
        [kept] = [file.read_text() for file in (folder / "checkpoints").glob(name)]
    state = json.loads(kept)
    return int(state["counts"]["batches"])


def test_a_task_that_exceeds_its_time_keeps_its_progress_and_is_gone_on_with(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines, tmp_path: Path
) -> None:
    blux.fault(kind="delay", seconds=12, skip=2, times=1)
    run = scheduler.run("users_with_a_time_limit", folder=str(write_lines(users(10)).parent))

    assert (run.state, run.task("deliver").state) == ("failed", "failed")
    assert "AirflowTaskTimeout" in run.log
    # The third request was on its way when the time was up; no fourth was started.
    assert sent_users(blux) == [2, 2, 2]
    assert progress_of(run, tmp_path) == 3

    run = scheduler.clear(run, "deliver")
    assert run.state == "success", run.log
    assert {key: run.result("deliver")[key] for key in ("read", "delivered", "resumed")} == {
        "read": 10,
        "delivered": 10,
        "resumed": 6,
    }
    assert sent_users(blux) == [2, 2, 2, 2, 2]


def test_a_task_that_is_marked_failed_stops_keeps_its_progress_and_is_gone_on_with(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines, tmp_path: Path
) -> None:
    blux.fault(kind="delay", seconds=0.5)
    run = scheduler.trigger("users_without_a_time_limit", folder=str(write_lines(users(200)).parent))
    scheduler.poll(lambda: blux.counts()["users"] >= 4, "some are delivered")
    process = psutil.Process(run.task("deliver").pid)
    scheduler.rest.mark_failed(run, "deliver")
    scheduler.poll(lambda: not process.is_running(), "the process of the task is gone")

    run = scheduler.look_at(run)
    sent = len(sent_users(blux))
    assert run.task("deliver").state == "failed"
    assert 2 <= sent < 100
    assert progress_of(run, tmp_path) == sent

    blux.clear_faults()
    run = scheduler.clear(run, "deliver")
    assert run.state == "success", run.log
    assert {key: run.result("deliver")[key] for key in ("read", "delivered", "resumed")} == {
        "read": 200,
        "delivered": 200,
        "resumed": 2 * sent,
    }
    assert len(sent_users(blux)) == 100


def test_a_try_that_fails_half_way_hands_its_rejects_on_to_the_next(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines, tmp_path: Path
) -> None:
    write_lines([{"user_id": " user-0"}, *users(5)])
    blux.fault(**UNAVAILABLE, skip=1)
    run = scheduler.run("users_without_a_time_limit", folder=str(tmp_path))

    assert run.state == "failed"
    assert progress_of(run, tmp_path) == 1

    blux.clear_faults()
    run = scheduler.clear(run, "deliver")
    assert run.state == "failed"
    assert "Of 6 records, 5 were delivered, 1 rejected" in run.log
    assert "record 1, user_id: has whitespace around it" in run.log
    assert sent_users(blux) == [2, 2, 1]


def test_mapped_tasks_that_fail_half_way_each_continue_their_own_progress(
    scheduler: Scheduler, blux: Emulator, tmp_path: Path
) -> None:
    whole = {"a": 8, "b": 4}
    for name, count in whole.items():
        write_in_two(tmp_path / name, users(12, name), count, damaged=True)
    run = scheduler.run("users_from_mapped_folders", folder=str(tmp_path))

    assert run.state == "failed"
    progress = [progress_of(run, tmp_path, map_index) for map_index in (0, 1)]
    # The last whole batch may have been waiting for its turn when the damage was met.
    assert progress[0] in (3, 4)
    assert progress[1] in (1, 2)

    for name, count in whole.items():
        write_in_two(tmp_path / name, users(12, name), count, damaged=False)
    run = scheduler.clear(run, "deliver")
    assert run.state == "success", run.log
    reports = [run.result("deliver", map_index) for map_index in (0, 1)]
    assert [(report["delivered"], report["resumed"]) for report in reports] == [(12, 2 * count) for count in progress]
    assert sent_users(blux) == 12 * [2]


def test_a_checkpoint_file_and_the_receipts_of_a_failed_deletion_hold_no_id(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines, tmp_path: Path
) -> None:
    ids = Canaries()
    write_lines([{"user_id": ids.user()["user_id"]} for _ in range(10)])
    blux.fault(**UNAVAILABLE, skip=2)
    run = scheduler.run("deletions_with_checkpoint", folder=str(tmp_path))

    assert run.state == "failed"
    [checkpoint] = (tmp_path / "checkpoints").iterdir()
    assert json.loads(checkpoint.read_text())["counts"]["batches"] == 2
    assert ids.in_files(tmp_path / "checkpoints") == ids.in_files(tmp_path / "receipts") == []
    assert ids.in_files(scheduler.home.folder) == []
    assert ids.in_tables(scheduler.home.metadata) == []

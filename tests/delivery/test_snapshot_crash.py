"""Runs at the same time on one snapshot, and processes that are killed while they send what has changed."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.row_digests import RowDigests
from airflow_provider_blux.delivery.snapshot_files import SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.emulator import Emulator
from tests.delivery.killed_with_snapshot import USERS, deliver, rows_of
from tests.delivery.pushing import held, push, snapshot_in, target_of

ROUNDS = 12
DIGESTS = RowDigests(None, "as it is")


def kill(blux: Emulator, folder: Path, values: list[int], after: int) -> None:
    """Start a process for each value; kill all processes after ``after`` more requests have arrived."""
    module, before = "tests.delivery.killed_with_snapshot", len(blux.requests())
    command = [sys.executable, "-m", module, blux.connection_json(), str(folder)]
    processes = [subprocess.Popen([*command, str(value)]) for value in values]  # noqa: S603 - our own module
    tick = threading.Event()
    while len(blux.requests()) < before + after and all(process.poll() is None for process in processes):
        tick.wait(0.005)
    for process in processes:
        process.kill()
    assert {process.wait() for process in processes} == {-9}
    while any(request["status"] is None for request in blux.requests()):
        tick.wait(0.01)


def check_known(blux: Emulator, folder: Path) -> int:
    """Check that Blux has each row of the snapshot; return the number of rows."""
    state = load(SnapshotFolder(Folder(LocalFileSystem(), str(folder), "folder"), target_of()))
    number = 0
    for user_id, properties in held(blux).items():
        user = DIGESTS.user(user_id)
        if (row := state.rows.row_of(user)) and user not in state.contested:
            assert row == DIGESTS.row({"user_id": user_id, **properties}), user_id
            number += 1
    return number


@pytest.mark.slow
@pytest.mark.parametrize("together", [1, 2], ids=["one process", "two at once"])
def test_after_processes_were_killed_at_any_moment_every_user_has_the_last_row(
    blux: Emulator, tmp_path: Path, together: int
) -> None:
    chance = Random(together)  # noqa: S311 - the same moments each time
    known: list[Any] = []
    for number in range(ROUNDS):
        blux.settings(latency=chance.choice([0, 0.02]))
        kill(blux, tmp_path, [number * 3 + one for one in range(together)], chance.randint(1, 150))
        known.append(check_known(blux, tmp_path))
    blux.settings(latency=0)
    assert any(known), "nothing was known at any time, so nothing was tested"

    for value in (0, 0, 1):
        report = deliver(blux, tmp_path, value)
        assert report.read == report.delivered + report.unchanged == USERS
        assert held(blux) == {row["user_id"]: {"x": row["x"]} for row in rows_of(value)}


@pytest.mark.slow
def test_mapped_tasks_at_the_same_time_send_what_has_changed_and_nothing_else(blux: Emulator, tmp_path: Path) -> None:
    tasks, users = 16, 800

    def run(part: int, value: int) -> Any:
        rows = [{"user_id": f"u{number}", "x": value if number % 5 else 0} for number in range(part, users, tasks)]
        return push(blux, "upsert_users", rows, snapshot=snapshot_in(tmp_path, map_index=part), batch_size=20)

    for value, changed in ((1, users), (2, users * 4 // 5), (2, 0), (1, users * 4 // 5), (1, 0)):
        with ThreadPoolExecutor(tasks) as pool:
            reports = list(pool.map(run, range(tasks), [value] * tasks))
        assert sum(report.delivered for report in reports) == changed
        assert held(blux) == {f"u{number}": {"x": value if number % 5 else 0} for number in range(users)}

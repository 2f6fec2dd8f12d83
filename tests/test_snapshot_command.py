"""``python -m airflow_provider_blux.snapshot inspect``: the description of a snapshot, without a connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_blux import snapshot
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.emulator import Emulator
from tests.delivery.pushing import push, snapshot_in

USERS = [{"user_id": f"u{number}"} for number in range(1200)]


def test_it_says_whose_users_it_holds_how_many_and_what_each_run_wrote(
    blux_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rows in (USERS, [{**USERS[0], "x": 1}, *USERS[1:-1]]):
        push(blux_emulator, "upsert_users", rows, snapshot=snapshot_in(tmp_path, key="secret"))
    push(blux_emulator, "delete_users", ["u1", "u2"], snapshot=snapshot_in(tmp_path, "delete_users", key="secret"))

    capsys.readouterr()  # Airflow 2.11 logs there
    assert snapshot.main(["inspect", str(tmp_path)]) == 0

    first, digests, _, head, *runs = capsys.readouterr().out.splitlines()
    assert first == "1,198 users of 'demo-app', application API, https://blux.example"
    assert digests.startswith("digests: not keyed")
    assert head.split() == ["run", "ended", "(UTC)", "stored", "forgotten", "named", "task"]
    assert [run.split()[1:] for run in runs] == [
        ["1,200", "1,200", "1,200", "dag.task"],
        ["1", "1", "1,199", "dag.task"],
        ["0", "2", "-", "dag.task"],
    ]


@pytest.mark.parametrize("content", [None, b"", b"blux-snapshot 1 00\n{}\n"], ids=["none", "empty", "damaged"])
def test_where_there_is_no_snapshot_or_none_that_can_be_read_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "x.000000.snapshot").write_bytes(content)

    assert snapshot.main(["inspect", str(tmp_path)]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path}: ")
    assert ("there is no snapshot" if content is None else "is cut off or changed") in said


def test_files_of_two_applications_are_not_described_as_one_snapshot(
    blux_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two tasks that began a snapshot in one folder at the same time did not see the files of each other."""
    folders = [tmp_path / "users", tmp_path / "devices"]
    push(blux_emulator, "upsert_users", USERS[:1], snapshot=snapshot_in(folders[0]))
    push(blux_emulator, "update_devices", [{"device_id": "d"}], snapshot=snapshot_in(folders[1], "update_devices"))
    for folder in folders:
        for file in folder.iterdir():
            file.rename(tmp_path / file.name)

    assert snapshot.main(["inspect", str(tmp_path)]) == 2
    assert "Give each its own snapshot_path" in capsys.readouterr().err


def test_users_whom_a_killed_run_was_about_to_send_are_sent_and_not_said_to_be_stored(
    blux_emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = snapshot_in(tmp_path)
    killed.begin()
    records = [Record(number, row["user_id"], mark=killed.mark(row)) for number, row in enumerate(USERS[:2], 1)]
    list(killed.announced([Batch(1, 1, 2, {record.key: record for record in records})]))
    report = push(blux_emulator, "upsert_users", USERS[:2], snapshot=snapshot_in(tmp_path))
    capsys.readouterr()

    assert snapshot.main(["inspect", str(tmp_path)]) == 0

    _, _, contested, _, head, *runs = capsys.readouterr().out.splitlines()
    assert contested == "more that a run that has not ended was about to send: 2"
    assert (report.delivered, head.split()[3], runs[-1].split()[1]) == (2, "stored", "0")

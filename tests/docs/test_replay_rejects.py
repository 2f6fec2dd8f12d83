"""The command of the page on rejects leaves the records as they are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from tests.docs.readme import Readme

PAGE = Readme("docs/replay-rejects.md")


@pytest.mark.slow
def test_the_command_leaves_out_unknown_events_and_changes_no_number(blux_emulator: Emulator, tmp_path: Path) -> None:
    sent = {"name": "view", "user_id": "u", "outcome": "rejected"}
    rejected = [
        {"name": "view", "user_id": None, "order": 1234567890123456789, "outcome": "unknown"},
        {"name": "view", "user_id": 5.0, "note": '"outcome": "unknown", "field"'},
    ]
    blux_emulator.fault(kind="reset", processed=True)
    report = BluxHook().send_events(
        [*rejected, sent], on_unknown="keep", rejects_path=str(tmp_path), max_rejects=len(rejected) + 1
    )
    [url] = report.rejects or []
    Path(url.removeprefix("file://")).rename(tmp_path / "rejects.jsonl")
    [command] = re.findall("`(grep '[^`]+)`", PAGE.text)

    subprocess.run(command, shell=True, check=True, cwd=tmp_path)  # noqa: S602 - the command of our own page

    assert (report.rejected, report.unknown) == (2, 1)
    left = [json.loads(line) for line in (tmp_path / "corrected.jsonl").read_text().splitlines()]
    assert [(line["outcome"], line["record"]) for line in left] == [("rejected", record) for record in rejected]


@pytest.mark.slow
def test_the_command_leaves_out_what_was_older(blux_emulator: Emulator, tmp_path: Path) -> None:
    note = '"reason": "is older than an earlier record'
    rows = [
        {"user_id": "a", "updated_at": "2026-11-02T00:00:00Z"},
        {"user_id": "a", "updated_at": "2026-11-01T00:00:00Z"},
        {"user_id": "b", "updated_at": "2026-11-01T00:00:00Z", "phone_number": 1, "note": note},
    ]
    report = BluxHook().upsert_users(rows, updated_at_field="updated_at", rejects_path=str(tmp_path), max_rejects=2)
    [url] = report.rejects or []
    Path(url.removeprefix("file://")).rename(tmp_path / "rejects.jsonl")
    [command] = re.findall("`(grep -v '[^`]+)`", PAGE.text)

    subprocess.run(command, shell=True, check=True, cwd=tmp_path)  # noqa: S602 - the command of our own page

    left = [json.loads(line) for line in (tmp_path / "corrected.jsonl").read_text().splitlines()]
    assert [line["record"] for line in left] == rows[2:]

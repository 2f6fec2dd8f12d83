"""A process is killed while events are in flight; then the next try runs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxAuthError, BluxUnavailable
from tests.delivery.killed import EVENTS, deliver
from tests.delivery.pushing import Memory, own_threads, push

# Enough where no process is killed.
FEW = EVENTS[:600]
LATENCY = 0.1
# At 200 requests a second so many are on their way at a time, and as many answers may be waiting to be counted.
ON_THE_WAY = 2 * int(200 * LATENCY) + 2


def kill_half_way(blux: Emulator, folder: Path, on_unknown: str) -> None:
    blux.settings(latency=LATENCY)
    command = [sys.executable, "-m", "tests.delivery.killed", blux.connection_json(), str(folder), on_unknown]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own module
        tick = threading.Event()
        while len(blux.requests()) < 120 and process.poll() is None:
            tick.wait(0.01)
        process.kill()
    assert process.returncode == -9
    while any(request["status"] is None for request in blux.requests()):
        tick.wait(0.01)
    blux.settings(latency=0)


def arrived(blux: Emulator) -> Counter[str]:
    return Counter(event["id"] for event in blux.all_events())


def unknown_in(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert {line["outcome"] for line in lines} <= {"unknown"}
    return lines


@pytest.mark.slow
def test_sent_again_only_what_was_in_doubt_is_repeated_and_nothing_is_lost(blux, tmp_path):
    kill_half_way(blux, tmp_path, "resend")
    settled_at_kill = json.loads((tmp_path / "task.checkpoint.json").read_text()) if any(tmp_path.iterdir()) else {}

    report = deliver(blux, tmp_path, "resend", "try2")

    counts = arrived(blux)
    assert set(counts) == {event["id"] for event in EVENTS}
    assert set(counts.values()) <= {1, 2}
    assert report.resumed == 10 * settled_at_kill.get("counts", {}).get("batches", 0)
    assert (report.delivered, report.unknown) == (3000, 0)


@pytest.mark.slow
def test_left_alone_nothing_is_repeated_and_exactly_what_was_in_doubt_is_unknown(blux, tmp_path):
    kill_half_way(blux, tmp_path, "keep")
    before = arrived(blux)
    doubt = json.loads((tmp_path / "task.checkpoint.json").read_text())["doubt"]

    report = deliver(blux, tmp_path, "keep", "try2")

    counts, unknown = arrived(blux), unknown_in(tmp_path)
    assert set(counts.values()) == {1}
    assert report.delivered + report.unknown == 3000
    assert {line["record_number"] for line in unknown} == {
        number for first, (last, _) in doubt.items() for number in range(int(first), last + 1)
    }
    assert {str(number) for number in range(3000)} - set(counts) <= {line["record"]["id"] for line in unknown}
    assert 0 < report.unknown <= 10 * ON_THE_WAY
    assert report.resumed >= sum(before.values()) - 10 * ON_THE_WAY


@pytest.mark.parametrize("failure", [{"kind": "reset", "processed": True}, {"kind": "reset", "processed": False}])
def test_within_a_run_what_may_have_arrived_is_left_alone_too(blux, tmp_path, failure):
    blux.fault(**failure, probability=0.1)

    report = deliver(blux, tmp_path, "keep", "try1", events=FEW)

    counts, unknown = arrived(blux), unknown_in(tmp_path)
    assert set(counts.values()) == {1}
    assert report.unknown == len(unknown) > 0
    assert report.delivered == 600 - report.unknown
    lost = {event["id"] for event in FEW} - set(counts)
    assert lost == (set() if failure["processed"] else {line["record"]["id"] for line in unknown})
    assert "may or may not have arrived" in unknown[0]["reason"]


def test_a_refusal_is_an_answer_and_is_repeated_even_at_most_once(blux, tmp_path):
    blux.fault(kind="status", status=503, probability=0.2)

    report = deliver(blux, tmp_path, "keep", "try1", events=FEW)

    assert (report.delivered, report.unknown) == (600, 0)
    assert report.retries > 0


@pytest.mark.slow
def test_what_was_in_doubt_stays_unknown_although_the_try_after_the_kill_fails_too(blux, tmp_path):
    kill_half_way(blux, tmp_path, "keep")
    blux.fault(kind="status", status=401)
    with pytest.raises(Exception, match="401"):
        deliver(blux, tmp_path, "keep", "try2")
    blux.clear_faults()

    report = deliver(blux, tmp_path, "keep", "try3")

    assert set(arrived(blux).values()) == {1}
    assert report.delivered + report.unknown == 3000


@pytest.mark.parametrize("status", [502, 504, 520, 524])
def test_an_answer_of_the_gateways_own_leaves_in_doubt_what_became_of_the_request_behind_it(blux, tmp_path, status):
    blux.fault(kind="status", status=status, processed=True, times=3)

    report = deliver(blux, tmp_path, "keep", "try1", events=FEW)

    assert set(arrived(blux).values()) == {1}
    assert report.unknown == 30


def test_an_api_that_answers_nobody_does_not_make_the_whole_source_unknown(blux, tmp_path):
    blux.fault(kind="reset", skip=10)
    with pytest.raises(BluxUnavailable, match=r"connection to .* broke"):
        deliver(blux, tmp_path, "keep", "try1", concurrency=2, events=FEW)
    blux.clear_faults()

    report = deliver(blux, tmp_path, "keep", "try2", events=FEW)

    assert set(arrived(blux).values()) == {1}
    assert report.unknown <= 10 * 8
    assert report.delivered == 600 - report.unknown


class Failing(Memory):
    """A store that fails to save for a while."""

    def __init__(self, *, failing: int) -> None:
        super().__init__()
        self.failing = failing

    def save(self, state: dict[str, Any]) -> None:
        if self.failing:
            self.failing -= 1
            raise OSError("no space left")
        super().save(state)


def test_what_could_not_be_noted_was_not_sent_and_is_not_in_doubt(blux):
    store = Failing(failing=1)
    with pytest.raises(OSError, match="no space left"):
        push(blux, "send_events", FEW, store=store, batch_size=10, on_unknown="keep", concurrency=1)
    assert store.load()["doubt"] == {}

    report = push(blux, "send_events", FEW, store=store, batch_size=10, on_unknown="keep")

    assert report.delivered == 600
    assert set(arrived(blux).values()) == {1}


def test_a_store_that_fails_leaves_no_thread_and_hides_no_error(blux, caplog):
    caplog.set_level("INFO")
    before = own_threads()
    blux.fault(kind="status", status=401, skip=5)

    with pytest.raises(BluxAuthError):
        push(blux, "upsert_users", [{"user_id": str(n)} for n in range(5000)], store=Failing(failing=99), concurrency=4)

    assert own_threads() == before
    assert "The progress could not be saved (OSError); the next try sends more records again." in caplog.text
    assert "stopped early" in caplog.text


def test_where_nothing_is_sent_twice_it_is_said_what_becomes_of_events_whose_progress_is_lost(blux, caplog):
    with pytest.raises(OSError, match="no space"):
        push(blux, "send_events", FEW, store=Failing(failing=99), on_unknown="keep")

    assert "The progress could not be saved (OSError); the next try takes more events for unknown." in caplog.text

"""The progress of a delivery: which watchers get it, how often, and what it contains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.progress import Progress, Standing
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxUnavailable
from airflow_provider_blux.hooks.observability import TaskStateDisplay
from tests.delivery.pushing import Memory, push, snapshot_in
from tests.delivery.test_snapshot import Dying
from tests.patience import with_enough_time

USERS = [{"user_id": f"u-{number}"} for number in range(1, 11)]
ENDPOINT = endpoints_for("upsert_users", "application")[0]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TaskState:
    """A task state store with the methods of Airflow's."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> None:
        self.held[key] = value

    def delete(self, key: str) -> None:
        self.held.pop(key, None)


class Broken:
    """A store that cannot be reached."""

    def set(self, key: str, value: Any) -> None:
        raise ConnectionError

    def delete(self, key: str) -> None:
        raise ConnectionError


@pytest.fixture
def clock() -> Clock:
    return Clock()


def progress(clock: Clock, report: Report, *watchers: Any, total: int | None = None) -> Progress:
    return Progress(ENDPOINT, report, Traffic(clock), total=total, watchers=watchers, clock=clock)


def test_watchers_are_told_the_start_every_ten_seconds_and_the_end(clock: Clock) -> None:
    told: list[tuple[float, str]] = []
    running = progress(clock, Report(), lambda standing: told.append((clock.now, standing.state)))
    running.open()
    for clock.now in range(1, 26):
        running.log_if_due()
    running.close("ended")

    assert told == [(0, "started"), (10, "running"), (20, "running"), (25, "ended")]


def test_a_slow_watcher_is_told_more_rarely(clock: Clock) -> None:
    told: list[float] = []

    def slow(_: Standing) -> None:
        told.append(clock.now)
        clock.now += 5

    running = progress(clock, Report(), slow)
    while clock.now < 130:
        clock.now += 1
        running.log_if_due()

    assert told == [10, 60, 110]


def test_the_time_left_follows_from_the_rate_so_far(clock: Clock) -> None:
    told: list[Standing] = []
    report = Report()
    running = progress(clock, report, told.append, total=400)
    report.read, clock.now = 100, 10
    running.log_if_due()

    assert told[0].seconds_left == 30


def test_the_rate_of_a_later_try_is_that_of_its_own_records(clock: Clock) -> None:
    """What an earlier try found unchanged, or rejected, took this one no time."""
    told: list[Standing] = []
    report = Report(read=90, delivered=40, resumed=40, unchanged=50)
    running = progress(clock, report, told.append, total=400)
    report.read, report.delivered, clock.now = 100, 50, 10
    running.log_if_due()

    assert (report.records_per_second, told[0].seconds_left) == (1, 300)


def test_the_time_left_is_not_known_of_a_source_of_unknown_size(clock: Clock) -> None:
    told: list[Standing] = []
    running = progress(clock, Report(read=100), told.append)
    clock.now = 10
    running.log_if_due()

    assert told[0].seconds_left is None


def test_a_watcher_that_fails_is_named_once_and_keeps_no_other_from_being_told(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    running = progress(clock, Report(), TaskStateDisplay(Broken(), 1), lambda standing: told.append(standing.state))
    running.open()
    running.close("ended")

    assert told == ["started", "ended"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "The progress cannot be sent to Airflow's task state (ConnectionError); the delivery continues."
    ]


def test_requests_are_counted_by_the_status_of_their_answer(blux: Emulator) -> None:
    blux.fault(kind="status", status=503, times=2)
    blux.fault(kind="reset", times=1, skip=1)
    told: list[Standing] = []
    report = push(blux, "upsert_users", USERS, batch_size=2, concurrency=1, watchers=[told.append])

    counted = told[-1].counted
    assert counted.statuses == {200: 5, 503: 2, None: 1}
    assert (counted.requests, counted.retries) == (report.requests, report.retries) == (8, 3)


def test_a_request_that_blux_refuses_is_counted_as_well(blux: Emulator) -> None:
    blux.fault(kind="refuse", ids=["u-3"])
    told: list[Standing] = []
    with pytest.raises(Exception, match="1 rejected"):
        push(blux, "upsert_users", USERS[:4], watchers=[told.append])

    assert told[-1].counted.statuses == {200: 2, 400: 3}


def test_a_redirect_is_counted_by_its_status(blux: Emulator) -> None:
    blux.fault(kind="status", status=302, headers={"Location": f"{blux.url}/elsewhere"})
    told: list[Standing] = []
    with pytest.raises(BluxConfigError, match="Redirects are never followed"):
        push(blux, "upsert_users", USERS[:4], watchers=[told.append])

    assert told[-1].counted.statuses == {302: 1}


def test_the_time_in_which_requests_wait_for_their_turn_is_counted(blux: Emulator) -> None:
    def is_counted(interval: float) -> None:
        told: list[Standing] = []
        push(
            blux,
            "upsert_users",
            USERS[:4],
            batch_size=1,
            concurrency=1,
            rate_limit=1 / interval,
            watchers=[told.append],
        )

        # Three of four requests wait about an interval, a thousandth of which is waited here, again and again.
        assert 1.5 * interval < told[-1].counted.waited < told[-1].report.seconds

    with_enough_time(0.1, is_counted)


def test_a_delivery_that_fails_is_told_as_stopped_early_with_what_was_delivered(blux: Emulator) -> None:
    blux.fault(kind="status", status=503, skip=2)
    told: list[Standing] = []
    with pytest.raises(BluxUnavailable):
        push(blux, "upsert_users", USERS, batch_size=2, concurrency=1, watchers=[told.append])

    assert (told[-1].state, told[-1].report.delivered) == ("stopped early", 4)


def test_a_delivery_whose_snapshot_cannot_be_ended_is_told_as_stopped_early(blux: Emulator, tmp_path: Path) -> None:
    told: list[Standing] = []
    snapshot = snapshot_in(Folder(Dying(2), str(tmp_path), "snapshot_path"))  # its third file is the last
    with pytest.raises(BluxError, match="snapshot_path") as raised:
        push(blux, "upsert_users", USERS, snapshot=snapshot, watchers=[told.append])

    assert [(standing.state, standing.counted.requests) for standing in told] == [("started", 0), ("stopped early", 1)]
    assert vars(raised.value)["report"]["requests"] == 1


def test_a_later_try_starts_from_what_earlier_ones_delivered(blux: Emulator) -> None:
    store, started = Memory(), []
    blux.fault(kind="status", status=503, skip=2, times=6)
    options = {"batch_size": 2, "concurrency": 1, "store": store}
    with pytest.raises(BluxUnavailable):
        push(blux, "upsert_users", USERS, **options)
    push(blux, "upsert_users", USERS, watchers=[lambda s: started.append((s.state, s.report.delivered))], **options)

    assert started == [("started", 4), ("ended", 10)]


def test_the_task_state_shows_the_counts(clock: Clock) -> None:
    state = TaskState()
    report = Report()
    running = progress(clock, report, TaskStateDisplay(state, 2), total=400)
    running.open()
    report.read, report.delivered, report.rejected, report.rejects = 100, 90, 10, ["file:///rejects"]
    clock.now = 10
    running.log_if_due()

    shown = state.held["blux_progress"]
    assert shown.pop("at")
    assert shown == {
        "state": "running",
        "try_number": 2,
        "read": 100,
        "delivered": 90,
        "rejected": 10,
        "suppressed": 0,
        "merged": 0,
        "unchanged": 0,
        "unknown": 0,
        "absent": None,
        "resumed": 0,
        "batches": 0,
        "requests": 0,
        "retries": 0,
        "seconds": 10,
        "records_per_second": 10,
        "rate_limit": None,
        "total": 400,
        "seconds_left": 30,
    }


def test_the_task_state_keeps_how_a_delivery_ended(blux: Emulator) -> None:
    state = TaskState()
    push(blux, "upsert_users", USERS, watchers=[TaskStateDisplay(state, 1)])

    shown = state.held["blux_progress"]
    assert {name: shown[name] for name in ("state", "read", "delivered")} == {
        "state": "ended",
        "read": 10,
        "delivered": 10,
    }
    assert "seconds_left" not in shown


def test_a_dry_run_shows_what_is_valid(blux: Emulator) -> None:
    state = TaskState()
    push(blux, "upsert_users", USERS, validate_only=True, watchers=[TaskStateDisplay(state, 1)])

    assert state.held["blux_progress"]["valid"] == 10


def test_another_try_begins_by_removing_what_an_earlier_one_left() -> None:
    state = TaskState()
    state.set("blux_progress", {"state": "ended"})
    TaskStateDisplay(state, 2).clear()

    assert state.held == {}


def test_a_task_state_that_cannot_be_reached_is_no_reason_not_to_start(caplog: pytest.LogCaptureFixture) -> None:
    TaskStateDisplay(Broken(), 2).clear()

    assert "ConnectionError" in caplog.text

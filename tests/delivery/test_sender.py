"""What becomes of one batch: when its request leaves, who is told to wait, and what stays in doubt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.api.rate_limiter import Slot
from airflow_provider_blux.delivery.batches import Batch, Record
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.report import Outcome, Traffic
from airflow_provider_blux.delivery.sender import Sender
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import (
    BluxAuthError,
    BluxRejectLimitError,
    BluxRequestError,
    BluxUnavailable,
)
from airflow_provider_blux.records.encoding import encode
from tests.delivery.pushing import Impatient, Memory, client_of, held, push
from tests.delivery.test_rejects import lines, rejects_in

EVENTS = [{"name": "viewed", "user_id": "u", "id": str(number)} for number in range(8)]


class Limiter:
    """Grants every slot at once, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float | None]] = []

    def wait(self, before: Callable[[], None] | None = None) -> Slot:
        if before is not None:
            before()
        return Slot(0.0, lambda: 0.0)

    def pause(self, seconds: float) -> None:
        self.told.append(("pause", seconds))

    def throttled(self, retry_after: float | None) -> None:
        self.told.append(("throttled", retry_after))


def send(blux: Emulator, limiter: Limiter, on_left: Callable[[], None] = lambda: None) -> Outcome:
    batch = Batch(1, 1, 1, {"u": Record(1, "u", encode({"user_id": "u"}))})
    with client_of(blux) as client:
        sender = Sender(
            client,
            endpoints_for("upsert_users", "application"),
            limiter,
            checkpoint=Checkpoint(None, ""),
            traffic=Traffic(),
            stop=Impatient(),
        )
        return sender(batch, on_left)


def arrived(blux: Emulator) -> list[str]:
    return sorted(event["id"] for event in blux.all_events())


def test_it_is_told_that_a_batch_has_left_before_its_answer_has_come(blux):
    blux.fault(kind="delay", seconds=0.2, times=1)
    stored: list[int] = []

    outcome = send(blux, Limiter(), on_left=lambda: stored.append(blux.counts()["users"]))

    assert stored == [0]
    assert outcome.delivered == 1


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (429, {"Retry-After": "7"}, [("throttled", 7.0)]),
        (429, {}, [("throttled", None)]),
        (503, {"Retry-After": "7"}, [("pause", 7.0)]),
        (503, {"Retry-After": "3600"}, [("pause", 3600.0)]),
        (503, {}, []),
    ],
)
def test_every_request_waits_for_as_long_as_one_was_asked_to(blux, status, headers, told):
    blux.fault(kind="status", status=status, headers=headers, times=1)
    limiter = Limiter()

    assert send(blux, limiter).delivered == 1
    assert limiter.told == told


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_this_try_does_not_take_part_in_keeps_nobody_from_sending(blux, status):
    blux.fault(kind="status", status=status, headers={"Retry-After": "3601"})
    limiter = Limiter()

    with pytest.raises(BluxUnavailable):
        send(blux, limiter)
    assert limiter.told == []
    assert len(blux.requests()) == 1


@pytest.mark.parametrize(("size", "requests"), [(1, 7), (8, 7), (9, 8), (100, 11)])
def test_where_nothing_was_accepted_a_wrong_schema_costs_the_logarithm_of_a_batch_and_four_requests(
    blux, size, requests
):
    blux.fault(kind="status", status=400, body={"message": "no such application"})

    with pytest.raises(BluxRequestError, match=f"Blux refused {requests} requests in a row") as caught:
        push(
            blux,
            "upsert_users",
            [{"user_id": str(n)} for n in range(500)],
            batch_size=size,
            concurrency=1,
            max_rejects=1.0,
        )

    assert len(blux.requests()) == requests
    assert (caught.value.status, caught.value.words) == (None, "no such application")
    assert isinstance(caught.value.__cause__, BluxRequestError)
    assert caught.value.__cause__.status == 400


def test_once_something_was_accepted_it_costs_five_times_as_many(blux):
    blux.fault(kind="status", status=422, skip=3)

    with pytest.raises(BluxRequestError, match="Blux refused 55 requests in a row"):
        push(
            blux,
            "upsert_users",
            [{"user_id": str(n)} for n in range(2000)],
            batch_size=100,
            concurrency=1,
            max_rejects=1.0,
        )

    assert len(blux.requests()) == 3 + 55


def test_of_merged_records_the_one_that_is_refused_alone_is_rejected_and_the_others_arrive_in_order(blux, tmp_path):
    rows = [{"user_id": "a", "x": 1}, {"user_id": "a", "x": 2}, {"user_id": "a", "y": 3}]
    blux.fault(kind="status", status=400, times=1)  # the merged record
    blux.fault(kind="status", status=400, skip=1, times=1)  # the second of the three that it was made of

    with pytest.raises(BluxRejectLimitError, match=r"Of 3 records, 2 were delivered, 1 rejected"):
        push(blux, "upsert_users", rows, rejects=rejects_in(tmp_path))

    assert held(blux) == {"a": {"x": 1, "y": 3}}
    assert [line["record_number"] for line in lines(tmp_path / "try1.jsonl")] == [2]


class Remembering(Memory):
    """A store that keeps everything that was ever saved in it: what a process that is killed may leave."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Any] = []

    def save(self, state: dict[str, Any]) -> None:
        super().save(state)
        self.saved.append(json.loads(self.text or ""))


def at_most_once(blux: Emulator, store: Memory, **options: Any) -> Any:
    return push(blux, "send_events", EVENTS, store=store, batch_size=4, concurrency=1, on_unknown="reject", **options)


def test_what_a_killed_try_was_about_to_send_is_unknown_and_says_why(blux, tmp_path):
    store = Remembering()
    at_most_once(blux, store)
    killed = next(saved for saved in store.saved if saved["doubt"])
    blux.reset()
    store.text = json.dumps(killed)

    report = at_most_once(blux, store, max_rejects=1.0, rejects=rejects_in(tmp_path))

    assert list(killed["doubt"]) == ["1"]
    assert (report.unknown, report.delivered) == (4, 4)
    assert arrived(blux) == ["4", "5", "6", "7"]
    assert {(line["outcome"], line["reason"]) for line in lines(tmp_path / "try1.jsonl")} == {
        ("unknown", "may or may not have arrived: an earlier try was killed while it sent this")
    }


def test_a_batch_is_noted_before_it_is_sent_and_no_longer_once_it_is_settled(blux):
    store = Remembering()
    blux.fault(kind="status", status=401, skip=1)

    with pytest.raises(BluxAuthError):
        at_most_once(blux, store)

    assert [list(saved["doubt"]) for saved in store.saved if saved["doubt"]] == [["1"], ["2"]]
    assert store.load()["settled"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401},
        {"status": 404},
        {"status": 503, "headers": {"Retry-After": "86400"}},
    ],
    ids=lambda fault: str(fault["status"]),
)
def test_a_batch_of_which_nothing_was_processed_is_not_in_doubt_when_the_try_fails(blux, fault):
    store = Memory()
    blux.fault(kind="status", **fault)
    with pytest.raises((BluxAuthError, BluxRequestError, BluxUnavailable)):
        at_most_once(blux, store)
    blux.clear_faults()

    assert store.load()["doubt"] == {}
    assert at_most_once(blux, store).delivered == 8
    assert arrived(blux) == [str(number) for number in range(8)]


@pytest.mark.parametrize(
    "fault", [{"status": 401}, {"status": 503, "headers": {"Retry-After": "86400"}}], ids=lambda fault: fault["status"]
)
def test_a_batch_of_which_a_part_was_accepted_stays_in_doubt_when_the_try_fails(blux, fault):
    store = Memory()
    blux.fault(kind="status", status=400, times=1)  # so that the batch is cut in halves
    blux.fault(kind="status", skip=1, **fault)  # and the second one fails
    with pytest.raises((BluxAuthError, BluxUnavailable)):
        at_most_once(blux, store)
    blux.clear_faults()

    assert list(store.load()["doubt"]) == ["1"]
    report = at_most_once(blux, store, max_rejects=1.0)
    assert (report.unknown, report.delivered) == (4, 4)
    assert arrived(blux) == ["0", "1", "4", "5", "6", "7"]

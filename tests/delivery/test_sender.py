"""How one batch is sent: the time of its requests, waits for the rate limit, and records in doubt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.api.rate_limiter import Slot
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.outcomes import Outcome
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.sender import Sender
from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import (
    BluxAuthError,
    BluxRejectLimitError,
    BluxRequestError,
    BluxStopped,
    BluxUnavailable,
)
from airflow_provider_blux.records.encoding import encode
from tests.delivery.pushing import Impatient, Memory, client_of, held, push
from tests.delivery.test_rejects import lines, rejects_in

EVENTS = [{"name": "viewed", "user_id": "u", "id": str(number)} for number in range(8)]


class Limiter:
    """Grants every slot at once, and remembers what it was told.

    :param on_wait: called when a slot is waited for.
    """

    def __init__(self, on_wait: Callable[[], None] = lambda: None) -> None:
        self.told: list[tuple[str, float | None]] = []
        self.slots: list[Slot] = []
        self.left = 0
        self._on_wait = on_wait

    def wait(self, before: Callable[[], None] | None = None) -> Slot:
        if before is not None:
            before()
        self._on_wait()
        self.slots.append(Slot(0.0, lambda: 7.0, self.count_left))
        return self.slots[-1]

    def count_left(self) -> None:
        self.left += 1

    def pause(self, seconds: float) -> None:
        self.told.append(("pause", seconds))

    def throttled(self, retry_after: float | None) -> None:
        self.told.append(("throttled", retry_after))


def users(*ids: str) -> Batch:
    return Batch(1, 1, len(ids), {name: Record(n, name, encode({"user_id": name})) for n, name in enumerate(ids, 1)})


def send(
    blux: Emulator,
    limiter: Limiter,
    batch: Batch | None = None,
    on_left: Callable[[], None] = lambda: None,
    *,
    checkpoint: Checkpoint | None = None,
    traffic: Traffic | None = None,
    stop: Stop | None = None,
    at_most_once: bool = False,
) -> Outcome:
    with client_of(blux) as client:
        sender = Sender(
            client,
            endpoints_for("upsert_users", "application"),
            limiter,
            checkpoint=checkpoint or Checkpoint(None, ""),
            traffic=traffic or Traffic(),
            stop=stop or Impatient(),
            at_most_once=at_most_once,
        )
        return sender(batch or users("u"), on_left)


def arrived(blux: Emulator) -> list[str]:
    return sorted(event["id"] for event in blux.all_events())


def test_it_is_told_that_a_batch_has_left_before_its_answer_has_come(blux):
    blux.fault(kind="delay", seconds=0.2, times=1)
    stored: list[int] = []

    outcome = send(blux, Limiter(), on_left=lambda: stored.append(blux.counts()["users"]))

    assert stored == [0]
    assert len(outcome.delivered) == 1


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (429, {"Retry-After": "7"}, [("throttled", 7.0)]),
        (429, {"Retry-After": "0"}, [("throttled", None)]),
        (429, {}, [("throttled", None)]),
        (503, {"Retry-After": "7"}, [("pause", 7.0)]),
        (503, {"Retry-After": "3600"}, [("pause", 3600.0)]),
        (503, {}, []),
    ],
)
def test_every_request_waits_for_as_long_as_one_was_asked_to(blux, status, headers, told):
    blux.fault(kind="status", status=status, headers=headers, times=1)
    limiter = Limiter()

    assert len(send(blux, limiter).delivered) == 1
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
    assert (caught.value.status, caught.value.api_message) == (None, "no such application")
    assert isinstance(caught.value.__cause__, BluxRequestError)
    assert caught.value.__cause__.status == 400


@pytest.mark.parametrize("status", [400, 413])
def test_refusals_without_a_message_are_told_by_their_status(blux, status):
    blux.fault(kind="status", status=status, body="")
    said = f"its answer {status} has no message to show"

    with pytest.raises(BluxRequestError, match=rf"have the same error: {said}\. Fix that error first\."):
        push(blux, "send_events", EVENTS)


def test_a_record_that_is_refused_without_a_message_has_a_reason(blux):
    blux.fault(kind="status", status=400, body="")

    with pytest.raises(BluxRejectLimitError, match=r"Blux refused it \(400\): its answer 400 has no message to show"):
        push(blux, "send_events", EVENTS[:1])


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
    """A store that keeps every saved state, since a killed process may leave any of them."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Any] = []

    def save(self, state: dict[str, Any]) -> None:
        super().save(state)
        self.saved.append(json.loads(self.text or ""))


def at_most_once(blux: Emulator, store: Memory, **options: Any) -> Any:
    return push(blux, "send_events", EVENTS, store=store, batch_size=4, concurrency=1, on_unknown="keep", **options)


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
        ("unknown", "may or may not have arrived: an earlier try ended while it sent this")
    }


def test_a_batch_is_noted_before_it_is_sent_and_no_longer_once_it_is_settled(blux):
    store = Remembering()
    blux.fault(kind="status", status=401, skip=1)

    with pytest.raises(BluxAuthError):
        at_most_once(blux, store)

    assert [list(saved["doubt"]) for saved in store.saved if saved["doubt"]] == [["1"], ["5"]]
    assert store.load()["counts"]["batches"] == 1


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


def test_a_slot_hears_when_each_request_is_written_and_that_it_has_left(blux):
    blux.fault(kind="status", status=503, times=2)
    limiter = Limiter()
    send(blux, limiter)

    assert [slot.at for slot in limiter.slots] == [7.0] * 3
    assert limiter.left == 3


def test_a_batch_that_fails_asks_the_run_to_stop_at_once(blux):
    blux.fault(kind="status", status=401)
    stop = Impatient()
    with pytest.raises(BluxAuthError):
        send(blux, Limiter(), stop=stop)

    assert stop.is_requested()


def test_a_request_without_an_answer_is_counted_with_those_that_have_one(blux):
    blux.fault(kind="reset", times=1)
    blux.fault(kind="status", status=500, times=1)
    traffic = Traffic()
    send(blux, Limiter(), traffic=traffic)

    counted = traffic.counted()
    assert counted.statuses == {None: 1, 500: 1, 200: 1}
    assert (counted.requests, counted.retries) == (3, 2)


def test_where_a_record_may_be_sent_again_nothing_is_noted_before_it_is_sent(blux):
    store = Memory()

    assert len(send(blux, Limiter(), checkpoint=Checkpoint(store, "")).delivered) == 1
    assert store.saves == 0


def test_a_stop_while_a_slot_is_waited_for_sends_nothing_and_leaves_nothing_in_doubt(blux):
    store, stop = Memory(), Impatient()
    checkpoint = Checkpoint(store, "")
    with pytest.raises(BluxStopped):
        send(blux, Limiter(on_wait=stop.set), checkpoint=checkpoint, stop=stop, at_most_once=True)
    checkpoint.save()

    assert blux.requests() == []
    assert store.load()["doubt"] == {}


class Looking(Impatient):
    """During each wait, saves the checkpoint, as another thread might, and stores which batches are in doubt."""

    def __init__(self, checkpoint: Checkpoint, store: Memory) -> None:
        super().__init__()
        self.checkpoint, self.store = checkpoint, store
        self.seen: list[list[str]] = []

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.checkpoint.save()
            self.seen.append(list(self.store.load()["doubt"]))
        super().sleep(seconds)


@pytest.mark.parametrize(
    ("refused_before", "in_doubt"),
    [(0, []), (1, ["1"])],
    ids=["nothing of the batch was accepted", "its first half was accepted"],
)
def test_what_is_in_doubt_while_a_retry_is_waited_for(blux, refused_before, in_doubt):
    """If a process is killed while it waits, accepted records must not be sent again, but all others must be."""
    store = Memory()
    checkpoint = Checkpoint(store, "")
    stop = Looking(checkpoint, store)
    blux.fault(kind="status", status=400, times=refused_before or None, probability=min(1.0, refused_before))
    blux.fault(kind="status", status=503, skip=refused_before, times=1)

    outcome = send(blux, Limiter(), users("a", "b"), checkpoint=checkpoint, stop=stop, at_most_once=True)

    assert len(outcome.delivered) == 2
    assert stop.seen == [in_doubt]


def test_a_batch_stays_in_doubt_until_its_unknown_records_are_counted(blux):
    store = Memory()
    checkpoint = Checkpoint(store, "")
    blux.fault(kind="reset", times=1)

    outcome = send(blux, Limiter(), users("a", "b"), checkpoint=checkpoint, at_most_once=True)
    checkpoint.save()

    assert [reject.outcome for reject in outcome.rejects] == ["unknown", "unknown"]
    assert "broke during application.upsert_users" in outcome.rejects[0].reason
    assert list(store.load()["doubt"]) == ["1"]


def test_what_may_be_sent_again_is_never_unknown(blux):
    blux.fault(kind="reset", processed=True)

    with pytest.raises(BluxUnavailable, match="broke during"):
        push(blux, "send_events", EVENTS, concurrency=1, max_rejects=1.0)
    assert len(blux.requests()) == 6


def test_six_requests_in_a_row_without_an_answer_end_a_try_that_repeats_none(blux):
    blux.fault(kind="reset")

    with pytest.raises(BluxUnavailable, match="broke during"):
        push(blux, "send_events", EVENTS, batch_size=1, concurrency=1, on_unknown="keep", max_rejects=1.0)
    assert len(blux.requests()) == 6


def test_one_answer_between_them_and_they_are_no_longer_in_a_row(blux):
    blux.fault(kind="reset", times=5)
    blux.fault(kind="reset", skip=1)
    rows = [{**EVENTS[0], "id": str(number)} for number in range(11)]

    report = push(blux, "send_events", rows, batch_size=1, concurrency=1, on_unknown="keep", max_rejects=1.0)

    assert (report.delivered, report.unknown) == (1, 10)


def test_records_merged_in_either_half_of_a_refused_batch_all_count(blux):
    rows = [{"user_id": user, "n": number} for user in "abcd" for number in range(3)]
    blux.fault(kind="status", status=400, times=1)

    report = push(blux, "upsert_users", rows)

    assert (report.read, report.delivered, report.merged) == (12, 4, 8)
    assert report.adds_up()

"""Rows become records, and records are grouped into batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_blux.delivery.batches import cut
from airflow_provider_blux.delivery.reading import Reading, copied
from airflow_provider_blux.delivery.record import Mark, Record
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.exceptions import BluxRecordError, BluxStopped
from airflow_provider_blux.records.encoding import merge_of
from airflow_provider_blux.records.shapes import RowShape
from tests.delivery.pushing import held, push
from tests.delivery.test_rejects import lines, rejects_in

USERS = Reading(shape=RowShape("upsert_users", "application"), merges=True)
EVENTS = Reading(shape=RowShape("send_events", "open"), merges=False)


def refilled(count: int) -> Iterator[dict[str, Any]]:
    """Yield the same object, including its nested objects and lists, filled again for each record."""
    row: dict[str, Any] = {"tags": [0], "address": {"zip": 0}}
    for number in range(count):
        row["user_id"] = f"user-{number}"
        row["name"] = f"name-{number}"
        row["tags"][0] = number
        row["address"]["zip"] = number
        yield row


def test_a_source_may_use_its_objects_again_for_users(blux):
    report = push(blux, "upsert_users", refilled(250))

    assert report.delivered == 250
    assert held(blux) == {
        f"user-{number}": {"name": f"name-{number}", "tags": [number], "address": {"zip": number}}
        for number in range(250)
    }


def test_a_source_may_use_its_objects_again_for_events(blux):
    push(blux, "send_events", refilled(250))

    events = [(event["name"], event["properties"]) for event in blux.all_events()]
    assert sorted(events, key=lambda event: event[1]["tags"]) == [
        (f"name-{number}", {"tags": [number], "address": {"zip": number}}) for number in range(250)
    ]


def test_a_source_may_use_its_objects_again_where_rejects_are_kept(blux, tmp_path):
    def rows() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(refilled(250)):
            yield {**row, "user_id": ""} if number == 7 else row

    def one_object() -> Iterator[dict[str, Any]]:
        row: dict[str, Any] = {}
        for fresh in rows():
            row.clear()
            row.update(fresh)
            yield row

    rejects = rejects_in(tmp_path)
    push(blux, "upsert_users", one_object(), rejects=rejects, max_rejects=1)

    [reject] = lines(tmp_path / "try1.jsonl")
    assert reject["record_number"] == 8
    assert reject["record"] == {"user_id": "", "name": "name-7", "tags": [7], "address": {"zip": 7}}


@pytest.mark.parametrize("value", [{"a": {"b": [1, {"c": 2}]}}, [1, (2, 3)], "text", None, 5])
def test_a_copy_shares_nothing_that_can_be_changed(value):
    copy = copied(value)

    assert json.dumps(copy) == json.dumps(value)
    if isinstance(value, dict):
        value["a"]["b"][1]["c"] = 3
        assert copy == {"a": {"b": [1, {"c": 2}]}}


def test_what_is_nested_without_end_has_no_copy():
    endless: list[Any] = []
    endless.append(endless)

    assert copied({"a": endless}) is None


def test_rows_are_copied_only_where_they_are_kept():
    [record] = USERS.records([{"user_id": "a"}])
    assert record.row is None

    keeping = Reading(shape=USERS.shape, merges=True, keeps_rows=True)
    assert [record.row for record in keeping.records([{"user_id": "a"}, {}])] == [{"user_id": "a"}, {}]


def test_a_stop_takes_effect_at_the_next_record():
    stop, read = Stop(), []

    def rows() -> Iterator[dict[str, str]]:
        for number in range(100):
            read.append(number)
            if number == 3:
                stop.request()  # as a signal handler does
            yield {"user_id": str(number)}

    reading = Reading(shape=USERS.shape, merges=True, is_stopped=stop.is_requested)
    with pytest.raises(BluxStopped):
        list(reading.records(rows()))

    assert read == [0, 1, 2, 3]


def test_records_are_numbered_in_the_order_of_the_source_rejected_ones_included():
    rows = [{"user_id": "a"}, BluxRecordError(None, "could not be read"), {}, {"user_id": "b"}]

    records = list(USERS.records(rows))

    assert [record.number for record in records] == [1, 2, 3, 4]
    assert [record.key for record in records] == ["a", None, None, "b"]
    assert [record.error is not None for record in records] == [False, True, True, False]


def test_events_of_one_user_are_not_merged():
    [batch] = cut(EVENTS.records([{"name": "x", "user_id": "a"}] * 3), size=10)

    assert len(batch.records) == 3


def test_what_is_sent_is_what_the_last_record_of_a_user_says_property_by_property():
    rows = [{"user_id": "a", "x": 1, "y": 1}, {"user_id": "b"}, {"user_id": "a", "y": 2, "z": 2}]
    [batch] = cut(USERS.records(rows), size=10, merge=merge_of("upsert_users"))

    assert json.loads(batch.records["a"].content)["custom_user_properties"] == {"x": 1, "y": 2, "z": 2}
    assert [part.number for part in batch.parts("a")] == [1, 3]
    assert [part.number for part in batch.parts("b")] == [2]
    assert (batch.number_merged(batch.records), batch.number_merged(["b"])) == (1, 0)


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 3), (3, 3), (4, 3), (10, 1)])
def test_batches_are_full_but_the_last_and_follow_each_other(count, size):
    batches = list(cut(USERS.records([{"user_id": str(number)} for number in range(count)]), size=size))

    assert [batch.index for batch in batches] == [*range(1, len(batches) + 1)]
    assert [number for batch in batches for number in range(batch.first, batch.last + 1)] == [*range(1, count + 1)]
    assert all(len(batch.records) == size for batch in batches[:-1])


@pytest.mark.parametrize("row", [{}, {"user_id": "same"}], ids=["all rejected", "all merged"])
def test_a_batch_that_does_not_fill_is_cut_all_the_same(row):
    batches = list(cut(USERS.records([row] * 25), size=1 if not row else 2, merge=merge_of("upsert_users")))

    assert [batch.read for batch in batches] == ([10, 10, 5] if not row else [20, 5])


def test_suppressed_records_are_counted_and_not_among_those_that_are_sent():
    reading = Reading(shape=USERS.shape, merges=True, is_suppressed=lambda record: record["user_id"] == "a")
    [batch] = cut(reading.records([{"user_id": "a"}, {"user_id": "b"}, {"user_id": "a"}]), size=10)

    assert ([*batch.records], batch.suppressed, batch.read) == (["b"], 2, 3)


def test_only_a_batch_with_a_later_row_of_an_unchanged_user_waits_for_all_others():
    marks = [Mark("a", b"a"), Mark("b", b"b", follows_unchanged=True), Mark("c", b"c")]
    records = [Record(number, mark.user_id, b"{}", mark=mark) for number, mark in enumerate(marks, 1)]

    assert [batch.waits_for_all for batch in cut(records, size=1)] == [False, True, False]


def test_a_profile_with_an_earlier_timestamp_is_sent_after_the_batch(blux):
    rows = [
        {"user_id": user, "properties": {"row": number}, **({"timestamp": f"2026-01-0{day}T00:00:00Z"} if day else {})}
        for number, (user, day) in enumerate(
            [("a", 2), ("b", 1), ("a", 3), ("a", 3), ("a", 1), ("b", 2), ("a", None), ("a", 2)]
        )
    ]

    report = push(blux, "upsert_users", rows, api="open")

    # Merged are what comes in the order of time, and what has no timestamp, which is of the time of its arrival.
    assert [request["records"] for request in blux.requests()] == [2, 2, 1]
    assert (report.delivered, report.merged) == (5, 3)
    assert dict(blux.profiles())["a"]["properties"] == {"row": 7}

"""For any source and any fault, every record has one outcome, and the CRM has the right state."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_blux.api.endpoints import Operation
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxRejectLimitError, BluxUnavailable
from tests.delivery.pushing import Memory, held, in_order, push

FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "processed": True},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "0.05"}},
    {"kind": "reset", "processed": False},
    {"kind": "reset", "processed": True},
    {"kind": "truncate"},
    {"kind": "delay", "seconds": 0.0, "seconds_max": 0.01},
    {"kind": "too_large", "records": 3},
]
slow_but_sure = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

users = st.fixed_dictionaries(
    {"user_id": st.integers(0, 12).map(str)},
    optional={"a": st.integers(0, 99), "b": st.none() | st.booleans(), "c": st.text(max_size=3)},
)
broken = st.sampled_from([{}, {"user_id": None}, {"user_id": 1.5}, 7, {"user_id": "x", "phone_number": 10}])
plans = st.lists(st.tuples(st.sampled_from(FAULTS), st.floats(0.01, 0.15)), max_size=3)


def plan(blux: Emulator, faults: list[tuple[dict[str, Any], float]], seed: int) -> None:
    blux.reset()
    blux.settings(seed=seed)
    for fault, probability in faults:
        blux.fault(**fault, probability=probability)


def push_in_tries(blux: Emulator, operation: Operation, rows: list[Any], **options: Any) -> Report:
    """Deliver; if a fault strikes all six attempts of a request, start the next try, as Airflow would."""
    store = Memory()
    while True:
        try:
            return push(blux, operation, rows, store=store, **options)
        except BluxUnavailable:
            continue


@slow_but_sure
@given(
    rows=st.lists(users, max_size=80),
    faults=plans,
    seed=st.integers(0, 99),
    batch_size=st.integers(1, 9),
    concurrency=st.integers(1, 6),
)
def test_the_crm_ends_as_if_the_users_had_been_sent_one_by_one(blux, rows, faults, seed, batch_size, concurrency):
    plan(blux, faults, seed)

    report = push_in_tries(blux, "upsert_users", rows, batch_size=batch_size, concurrency=concurrency)

    assert held(blux) == in_order(rows)
    assert report.read == len(rows) == report.delivered + report.merged
    assert report.adds_up()


@slow_but_sure
@given(rows=st.lists(users | broken, max_size=60), faults=plans, seed=st.integers(0, 99), batch_size=st.integers(1, 9))
def test_broken_records_are_rejected_and_hold_no_other_back(blux, tmp_path, rows, faults, seed, batch_size):
    plan(blux, faults, seed)
    good = [
        row for row in rows if isinstance(row, dict) and isinstance(row.get("user_id"), str) and row["user_id"] != "x"
    ]
    bad = len(rows) - len(good)

    if bad:
        with pytest.raises(BluxRejectLimitError, match=f"{bad} rejected"):
            push_in_tries(blux, "upsert_users", rows, batch_size=batch_size)
    else:
        push_in_tries(blux, "upsert_users", rows, batch_size=batch_size)

    assert held(blux) == in_order(good)


@slow_but_sure
@given(count=st.integers(0, 60), faults=plans, seed=st.integers(0, 99), batch_size=st.integers(1, 9))
def test_every_event_arrives_at_least_once_and_none_is_invented(blux, count, faults, seed, batch_size):
    plan(blux, faults, seed)
    rows = [{"name": "viewed", "user_id": f"u{number % 5}", "id": str(number)} for number in range(count)]

    report = push_in_tries(blux, "send_events", rows, batch_size=batch_size)

    assert {event["id"] for event in blux.all_events()} == {row["id"] for row in rows}
    assert report.delivered == count


@slow_but_sure
@given(count=st.integers(0, 60), faults=plans, seed=st.integers(0, 99), batch_size=st.integers(1, 9))
def test_at_most_once_no_event_arrives_twice_and_what_is_missing_is_unknown(blux, count, faults, seed, batch_size):
    faults = [(fault, share) for fault, share in faults if not (fault["kind"] == "status" and fault.get("processed"))]
    plan(blux, faults, seed)
    rows = [{"name": "viewed", "user_id": "u", "id": str(number)} for number in range(count)]
    unknown = 0
    try:
        report = push_in_tries(blux, "send_events", rows, batch_size=batch_size, on_unknown="keep")
        assert report.unknown == 0
    except BluxRejectLimitError as error:
        unknown = int(str(error).split(" unknown")[0].split()[-1])

    arrived = Counter(event["id"] for event in blux.all_events())
    assert set(arrived.values()) <= {1}
    assert count - unknown <= len(arrived) <= count


@slow_but_sure
@given(ids=st.lists(st.integers(0, 30).map(str), max_size=80), faults=plans, seed=st.integers(0, 99))
@pytest.mark.parametrize("api", ["application", "open"])
def test_every_given_user_is_deleted_and_no_other(blux, api, ids, faults, seed):
    plan(blux, faults, seed)

    report = push_in_tries(blux, "delete_users", ids, api=api, batch_size=7)

    deleted = blux.deleted_users() if api == "application" else blux.deleted_profiles()
    assert set(deleted) == set(ids)
    assert report.read == len(ids) == report.delivered + report.merged


def test_devices_of_one_id_are_merged_and_arrive(blux):
    rows = [{"device_id": f"d{number % 3}", "user_id": "u", "seen": number} for number in range(10)]

    report = push(blux, "update_devices", rows)

    assert {device: record["properties"] for device, record in blux.devices()} == {
        "d0": {"seen": 9},
        "d1": {"seen": 7},
        "d2": {"seen": 8},
    }
    assert (report.delivered, report.merged) == (3, 7)


def test_an_empty_source_is_delivered(blux):
    report = push(blux, "upsert_users", [])

    assert report.adds_up()
    assert blux.requests() == []


def test_batches_are_full(blux):
    push(blux, "upsert_users", [{"user_id": number} for number in range(1050)])

    assert sorted(request["records"] for request in blux.requests()) == [50] + [100] * 10


def test_validate_only_counts_everything_and_sends_nothing(blux):
    rows = [{"user_id": "a"}, {"user_id": "a"}, {"user_id": "b"}]

    report = push(blux, "upsert_users", rows, validate_only=True)

    assert (report.read, report.valid, report.merged, report.delivered) == (3, 2, 1, 0)
    assert report.validate_only
    assert blux.requests() == []


def test_validate_only_finds_what_would_be_rejected(blux):
    with pytest.raises(BluxRejectLimitError, match=r"record 2, user_id: is missing"):
        push(blux, "upsert_users", [{"user_id": "a"}, {}], validate_only=True)


def test_users_arrive_in_order_although_batches_overtake_each_other(blux):
    blux.fault(kind="delay", seconds=0, seconds_max=0.05)
    blux.fault(kind="status", status=503, probability=0.2)
    rows = [{"user_id": str(number % 40), "turn": number} for number in range(600)]

    push(blux, "upsert_users", rows, batch_size=10, concurrency=16)

    assert held(blux) == in_order(rows)


def test_an_error_of_the_source_comes_through_and_what_was_sent_is_counted(blux, caplog):
    def rows():
        yield from ({"user_id": number} for number in range(1050))
        raise OSError("the disk is gone")

    with caplog.at_level("INFO"), pytest.raises(OSError, match="the disk is gone"):
        push(blux, "upsert_users", rows(), concurrency=2)

    arrived = blux.counts()["users"]
    assert arrived >= 800  # two batches may still have been waiting for their turn
    assert f"stopped early: {arrived:,} read = {arrived:,} delivered" in caplog.text

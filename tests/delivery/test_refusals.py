"""If the API refuses a request, the invalid records are found, and the others are delivered."""

from __future__ import annotations

import math

import pytest

from airflow_provider_blux.exceptions import BluxAuthError, BluxRejectLimitError, BluxRequestError, BluxUnavailable
from tests.delivery.pushing import held, push
from tests.patience import with_enough_time


def users(count: int) -> list[dict[str, object]]:
    return [{"user_id": f"user-{number}", "n": number} for number in range(count)]


@pytest.mark.parametrize("bad", [[0], [99], [50], [3, 4], [0, 99], [7, 21, 22, 64, 90], list(range(0, 100, 10))])
def test_bad_records_are_found_in_few_requests_and_all_others_delivered(blux, bad):
    blux.fault(kind="refuse", ids=[f"user-{number}" for number in bad])

    with pytest.raises(BluxRejectLimitError) as caught:
        push(blux, "upsert_users", users(100))

    assert set(held(blux)) == {f"user-{number}" for number in range(100) if number not in bad}
    assert len(blux.requests()) - 1 <= 2 * len(bad) * math.ceil(math.log2(100))
    for number in bad:
        assert f"record {number + 1}," in str(caught.value)


def test_a_refused_record_does_not_hold_back_its_batch_nor_the_batches_around_it(blux):
    blux.fault(kind="refuse", ids=["user-777"])

    with pytest.raises(BluxRejectLimitError, match="2,999 were delivered, 1 rejected"):
        push(blux, "upsert_users", users(3000))

    assert len(held(blux)) == 2999


def test_one_bad_record_in_ten_over_many_batches_is_no_wrong_schema(blux):
    bad = [f"user-{number}" for number in range(2000) if number % 10 == 3]
    blux.fault(kind="refuse", ids=bad)

    with pytest.raises(BluxRejectLimitError, match="1,800 were delivered, 200 rejected"):
        push(blux, "upsert_users", users(2000))


def test_where_everything_is_refused_it_stops_within_a_dozen_requests_in_the_words_of_the_api(blux):
    blux.fault(kind="status", status=400, body={"message": "this application is closed"})

    with pytest.raises(BluxRequestError, match="this application is closed") as caught:
        push(blux, "upsert_users", users(5000), concurrency=1, max_rejects=1.0)

    assert "all records probably have the same error" in str(caught.value)
    assert len(blux.requests()) <= 12


def test_where_everything_is_refused_no_more_is_sent_than_was_on_its_way(blux):
    def stops(latency: float) -> None:
        blux.reset()
        blux.settings(latency=latency)
        blux.fault(kind="status", status=400)

        with pytest.raises(BluxRequestError):
            push(blux, "upsert_users", users(20_000), rate_limit=5 / latency)

        assert len(blux.requests()) <= 12 + 5 + 3

    with_enough_time(0.05, stops)


def test_a_schema_that_goes_wrong_half_way_is_noticed_too(blux):
    blux.fault(kind="status", status=422, skip=10)

    with pytest.raises(BluxRequestError, match="all records probably have the same error"):
        push(blux, "upsert_users", users(20_000), concurrency=1)

    assert len(blux.requests()) <= 10 + 60
    assert len(held(blux)) == 1000


def test_a_batch_that_is_too_large_is_halved_until_it_fits(blux):
    blux.fault(kind="too_large", records=30)

    report = push(blux, "upsert_users", users(200))

    assert len(held(blux)) == 200
    assert report.requests == 2 * 7


def test_a_single_record_that_is_too_large_is_rejected(blux):
    blux.fault(kind="too_large", bytes=300)
    rows = [*users(20), {"user_id": "large", "text": "x" * 400}]

    with pytest.raises(BluxRejectLimitError, match="record 21, as a whole: is larger than Blux takes"):
        push(blux, "upsert_users", rows)

    assert len(held(blux)) == 20


def test_of_two_merged_records_only_the_one_at_fault_is_rejected(blux):
    """The emulator refuses a number as a telephone number; here the shape of the record lets it through as text."""
    blux.fault(kind="refuse", ids=["twice"], times=2)  # the batch, then the merged record alone
    rows = [{"user_id": "twice", "a": 1}, {"user_id": "other"}, {"user_id": "twice", "b": 2}]

    report = push(blux, "upsert_users", rows)

    assert held(blux)["twice"] == {"a": 1, "b": 2}
    assert (report.delivered, report.merged, report.read) == (3, 0, 3)


@pytest.mark.parametrize(("api", "number"), [("application", 100), ("open", 1000)])
@pytest.mark.parametrize("rows", [2, 20])
def test_bad_users_with_several_rows_at_the_start_are_no_wrong_schema(blux, api, number, rows):
    bad = ["user-0", "user-1"]
    blux.fault(kind="refuse", ids=bad)
    more = [{"user_id": user, "a": row} for user in bad for row in range(1, rows)]

    with pytest.raises(BluxRejectLimitError, match=f"{number - 2:,} were delivered, {rows * 2} rejected"):
        push(blux, "upsert_users", [*more, *users(number)], api=api)


def test_where_all_rows_of_all_users_are_refused_it_stops_soon(blux):
    blux.fault(kind="status", status=400)

    with pytest.raises(BluxRequestError, match="all records probably have the same error"):
        push(blux, "upsert_users", [{"user_id": f"user-{row // 5}", "a": row} for row in range(5000)], concurrency=1)

    assert len(blux.requests()) <= 30


@pytest.mark.parametrize("status", [404, 405, 410, 451])
def test_other_refusals_are_not_laid_to_the_charge_of_records(blux, status):
    blux.fault(kind="status", status=status)

    with pytest.raises(BluxRequestError, match=rf"batch 1 \(records 1-100\): Blux answered {status}"):
        push(blux, "upsert_users", users(500), concurrency=1)

    assert len(blux.requests()) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_fail_at_once(blux, status):
    blux.fault(kind="status", status=status)

    with pytest.raises(BluxAuthError):
        push(blux, "upsert_users", users(500), concurrency=1)

    assert len(blux.requests()) == 1


def test_an_outage_ends_the_delivery_after_six_attempts(blux, caplog):
    blux.fault(kind="status", status=503)

    with pytest.raises(BluxUnavailable, match=r"batch 1 \(records 1-100\): Blux answered 503"):
        push(blux, "upsert_users", users(100))

    assert len(blux.requests()) == 6
    assert caplog.text.count("Attempt") == 5


def test_no_value_of_a_refused_record_is_in_the_error_or_the_log(blux, caplog):
    blux.fault(kind="refuse", ids=["canary-id-4711"], echo=True)
    row = {
        "user_id": "canary-id-4711",
        "phone_number": "01099998888",
        "email_address": "canary@example.com",
        "name": "김카나",
    }

    with caplog.at_level("DEBUG"), pytest.raises(BluxRejectLimitError) as caught:
        push(blux, "upsert_users", [*users(5), row])

    for value in ("canary-id-4711", "01099998888", "canary@example.com", "김카나"):
        assert value not in str(caught.value)
        assert value not in caplog.text


def test_a_gateway_that_finds_everything_too_large_is_given_up_on(blux):
    blux.fault(kind="status", status=413)

    with pytest.raises(BluxRequestError, match="all records probably have the same error"):
        push(blux, "upsert_users", users(1000), concurrency=1, max_rejects=1.0)

    assert len(blux.requests()) <= 40


def test_some_records_that_are_too_large_are_rejected_and_the_others_of_the_batch_arrive(blux):
    blux.fault(kind="status", status=413, times=9)  # the first four records, and the parts that they are in

    report = push(blux, "upsert_users", users(16), concurrency=1, max_rejects=4)

    assert (report.rejected, report.delivered) == (4, 12)
    assert len(held(blux)) == 12


def test_a_key_of_an_object_that_is_a_value_in_truth_is_not_shown(blux):
    with pytest.raises(BluxRejectLimitError) as caught:
        push(blux, "upsert_users", [{"user_id": "a", "family": {"01012345678": {"kim@example.com": b"x"}}}])

    assert "record 1, family.***.***" in str(caught.value)
    assert "2345678" not in str(caught.value)

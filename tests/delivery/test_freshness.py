"""Older records of a user that come after newer ones, and consents that a backfill leaves alone."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.delivery.filters import Freshness, Suppression
from airflow_provider_blux.delivery.receipts import Hashes
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxRejectLimitError, BluxUnavailable
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.sources.files import StorageSource
from tests.delivery.pushing import Memory, held, push


def row(user: str, moment: str | None, **properties: object) -> dict[str, object]:
    return {"user_id": user, "changed": moment, **properties}


def test_an_older_record_does_not_overtake_a_newer_one_of_the_same_user_whatever_batch_it_is_in(blux):
    rows = [
        row("a", "2026-01-02T00:00:00Z", marketing_notification_consent=False),
        row("b", "2026-01-05T00:00:00Z"),
        row("a", "2026-01-01T00:00:00Z", marketing_notification_consent=True),
        *(row(f"u{number}", "2026-01-01T00:00:00Z") for number in range(20)),
        row("a", "2026-01-02T08:59:59+09:00", marketing_notification_consent=True),
        row("a", "2026-01-02T00:00:00Z", same_moment=True),
    ]

    with pytest.raises(BluxRejectLimitError, match="23 were delivered, 2 rejected") as caught:
        push(blux, "upsert_users", rows, updated_at_field="changed", batch_size=5)

    assert blux.user("a")["user_properties"] == {"marketing_notification_consent": False}
    assert held(blux)["a"]["same_moment"] is True
    assert "record 3, changed: is older than an earlier record" in str(caught.value)
    assert "record 24, changed" in str(caught.value)


@given(moments=st.lists(st.tuples(st.sampled_from("abc"), st.integers(10**14, 2 * 10**15))))
def test_the_newest_moment_of_each_user_is_remembered(moments):
    newest, plain = Freshness("changed", Shaping(timestamp_unit="us"), lambda row: row), {}
    for user, moment in moments:
        is_overtaken = moment < plain.get(user, 0)
        with pytest.raises(BluxRecordError, match="is older than an earlier") if is_overtaken else nullcontext():
            newest.check(user, {"user_id": user, "changed": moment})
        if not is_overtaken:
            plain[user] = moment


def test_a_retry_knows_how_new_the_records_of_a_file_are_that_it_passes_over(blux, tmp_path):
    newer, older = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    rows = [row("a", newer), *(row(f"u{number}", newer) for number in range(9)), row("a", older), row("b", older)]
    path = tmp_path / "users.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    store, source = Memory(), StorageSource(str(path))
    options = {"store": store, "updated_at_field": "changed", "batch_size": 5, "concurrency": 1}
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        push(blux, "upsert_users", source, **options)
    blux.clear_faults()

    with pytest.raises(BluxRejectLimitError, match="11 were delivered, 1 rejected") as caught:
        push(blux, "upsert_users", source, **options)

    assert "record 11, changed: is older than an earlier record" in str(caught.value)


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (None, r"is missing \(null\), so the record may be out of date"),
        ("yesterday", "is not an ISO 8601 timestamp"),
        ("2026-01-01T00:00:00", "naive_timezone"),
    ],
)
def test_a_record_that_does_not_say_how_old_it_is_is_rejected(blux, moment, why):
    with pytest.raises(BluxRejectLimitError, match=f"1 rejected(?s:.*)record 1, changed: .*{why}"):
        push(blux, "upsert_users", [row("a", moment)], updated_at_field="changed")


def test_an_object_without_the_column_is_rejected_alone(blux):
    rows = [row("a", "2026-01-01T00:00:00Z"), {"user_id": "b"}]

    with pytest.raises(BluxRejectLimitError, match=r"record 2, changed: is missing \(null\)"):
        push(blux, "upsert_users", rows, updated_at_field="changed")

    assert list(held(blux)) == ["a"]


def test_an_object_without_an_id_is_rejected_alone(blux):
    rows = [{"changed": "2026-01-01T00:00:00Z"}, row("a", "2026-01-01T00:00:00Z")]

    with pytest.raises(BluxRejectLimitError, match=r"1 was delivered, 1 rejected(.|\n)*record 1, user_id: is missing"):
        push(blux, "upsert_users", rows, updated_at_field="changed")

    assert list(held(blux)) == ["a"]


def test_outdated_records_of_a_suppressed_user_are_suppressed_and_not_rejected(blux):
    newer, older = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    rows = [row("gone", newer), row("gone", older), row("gone", None), row("here", older)]
    suppression = Suppression(["gone"], Hashes(None), "the list")

    report = push(blux, "upsert_users", rows, updated_at_field="changed", suppression=suppression)

    assert (report.delivered, report.suppressed, report.rejected) == (1, 3, 0)


def test_a_table_without_the_column_of_the_update_is_refused_as_a_whole(blux, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,UPD\na,2026-01-01T00:00:00Z\n")

    with pytest.raises(BluxConfigError, match=r"^record 1 of .*users.csv: updated_at_field names a column 'changed'"):
        push(blux, "upsert_users", StorageSource(str(path)), updated_at_field="changed", max_rejects=1)


def test_a_row_of_a_table_whose_moment_is_empty_is_rejected_alone(blux, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,changed\na,\nb,2026-01-01T00:00:00Z\n")

    report = push(blux, "upsert_users", StorageSource(str(path)), updated_at_field="changed", max_rejects=1)

    assert (report.delivered, report.rejected) == (1, 1)


def test_a_line_of_a_rejects_file_that_cannot_be_used_is_rejected_alone(blux):
    error = BluxRecordError("record", "cannot be used")
    error.record = {"user_id": "a"}

    report = push(
        blux, "upsert_users", [error, row("b", "2026-01-01T00:00:00Z")], updated_at_field="changed", max_rejects=1
    )

    assert (report.delivered, report.rejected) == (1, 1)


def test_a_header_with_a_mapped_column_is_shown_where_the_column_of_the_update_is_missing(blux, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("번호,이름\na,김영희\n", encoding="utf-8")
    options = {"field_mapping": {"번호": "user_id"}, "updated_at_field": "갱신일"}

    with pytest.raises(
        BluxConfigError, match=r"names a column '갱신일', which is not there. The columns are 번호, 이름\."
    ):
        push(blux, "upsert_users", StorageSource(str(path)), max_rejects=1, **options)


def test_moments_without_a_zone_are_taken_from_naive_timezone(blux):
    report = push(
        blux,
        "upsert_users",
        [row("a", "2026-01-01T09:00:00"), row("a", "2026-01-01T00:00:00Z")],
        updated_at_field="changed",
        naive_timezone="Asia/Seoul",
        batch_size=1,
    )

    assert report.delivered == 2


@pytest.mark.parametrize("api", ["application", "open"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_backfill_without_consents_leaves_them_as_they_are(blux, api, nested):
    consents = {"marketing_notification_consent": "damaged", "nighttime_notification_consent": True}
    fields = {"email_address": "a@example.com", **consents}
    user = {"user_id": "a", "user_properties": fields} if nested else {"user_id": "a", **fields}

    push(blux, "upsert_users", [user], api=api, exclude_fields="consents")

    found = blux.user("a")["user_properties"] if api == "application" else blux.profile("a")["properties"]
    assert found == {"email_address": "a@example.com"}


def test_named_fields_are_left_out_wherever_they_stand(blux):
    users = [{"user_id": "a", "x": 1, "y": 2}, {"user_id": "b", "custom_user_properties": {"x": 1, "y": 2}}]

    push(blux, "upsert_users", users, exclude_fields=["x", "phone_number"])

    assert held(blux) == {"a": {"y": 2}, "b": {"y": 2}}


@pytest.mark.parametrize("value", ["user_id", ["user_id"], 7, [7], None, ""])
def test_what_cannot_be_left_out_is_refused(blux, value):
    with pytest.raises(BluxConfigError, match="exclude_fields must be"):
        push(blux, "upsert_users", [], exclude_fields=value)


def test_an_older_record_does_not_come_after_a_newer_one_that_is_invalid(blux):
    consent = "marketing_notification_consent"
    rows = [
        row("a", "2026-01-02T00:00:00Z", phone_number=5, **{consent: False}),
        row("a", "2026-01-01T00:00:00Z", **{consent: True}),
        row("b", "2026-01-01T00:00:00Z"),
    ]

    with pytest.raises(BluxRejectLimitError, match="2 rejected") as caught:
        push(blux, "upsert_users", rows, updated_at_field="changed")

    assert "record 2, changed: is older than an earlier record of the same user in this run" in str(caught.value)
    assert held(blux) == {"b": {"changed": "2026-01-01T00:00:00Z"}}

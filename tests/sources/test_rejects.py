"""Rejects files as a source."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxRejectLimitError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator, BluxUpsertUsersOperator
from airflow_provider_blux.sources.files import StorageSource

MAPPING = {"회원번호": "user_id", "휴대폰": "phone_number"}


def line(record: Any, outcome: str = "rejected", **more: Any) -> str:
    kept = {"operation": "upsert_users", "record_number": 1, "source": None, "outcome": outcome}
    return json.dumps({**kept, "field": "grade", "reason": "is wrong", "record": record, **more}, ensure_ascii=False)


def file_of(folder: Path, *lines: str) -> str:
    path = folder / "corrected.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def read(path: str) -> list[Any]:
    return list(StorageSource(path, file_format="rejects"))


def test_what_was_rejected_and_then_corrected_is_sent_with_the_same_mapping(
    blux_emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "users.csv").write_text("회원번호,휴대폰,등급\n001,010-1234-5678,gold\n 002,,\n", "utf-8")
    nightly: dict[str, Any] = {"task_id": "send", "field_mapping": MAPPING}
    report = BluxUpsertUsersOperator(
        path=str(tmp_path / "users.csv"), rejects_path=str(tmp_path / "rejects"), max_rejects=1, **nightly
    ).execute({})
    (rejects,) = report["rejects"]
    corrected = Path(rejects.removeprefix("file://"))
    corrected.write_text(corrected.read_text("utf-8").replace('" 002"', '"002"'), "utf-8")

    report = BluxUpsertUsersOperator(path=rejects, file_format="rejects", **nightly).execute({})

    assert (report["read"], report["delivered"]) == (1, 1)
    assert dict(blux_emulator.users()).keys() == {"001", "002"}


def test_every_line_of_a_folder_is_a_record_whatever_its_outcome(tmp_path: Path) -> None:
    file_of(tmp_path, line({"user_id": "a"}), "", line({"user_id": "b"}, "unknown"), line("id-3"))

    assert read(str(tmp_path)) == [{"user_id": "a"}, {"user_id": "b"}, "id-3"]


@pytest.mark.parametrize("other", ['{"user_id": "a"}', "[1]", '"text"', "null", '{"sequence": 1, "ids": []}'])
def test_a_line_of_another_file_is_an_error_that_a_retry_cannot_help(tmp_path: Path, other: str) -> None:
    path = file_of(tmp_path, line({"user_id": "a"}), other)

    with pytest.raises(BluxConfigError, match=r"Record 2 of .*corrected\.jsonl is no line of a rejects file") as caught:
        read(path)
    assert not caught.value.retry_helps


@pytest.mark.parametrize("operation", ["upsert_users", "delete_users"])
def test_what_one_operation_rejected_is_not_sent_by_another(
    blux_emulator: Emulator, tmp_path: Path, operation: str
) -> None:
    operators: dict[str, Any] = {"upsert_users": BluxUpsertUsersOperator, "delete_users": BluxDeleteUsersOperator}
    own, other = operators.pop(operation), operators.popitem()[1]
    (tmp_path / "ids.jsonl").write_text('{"user_id": " a"}\n{"user_id": "b"}\n')
    report = own(
        task_id="send", path=str(tmp_path / "ids.jsonl"), rejects_path=str(tmp_path / "rejects"), max_rejects=1
    ).execute({})
    before = blux_emulator.requests()

    with pytest.raises(AirflowFailException, match=f"was to be sent by {operation}, not by") as caught:
        other(task_id="replay", path=report["rejects"], file_format="rejects").execute({})

    assert "Correct path, or send the file with the operator that rejected its records." in str(caught.value)
    assert blux_emulator.requests() == before


def test_a_line_that_names_no_operation_any_more_deletes_nobody(tmp_path: Path) -> None:
    of_an_upsert = json.loads(line({"user_id": "a"}))
    del of_an_upsert["operation"]
    path = file_of(tmp_path, json.dumps(of_an_upsert))

    with pytest.raises(BluxConfigError, match="which has field, operation, outcome, reason, record"):
        list(StorageSource(path, file_format="rejects", operation="delete_users"))


def test_the_error_for_another_operation_shows_no_value(tmp_path: Path) -> None:
    path = file_of(tmp_path, line({"user_id": "a"}, operation="kim@example.com 01058267341"))

    with pytest.raises(BluxConfigError, match=r"was to be sent by \*\*\* \*\*\*, not by send_events"):
        list(StorageSource(path, file_format="rejects", operation="send_events"))


def test_a_line_that_is_no_json_any_more_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    broken, good = read(file_of(tmp_path, '{"record_number": 1, ', line({"user_id": "b"})))

    assert "line 1 of" in broken.reason
    assert good == {"user_id": "b"}


def test_what_could_not_be_kept_is_rejected_for_the_same_reason(tmp_path: Path) -> None:
    (error,) = read(file_of(tmp_path, line(None)))

    assert isinstance(error, BluxRecordError)
    assert (error.field, error.reason) == ("grade", "is wrong")


def test_text_that_stands_for_another_value_is_not_sent_until_somebody_has_looked_at_it(
    blux_emulator: Emulator, tmp_path: Path
) -> None:
    rows = [{"user_id": "a", "points": float("nan")}]
    kept = tmp_path / "rejects"
    report = BluxHook().upsert_users(rows, rejects_path=str(kept), max_rejects=1)
    (path,) = report.rejects or []

    with pytest.raises(BluxRejectLimitError, match="points: is text in place of a value that JSON cannot hold"):
        BluxHook().upsert_users(StorageSource(path, file_format="rejects"))
    place = Path(path.removeprefix("file://"))
    place.write_text(place.read_text().replace('"points": "nan"', '"points": 5').replace(', "as_text": ["points"]', ""))
    BluxHook().upsert_users(StorageSource(path, file_format="rejects"))

    user = blux_emulator.user("a")
    assert user is not None
    assert user["custom_user_properties"] == {"points": 5}


def test_columns_of_text_that_are_no_list_leave_the_record_rejected(tmp_path: Path) -> None:
    (error,) = read(file_of(tmp_path, line({"user_id": "a", "grade": "nan"}, as_text="grade")))

    assert isinstance(error, BluxRecordError)
    assert (error.field, error.as_text) == ("grade", ["grade"])


def older(folder: Path, **more: Any) -> str:
    """Return the rejects file of a user who has given a consent, and withdrawn it later."""
    consent = "marketing_notification_consent"
    rows = [
        {"user_id": "a", consent: False, "updated_at": "2026-11-02T00:00:00Z"},
        {"user_id": "a", consent: True, "updated_at": "2026-11-01T00:00:00Z", **more},
    ]
    report = BluxHook().upsert_users(
        rows, updated_at_field="updated_at", exclude_fields=list(more), rejects_path=str(folder), max_rejects=1
    )
    return (report.rejects or [])[0]


@pytest.mark.parametrize("more", [{}, {"photo": b"x"}])
def test_a_record_that_was_older_does_not_bring_a_withdrawn_consent_back(
    blux_emulator: Emulator, tmp_path: Path, more: dict[str, Any]
) -> None:
    path = older(tmp_path / "rejects", **more)
    for name in ("again", "and again"):
        source = StorageSource(path, file_format="rejects")
        report = BluxHook().upsert_users(source, rejects_path=str(tmp_path / name), max_rejects=1)
        (path,) = report.rejects or []

    user = blux_emulator.user("a")
    assert user is not None
    assert user["user_properties"] == {"marketing_notification_consent": False}

    kept = json.loads(Path(path.removeprefix("file://")).read_text())
    assert kept.get("as_text", []) == list(more)
    path = file_of(tmp_path, line(kept["record"], reason=None))
    assert BluxHook().upsert_users(StorageSource(path, file_format="rejects")).delivered == 1


def test_a_rejected_line_of_a_suppressed_user_is_in_no_further_file(blux_emulator: Emulator, tmp_path: Path) -> None:
    path = older(tmp_path / "rejects")
    erased = tmp_path / "erased.csv"
    erased.write_text("user_id\na\n")

    report = BluxHook().upsert_users(
        StorageSource(path, file_format="rejects"), suppression_path=str(erased), rejects_path=str(tmp_path / "again")
    )

    assert (report.suppressed, report.rejected, report.rejects) == (1, 0, None)


def test_a_line_that_nobody_has_corrected_is_as_complete_in_the_next_rejects_file(
    blux_emulator: Emulator, tmp_path: Path
) -> None:
    paths = []
    source: Any = [{"user_id": "a", "points": float("nan"), "by": b"x", "grade": "gold"}]
    for name in ("first", "second", "third"):
        report = BluxHook().upsert_users(source, rejects_path=str(tmp_path / name), max_rejects=1)
        paths += report.rejects or []
        source = StorageSource(paths[-1], file_format="rejects")

    kept = [json.loads(Path(path.removeprefix("file://")).read_text()) for path in paths]
    assert [line["as_text"] for line in kept] == [["points", "by"]] * 3
    assert [line["record"] for line in kept] == [kept[0]["record"]] * 3


@pytest.mark.parametrize("user_id", [date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), time(3)], ids=repr)
def test_a_date_that_is_no_id_is_none_as_the_text_of_a_rejects_file(
    blux_emulator: Emulator, tmp_path: Path, user_id: Any
) -> None:
    rows = [{"no": user_id, "joined": datetime(2025, 1, 1, tzinfo=UTC) if type(user_id) is date else date(2025, 1, 1)}]
    kept = tmp_path / "rejects"
    report = BluxHook().upsert_users(rows, field_mapping={"no": "user_id"}, rejects_path=str(kept), max_rejects=1)
    (path,) = report.rejects or []

    with pytest.raises(BluxRejectLimitError, match="no: is text in place of a value that JSON cannot hold"):
        BluxHook().upsert_users(StorageSource(path, file_format="rejects"), field_mapping={"no": "user_id"})
    assert json.loads(Path(path.removeprefix("file://")).read_text())["as_text"] == ["no"]


def test_the_lines_may_be_of_different_tables_and_a_misspelt_column_rejects_its_own_line(
    blux_emulator: Emulator, tmp_path: Path
) -> None:
    path = file_of(
        tmp_path,
        line({"회원번호": "1", "휴대폰": "01012345678"}),
        line({"회원번호": "2", "등급": "gold"}),
        line({"회원번호": "3", "PHONE_NUMBER": "01012345678"}),
    )

    with pytest.raises(BluxRejectLimitError, match="PHONE_NUMBER: is phone_number in another spelling"):
        BluxHook().upsert_users(StorageSource(path, file_format="rejects"), field_mapping=MAPPING)

    assert dict(blux_emulator.users()).keys() == {"1", "2"}

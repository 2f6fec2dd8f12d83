"""How many records may be missing, and where they are kept."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.audit import RejectsFile
from airflow_provider_blux.delivery.batches import Reject
from airflow_provider_blux.delivery.settings import check, check_tolerance
from airflow_provider_blux.delivery.storage import Folder, Lines
from airflow_provider_blux.exceptions import BluxAuthError, BluxConfigError, BluxRejectLimitError, BluxUnavailable
from airflow_provider_blux.sources.files import StorageSource
from tests.delivery.pushing import Memory, push


def rejects_in(folder: Path, name: str = "try1") -> RejectsFile:
    return RejectsFile(Folder(LocalFileSystem(), str(folder), "rejects_path"), name)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows(good: int, bad: int) -> list[Any]:
    return [*({"user_id": f"u{number}"} for number in range(good)), *({"phone_number": "x"} for _ in range(bad))]


def test_a_rejected_record_is_kept_with_its_number_field_reason_and_content(blux, tmp_path):
    rejects = rejects_in(tmp_path / "folder")
    blux.fault(kind="refuse", ids=["u1"])

    report = push(blux, "upsert_users", rows(3, 1), rejects=rejects, max_rejects=2)

    assert report.rejects == [f"file://{tmp_path}/folder/try1.jsonl"]
    assert lines(tmp_path / "folder" / "try1.jsonl") == [
        {
            "record_number": 4,
            "outcome": "rejected",
            "field": "user_id",
            "reason": "is missing (null); every record needs one",
            "record": {"phone_number": "x"},
        },
        {
            "record_number": 2,
            "outcome": "rejected",
            "field": None,
            "reason": 'Blux refused it (400): "users[0] is refused"',
            "record": {"user_id": "u1"},
        },
    ]


def test_the_records_of_a_file_are_kept_as_they_are_in_it(blux, tmp_path):
    users = [
        '{"user_id": "u1", "points": 1.50}',
        "{cut off",
        '{"user_id": " u3", "é": [1, null]}',
        '{"user_id": "u4"}',
        '{"user_id": "u5", "points": NaN}',
    ]
    path = tmp_path / "users.jsonl"
    path.write_text("\n".join(users))
    blux.fault(kind="refuse", ids=["u4"])

    report = push(blux, "upsert_users", StorageSource(str(path)), rejects=rejects_in(tmp_path), max_rejects=4)

    kept = sorted(lines(tmp_path / "try1.jsonl"), key=lambda line: line["record_number"])
    assert report.delivered == 1
    assert [(line["record_number"], line["field"], line["record"]) for line in kept] == [
        (2, None, None),
        (3, "user_id", {"user_id": " u3", "é": [1, None]}),
        (4, None, {"user_id": "u4"}),
        (5, "points", {"user_id": "u5", "points": "nan"}),
    ]
    assert kept[0]["reason"] == f"line 2 of {path} is not JSON (cut off, or not UTF-8)"


def test_without_rejects_there_is_no_file(blux, tmp_path):
    rejects = rejects_in(tmp_path)
    report = push(blux, "upsert_users", rows(3, 0), rejects=rejects)

    assert report.rejects is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("good", "bad", "allowed", "is_red"),
    [
        (9, 1, 0, True),
        (9, 1, 1, False),
        (8, 2, 1, True),
        (9, 1, 0.1, False),
        (8, 2, 0.1, True),
        (71, 29, 0.29, False),
        (70, 30, 0.29, True),
        (0, 3, 1.0, False),
        (0, 1, 0.0, True),
        (0, 0, 0.0, False),
    ],
)
def test_exactly_the_allowed_number_or_share_is_green(blux, tmp_path, good, bad, allowed, is_red):
    rejects = rejects_in(tmp_path)
    if is_red:
        with pytest.raises(BluxRejectLimitError, match=rf"{bad} rejected; allowed are .*try1\.jsonl"):
            push(blux, "upsert_users", rows(good, bad), rejects=rejects, max_rejects=allowed)
    else:
        assert push(blux, "upsert_users", rows(good, bad), rejects=rejects, max_rejects=allowed).rejected == bad

    assert blux.counts()["users"] == good


@pytest.mark.parametrize("value", [-1, 1.5, -0.1, True, "3", None, float("nan")])
def test_a_tolerance_that_means_nothing_is_refused(value):
    with pytest.raises(BluxConfigError, match="max_rejects must be"):
        check({"max_rejects": value})


def test_a_tolerance_needs_a_folder():
    check_tolerance(0, None)
    check_tolerance(5, "folder")
    with pytest.raises(BluxConfigError, match="rejects_path must name a folder"):
        check_tolerance(0.1, None)


def test_a_folder_that_cannot_be_written_is_found_out_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BluxConfigError, match="rejects_path: nothing can be written to"):
        rejects_in(tmp_path / "file")


def test_without_a_folder_the_error_names_the_first_ten(blux):
    with pytest.raises(BluxRejectLimitError) as caught:
        push(blux, "upsert_users", rows(5, 30))

    message = str(caught.value)
    assert message.count("\n  record ") == 10
    assert "record 6, user_id" in message
    assert "and 20 more" in message


def test_a_retry_neither_repeats_nor_loses_what_was_rejected(blux, tmp_path):
    source = [{"user_id": None}, *({"user_id": str(number)} for number in range(600)), {"user_id": 2.5}]
    store = Memory()
    first = rejects_in(tmp_path, "try1")
    blux.fault(kind="status", status=503, skip=3)
    with pytest.raises(BluxUnavailable):
        push(blux, "upsert_users", source, store=store, rejects=first, concurrency=1, max_rejects=5)
    blux.clear_faults()

    second = rejects_in(tmp_path, "try2")
    report = push(blux, "upsert_users", source, store=store, rejects=second, max_rejects=5)

    assert [line["record_number"] for line in lines(tmp_path / "try1.jsonl")] == [1]
    assert [line["record_number"] for line in lines(tmp_path / "try2.jsonl")] == [602]
    assert report.rejected == 2
    assert report.rejects == [f"file://{tmp_path}/try1.jsonl", f"file://{tmp_path}/try2.jsonl"]


def test_rejects_are_kept_although_the_delivery_fails_and_nothing_else_is(blux, tmp_path):
    blux.fault(kind="status", status=401, skip=1)
    source = [{"user_id": None}, *({"user_id": str(number)} for number in range(600))]

    with pytest.raises(BluxAuthError):
        push(blux, "upsert_users", source, rejects=rejects_in(tmp_path), concurrency=1)

    assert [line["record_number"] for line in lines(tmp_path / "try1.jsonl")] == [1]


def test_what_json_cannot_carry_is_kept_as_text(blux, tmp_path):
    rejects = rejects_in(tmp_path)
    row = {
        "user_id": 1.5,
        "b": b"\xff",
        "d": date(2026, 1, 31),
        "n": float("nan"),
        "m": Decimal("1.10"),
        7: [{"x": {1}}],
    }

    push(blux, "upsert_users", [row], rejects=rejects, max_rejects=1)

    assert lines(tmp_path / "try1.jsonl")[0]["record"] == {
        "user_id": 1.5,
        "b": "b'\\xff'",
        "d": "2026-01-31",
        "n": "nan",
        "m": "1.10",
        "7": [{"x": "{1}"}],
    }


def test_object_storage_that_cannot_append_gets_an_object_with_every_flush():
    fs = fsspec.filesystem("memory")
    rejects = RejectsFile(Folder(fs, "/bucket/rejects", "rejects_path"), "try1")

    for number in (1, 2):
        rejects.add([Reject(number, "rejected", None, "broken", None)])
        assert len(rejects.urls) == number
        rejects.flush()
        rejects.flush()

    assert rejects.urls == [
        "memory:///bucket/rejects/try1.part00000001.jsonl",
        "memory:///bucket/rejects/try1.part00000002.jsonl",
    ]
    written = [json.loads(fs.cat_file(url.removeprefix("memory://"))) for url in rejects.urls]
    assert [line["record_number"] for line in written] == [1, 2]


@pytest.mark.slow
def test_ten_thousand_objects_are_in_the_order_of_their_lines_when_they_are_in_the_order_of_their_names():
    fs = fsspec.filesystem("memory")
    lines = Lines(Folder(fs, "/bucket/many", "rejects_path"), "try1")

    for number in range(10_001):
        lines.add([str(number).encode()])
        lines.flush()

    by_name = sorted(path for path in fs.find("/bucket/many") if path.endswith(".jsonl"))
    assert by_name == [url.removeprefix("memory://") for url in lines.urls]
    assert [int(fs.cat_file(path)) for path in by_name[-3:]] == [9_998, 9_999, 10_000]
    fs.rm("/bucket/many", recursive=True)


def test_a_record_that_json_cannot_carry_at_all_is_kept_without_its_content(blux, tmp_path):
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    source = [{"user_id": "a", "deep": deep}, {"user_id": "b", "n": 10**5000}]

    report = push(blux, "upsert_users", source, rejects=rejects_in(tmp_path), max_rejects=2)

    assert report.rejected == 2
    assert [line["record"] for line in lines(tmp_path / "try1.jsonl")] == [None, None]


def test_half_a_line_of_a_full_disk_does_not_spoil_the_lines_after_it(tmp_path):
    class Full(LocalFileSystem):
        """A disk that takes three bytes, once."""

        full = True

        def open(self, path, mode="rb", **options):
            file = super().open(path, mode, **options)
            if mode == "ab" and Full.full:
                Full.full = False
                file.write(b'{"r')
                file.close()
                raise OSError("no space left")
            return file

    rejects = RejectsFile(Folder(Full(), str(tmp_path), "rejects_path"), "try1")
    rejects.add([Reject(1, "rejected", None, "broken", None)])
    with pytest.raises(OSError, match="no space left"):
        rejects.flush()
    rejects.flush()

    assert [line["record_number"] for line in lines(tmp_path / "try1.jsonl")] == [1]

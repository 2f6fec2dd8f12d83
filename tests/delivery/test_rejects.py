"""The number of records that may be rejected, and the rejects files."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_blux.delivery import checkpoint
from airflow_provider_blux.delivery.filters import guarded
from airflow_provider_blux.delivery.record import Reject
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.settings import check, check_rejects_path
from airflow_provider_blux.delivery.storage import Folder, Lines
from airflow_provider_blux.exceptions import (
    BluxAuthError,
    BluxConfigError,
    BluxError,
    BluxRejectLimitError,
    BluxUnavailable,
)
from airflow_provider_blux.sources.files import StorageSource
from tests.delivery.pushing import Memory, push


def rejects_in(folder: Path, name: str = "try1") -> RejectsFile:
    return RejectsFile(Folder(LocalFileSystem(), str(folder), "rejects_path"), name, "upsert_users")


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
            "operation": "upsert_users",
            "record_number": 4,
            "source": None,
            "outcome": "rejected",
            "field": "user_id",
            "reason": "is missing (null); every record needs one",
            "record": {"phone_number": "x"},
        },
        {
            "operation": "upsert_users",
            "record_number": 2,
            "source": None,
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
    check_rejects_path(0, None)
    check_rejects_path(5, "folder")
    with pytest.raises(BluxConfigError, match="rejects_path must name a folder"):
        check_rejects_path(0.1, None)


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
        "v": memoryview(b"\xff"),  # bytea from psycopg2
        "d": date(2026, 1, 31),
        "n": float("nan"),
        "m": Decimal("1.10"),
        7: [{"x": {1}}],
    }

    push(blux, "upsert_users", [row], rejects=rejects, max_rejects=1)

    (line,) = lines(tmp_path / "try1.jsonl")
    assert line["record"] == {
        "user_id": 1.5,
        "b": "b'\\xff'",
        "v": "b'\\xff'",
        "d": "2026-01-31",
        "n": "nan",
        "m": 1.1,
        "7": [{"x": "{1}"}],
    }
    assert line["as_text"] == ["7", "b", "v", "n"]


def test_the_file_is_read_by_people_and_is_json_whatever_the_text(blux, tmp_path):
    rows = [{"user_id": None, "이름": "김민수"}, {"user_id": None, "half": "\ud83d", "\udc00": "줄\n바꿈\u2028"}]

    push(blux, "upsert_users", rows, rejects=rejects_in(tmp_path), max_rejects=2)

    content = (tmp_path / "try1.jsonl").read_bytes()
    assert '{"user_id": null, "이름": "김민수"}'.encode() in content
    assert [json.loads(line)["record"] for line in content.split(b"\n") if line] == rows


def test_each_line_and_each_message_says_where_the_record_is_in_its_file(blux, tmp_path, caplog):
    (tmp_path / "a.csv").write_text("user_id,note\na1,x\n\n")
    (tmp_path / "b.jsonl").write_text("")
    (tmp_path / "c.jsonl").write_text('{"user_id": "c1"}\n\n{"user_id": 2.5}\n')
    source = StorageSource([f"{tmp_path}/a.csv", f"{tmp_path}/b.jsonl", f"{tmp_path}/c.jsonl"])
    blux.fault(kind="refuse", ids=["a1"])

    push(blux, "upsert_users", source, rejects=rejects_in(tmp_path / "kept"), max_rejects=2)

    kept = lines(tmp_path / "kept" / "try1.jsonl")
    assert {line["record_number"]: line["source"] for line in kept} == {
        1: f"record 1 of {tmp_path}/a.csv",
        3: f"record 2 of {tmp_path}/c.jsonl",
    }
    assert "  record 3, user_id: is a decimal number" in caplog.text
    assert f"(record 2 of {tmp_path}/c.jsonl)" in caplog.text


def test_a_batch_that_fails_says_where_its_first_record_is(blux, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"user_id": "a"}\n')
    (tmp_path / "b.jsonl").write_text('{"user_id": "b"}\n{"user_id": "c"}\n')
    blux.fault(kind="status", status=401, skip=1)

    with pytest.raises(BluxAuthError, match=rf"batch 2 \(records 2-2; the first is record 1 of {tmp_path}/b.jsonl\)"):
        push(blux, "upsert_users", StorageSource(f"{tmp_path}/*.jsonl"), batch_size=1, concurrency=1)


def test_of_records_that_were_counted_first_the_place_is_known_as_well(blux, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"user_id": "a"}\n{"user_id": null}\n')
    rows = guarded(StorageSource(f"{tmp_path}/a.jsonl"), 10)

    with pytest.raises(BluxRejectLimitError, match=r"record 2, user_id: .* \(record 2 of .*a\.jsonl\)"):
        push(blux, "delete_users", rows)


def test_tolerated_rejects_are_a_warning_with_the_first_ten_the_file_and_the_reasons(blux, tmp_path, caplog):
    push(blux, "upsert_users", rows(5, 30), rejects=rejects_in(tmp_path), max_rejects=30)

    tolerated, summary = [record for record in caplog.records if record.levelname == "WARNING"]
    assert tolerated.getMessage().startswith("Of 35 records, 5 were delivered, 30 rejected; allowed are 30")
    assert tolerated.getMessage().count("\n  record ") == 10
    assert f"{tmp_path}/try1.jsonl" in tolerated.getMessage()
    assert summary.getMessage().splitlines()[1:] == [
        "  user_id: is missing (null); every record needs one ... 30 times"
    ]


def test_the_summary_closes_the_log_of_a_delivery_that_fails_or_is_stopped_too(blux, caplog):
    with pytest.raises(BluxRejectLimitError) as too_many:
        push(blux, "upsert_users", rows(1, 1))
    assert caplog.records[-1].getMessage().endswith("... 1 time")
    blux.fault(kind="status", status=401)
    with pytest.raises(BluxAuthError) as stopped:
        push(blux, "upsert_users", [*rows(0, 20), *rows(1, 0), *rows(0, 10)], batch_size=2)
    assert "is missing (null); every record needs one ... 20 times" in caplog.records[-1].getMessage()

    for error, number in ((too_many.value, 1), (stopped.value, 20)):
        assert error.report["rejected"] == number
        assert [one["number"] for one in error.report["reasons"]] == [number]


def test_a_delivery_without_rejects_warns_of_nothing(blux, caplog):
    assert push(blux, "upsert_users", rows(3, 0)).reasons is None
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_the_reasons_of_all_tries_are_in_the_report(blux, tmp_path):
    source = [{"user_id": None}, *({"user_id": str(number)} for number in range(600)), {"user_id": None}]
    store = Memory()
    blux.fault(kind="status", status=503, skip=3)
    with pytest.raises(BluxUnavailable):
        push(blux, "upsert_users", source, store=store, concurrency=1)
    blux.clear_faults()

    report = push(blux, "upsert_users", source, store=store, rejects=rejects_in(tmp_path), max_rejects=2)

    assert [(one["field"], one["number"]) for one in report.reasons] == [("user_id", 2)]


def test_object_storage_that_cannot_append_gets_an_object_with_every_flush():
    fs = fsspec.filesystem("memory")
    rejects = RejectsFile(Folder(fs, "/bucket/rejects", "rejects_path"), "try1", "upsert_users")

    for number in (1, 2):
        rejects.add_rejects([Reject(number, "rejected", None, "broken", None)])
        assert len(rejects.urls) == number
        rejects.flush()
        rejects.flush()

    assert rejects.urls == [
        "memory:///bucket/rejects/try1.part00000001.jsonl",
        "memory:///bucket/rejects/try1.part00000002.jsonl",
    ]
    written = [json.loads(fs.cat_file(url.removeprefix("memory://"))) for url in rejects.urls]
    assert [line["record_number"] for line in written] == [1, 2]


class Busy(MemoryFileSystem):
    """An object storage in which a reject is added, and the files are named, while another reject is written."""

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        if value and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile.start()
            meanwhile.join(0.1)  # naming the files may wait until this one is written
        super().pipe_file(path, value, **options)


def test_a_reject_that_is_added_during_a_flush_is_in_a_file_that_is_named():
    fs = Busy()
    fs.meanwhile = None
    rejects = RejectsFile(Folder(fs, "/bucket/busy", "rejects_path"), "try1", "send_events")
    rejects.add_rejects([Reject(1, "rejected", None, "one", {})])
    named = []

    def add() -> None:
        rejects.add_rejects([Reject(2, "rejected", None, "two", {})])
        named.extend(rejects.urls)

    fs.meanwhile = thread = Thread(target=add)
    rejects.flush()
    thread.join()
    rejects.flush()

    assert named == rejects.urls
    assert len(named) == 2


def test_the_error_names_many_objects_by_one_glob(blux, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_SECONDS", 0.0)
    rejects = RejectsFile(
        Folder(fsspec.filesystem("memory"), "/bucket/rejects-by-glob", "rejects_path"), "try1", "upsert_users"
    )

    with pytest.raises(BluxRejectLimitError, match=r"are in memory:///bucket/rejects-by-glob/try1\.part\*\.jsonl\. "):
        push(blux, "upsert_users", rows(1, 1) * 9, rejects=rejects, store=Memory(), batch_size=1, concurrency=1)

    assert len(rejects.urls) > 1


def test_ten_thousand_objects_are_in_the_order_of_their_lines_when_they_are_in_the_order_of_their_names():
    folder = Folder(fsspec.filesystem("memory"), "/bucket/many", "rejects_path")
    lines = Lines(folder, "try1")

    for number in range(10_001):
        lines.add([str(number).encode()])
        lines.flush()

    by_name = sorted(name for name in folder.sizes() if name.endswith(".jsonl"))
    assert [folder.url(name) for name in by_name] == lines.urls
    assert [int(folder.read(name) or b"") for name in by_name[-3:]] == [9_998, 9_999, 10_000]
    for name in by_name:
        folder.remove(name)


def test_a_record_that_json_cannot_carry_at_all_is_kept_without_its_content(blux, tmp_path):
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    source = [{"user_id": "a", "deep": deep}, {"user_id": "b", "n": 10**5000}]

    report = push(blux, "upsert_users", source, rejects=rejects_in(tmp_path), max_rejects=2)

    assert report.rejected == 2
    assert [line["record"] for line in lines(tmp_path / "try1.jsonl")] == [None, None]


@pytest.mark.parametrize("earlier", [[], [1], [1, 2]])
def test_half_a_line_of_a_full_disk_does_not_spoil_the_lines_around_it(tmp_path, earlier):
    class Full(LocalFileSystem):
        """A full disk that still takes three bytes of one write."""

        cachable = False
        full = False

        def open(self, path, mode="rb", **options):
            file = super().open(path, mode, **options)
            if mode == "ab" and self.full:
                self.full = False
                file.write(b'{"r')
                file.close()
                raise OSError("no space left")
            return file

    disk = Full()
    rejects = RejectsFile(Folder(disk, str(tmp_path), "rejects_path"), "try1", "upsert_users")
    for number in earlier:
        rejects.add_rejects([Reject(number, "rejected", None, "broken", None)])
        rejects.flush()
    rejects.add_rejects([Reject(3, "rejected", None, "broken", None)])
    disk.full = True
    with pytest.raises(BluxError, match=r"^rejects_path: .*/try1\.jsonl cannot be written \(OSError\)\. Check"):
        rejects.flush()
    rejects.flush()

    assert [line["record_number"] for line in lines(tmp_path / "try1.jsonl")] == [*earlier, 3]


def test_a_retry_of_a_request_names_the_place_of_its_records(blux, tmp_path, caplog):
    (tmp_path / "a.jsonl").write_text('{"user_id": "a"}\n')
    blux.fault(kind="status", status=503, times=1)

    push(blux, "upsert_users", StorageSource(f"{tmp_path}/a.jsonl"))

    assert f"batch 1 (records 1-1; the first is record 1 of {tmp_path}/a.jsonl)" in caplog.text


@pytest.mark.parametrize("number", [Decimal("1.0"), Decimal("123"), 1.5])
def test_a_number_that_was_rejected_as_an_id_is_no_id_after_a_replay(blux, tmp_path, number):
    push(blux, "upsert_users", [{"user_id": number}], rejects=rejects_in(tmp_path), max_rejects=1)

    with pytest.raises(BluxRejectLimitError, match="user_id: is a decimal number"):
        push(blux, "upsert_users", StorageSource(f"{tmp_path}/try1.jsonl", file_format="rejects"))


@pytest.mark.parametrize("value", [Decimal("sNaN"), Decimal("1E400"), Decimal("0." + "1" * 30)])
def test_a_decimal_that_json_cannot_hold_is_marked(blux, tmp_path, value):
    push(blux, "upsert_users", [{"user_id": "a", "n": value}], rejects=rejects_in(tmp_path), max_rejects=1)

    (line,) = lines(tmp_path / "try1.jsonl")
    assert (line["record"]["n"], line["as_text"]) == (str(value), ["n"])

"""Sending only changed records: the content of the snapshot, the rows that are sent, and the report."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import pendulum
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.receipts import Hashes
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import (
    BluxAbsentError,
    BluxCheckpointError,
    BluxConfigError,
    BluxError,
    BluxRejectLimitError,
    BluxUnavailable,
)
from airflow_provider_blux.sources.files import StorageSource
from tests.delivery.pushing import Memory, held, push, snapshot_in

USERS = [{"user_id": f"u{number}", "grade": "gold", "points": number} for number in range(250)]


@pytest.fixture(params=["disk", "objects"])
def folder(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Folder]:
    """A folder on a disk, then one in object storage, which has neither append nor rename."""
    if request.param == "disk":
        yield Folder(LocalFileSystem(), str(tmp_path / "snapshot"), "snapshot_path")
    else:
        fs = MemoryFileSystem()
        yield Folder(fs, "/snapshot", "snapshot_path")
        fs.store.clear()


def send(blux: Any, folder: Any, rows: Any, operation: Any = "upsert_users", **options: Any) -> Any:
    """Send rows with the snapshot in a folder; return the report."""
    names = ("key", "reading", "excluded", "map_index", "task_id", "target", "full_refresh", "read_only", "clock")
    of_snapshot = {name: options.pop(name) for name in names if name in options}
    snapshot = snapshot_in(folder, operation, options.get("api", "application"), **of_snapshot)
    settings = {"validate_only": of_snapshot.get("read_only", False)}
    if operation != "delete_users":
        settings["full_refresh"] = of_snapshot.get("full_refresh", False)
    return push(blux, operation, rows, snapshot=snapshot, **settings, **options)


def outcomes(report: Any) -> dict[str, int]:
    """Return the counts that are not 0."""
    names = ("delivered", "rejected", "suppressed", "unchanged", "merged", "unknown", "valid")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_the_same_rows_are_sent_once(blux: Any, folder: Folder) -> None:
    first, second = send(blux, folder, USERS), send(blux, folder, USERS)

    assert outcomes(first) == {"delivered": 250}
    assert outcomes(second) == {"unchanged": 250}
    assert (second.read, second.requests, second.absent) == (250, 0, 0)
    assert len(blux.requests()) == 3


def test_only_the_users_whose_rows_have_changed_are_sent(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)
    changed = [{**row, "points": -1} if number % 50 == 0 else row for number, row in enumerate(USERS)]

    report = send(blux, folder, [*changed, {"user_id": "new"}])

    assert outcomes(report) == {"delivered": 6, "unchanged": 245}
    assert report.requests == 1
    assert held(blux)["u50"] == {"grade": "gold", "points": -1}
    assert held(blux)["u51"] == {"grade": "gold", "points": 51}


def test_a_value_that_comes_back_is_sent(blux: Any, folder: Folder) -> None:
    for value in ("a", "b", "a"):
        assert outcomes(send(blux, folder, [{"user_id": "u", "x": value}])) == {"delivered": 1}
        assert held(blux)["u"] == {"x": value}


@pytest.mark.parametrize("between", [None, float("nan")], ids=["null", "refused here"])
def test_a_value_that_was_away_for_a_time_is_sent_again(blux: Any, folder: Folder, between: Any) -> None:
    rows = [{"user_id": "u", "x": "a"}, {"user_id": "v", "x": "a"}]
    send(blux, folder, rows)
    with suppress(BluxRejectLimitError):
        send(blux, folder, [{"user_id": "u", "x": between}, rows[1]])

    assert outcomes(send(blux, folder, rows)) == {"delivered": 1, "unchanged": 1}


def test_a_row_that_the_api_refuses_is_not_known(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS[:3])
    blux.fault(kind="refuse", ids=["u1"])
    rows = [{**row, "points": -1} for row in USERS[:3]]
    with pytest.raises(BluxRejectLimitError):
        send(blux, folder, rows)
    blux.clear_faults()

    assert outcomes(send(blux, folder, rows)) == {"delivered": 1, "unchanged": 2}
    assert held(blux)["u1"]["points"] == -1


DIFFERENT = [
    1,
    "1",
    True,
    1.0,
    Decimal(1),
    Decimal("1.0"),
    [1],
    ["1"],
    {"1": 1},
    {"1": True},
    date(2026, 1, 31),
    "2026-01-31",
    datetime(2026, 1, 31),  # noqa: DTZ001
    datetime(2026, 1, 31, tzinfo=UTC),
    "2026-01-31T00:00:00+00:00",
]


def test_values_that_look_alike_are_not_taken_for_each_other() -> None:
    snapshot = snapshot_in(Folder(MemoryFileSystem(), "/alike", "snapshot_path"))
    digests = [snapshot._digests.row({"user_id": "u", "x": value}) for value in DIFFERENT]

    assert len({*digests}) == len(DIFFERENT)
    assert None not in digests


LONDON = tuple(pendulum.datetime(2026, 10, 25, 1, 30, tz="Europe/London", fold=fold) for fold in (0, 1))


class Shift(tzinfo):
    """A zone whose `repr` does not say its offset."""

    def __init__(self, hours: int) -> None:
        self._offset = timedelta(hours=hours)

    def utcoffset(self, _moment: datetime | None) -> timedelta:
        return self._offset

    def __repr__(self) -> str:
        return "local"


def grade_of(value: str) -> StrEnum:
    class Grade(StrEnum):
        GOLD = value

        def __repr__(self) -> str:
            return "Grade.GOLD"

    return Grade.GOLD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        LONDON,
        tuple(pendulum.DateTime(2026, 10, 25, 1, 30, fold=fold) for fold in (0, 1)),
        tuple(datetime(2026, 1, 31, tzinfo=Shift(hours)) for hours in (0, 9)),
        (grade_of("gold"), grade_of("or")),
        ({"at": LONDON[0]}, {"at": LONDON[1]}),
    ],
    ids=["an hour that comes twice", "the same without a zone", "a zone", "an enumeration", "nested"],
)
def test_values_with_the_same_repr_are_not_taken_for_each_other(one: Any, other: Any) -> None:
    snapshot = snapshot_in(Folder(MemoryFileSystem(), "/alike", "snapshot_path"))
    digests = [snapshot._digests.row({"user_id": "u", "x": value}) for value in (one, other)]

    assert repr(one) == repr(other)
    assert None not in digests
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    "value", [np.arange(2000), np.array([1, 2]), object(), 1j], ids=lambda value: type(value).__name__
)
def test_what_cannot_be_compared_exactly_is_not_compared(value: Any) -> None:
    """The `repr` of an array omits the middle of the array."""
    snapshot = snapshot_in(Folder(MemoryFileSystem(), "/alike", "snapshot_path"))

    assert snapshot._digests.row({"user_id": "u", "x": value}) is None
    assert snapshot._digests.row({"user_id": "u", "x": [value]}) is None


@pytest.mark.parametrize(("one", "other"), [(np.int64(1), 1), (np.int64(1), np.int32(1)), (np.int64(1), np.int64(2))])
def test_a_number_of_numpy_is_compared_with_its_type(one: Any, other: Any) -> None:
    snapshot = snapshot_in(Folder(MemoryFileSystem(), "/alike", "snapshot_path"))
    digests = [snapshot._digests.row({"user_id": "u", "x": value}) for value in (one, other, one)]

    assert None not in digests
    assert digests[0] == digests[2] != digests[1]


def test_a_row_that_is_an_object_but_no_dict_is_compared(blux: Any, folder: Folder) -> None:
    for _ in range(2):
        report = send(blux, folder, [UserDict(row) for row in USERS])

    assert outcomes(report) == {"unchanged": 250}


@pytest.mark.parametrize("user_id", ["\ud800", 10**5000], ids=["half a character", "too many digits"])
def test_a_row_whose_id_cannot_be_written_is_rejected(blux: Any, folder: Folder, user_id: Any) -> None:
    with pytest.raises(BluxRejectLimitError, match="record 1, user_id: "):
        send(blux, folder, [{"user_id": user_id}, *USERS])

    assert outcomes(send(blux, folder, USERS)) == {"unchanged": 250}


def test_a_row_that_is_no_object_is_rejected_alone(blux: Any, folder: Folder) -> None:
    with pytest.raises(BluxRejectLimitError, match="250 were delivered, 1 rejected"):
        send(blux, folder, ["u0", *USERS])

    assert outcomes(send(blux, folder, USERS)) == {"unchanged": 250}


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", complex(1, 2)], ids=["object", "set", "bytes", "complex"]
)
def test_a_row_whose_values_cannot_be_told_apart_is_never_taken_for_unchanged(value: Any) -> None:
    snapshot = snapshot_in(Folder(MemoryFileSystem(), "/alike", "snapshot_path"))

    mark = snapshot.mark({"user_id": "u", "x": value})

    assert mark is not None
    assert (mark.row, mark.is_in_snapshot) == (None, False)


def test_a_user_with_several_rows_is_always_sent(blux: Any, folder: Folder) -> None:
    rows = [{"user_id": "u", "x": "a"}, {"user_id": "u", "y": "b"}, {"user_id": "v", "x": "a"}]
    for _ in range(3):
        report = send(blux, folder, rows)
        assert held(blux)["u"] == {"x": "a", "y": "b"}

    assert outcomes(report) == {"delivered": 1, "merged": 1, "unchanged": 1}


def test_a_second_row_that_is_the_known_one_is_sent_after_a_first_that_is_not(blux: Any, folder: Folder) -> None:
    send(blux, folder, [{"user_id": "u", "x": "new"}])

    send(blux, folder, [{"user_id": "u", "x": "old"}, {"user_id": "u", "x": "new"}], batch_size=1)

    assert held(blux)["u"] == {"x": "new"}


def test_a_user_who_was_deleted_and_comes_back_with_the_same_row_is_sent(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)
    report = send(blux, folder, ["u1", "u2", "nobody"], "delete_users")
    assert outcomes(report) == {"delivered": 3}

    assert outcomes(send(blux, folder, USERS)) == {"delivered": 2, "unchanged": 248}
    assert len(held(blux)) == 250


def test_a_deletion_is_forgotten_before_its_request_leaves(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)
    blux.fault(kind="status", status=401, operation="delete_users", processed=True)
    with pytest.raises(BluxError):
        send(blux, folder, ["u1"], "delete_users")
    blux.clear_faults()

    assert outcomes(send(blux, folder, USERS)) == {"delivered": 1, "unchanged": 249}


def test_a_deletion_warns_of_a_folder_without_a_snapshot(
    blux: Any, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    send(blux, folder, ["u1"], "delete_users")
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == (
        f"Snapshot {folder}: there is none yet. If a task that sends these users has another snapshot_path, name that "
        "one here: otherwise it does not send a deleted user who registers again with the same row."
    )

    caplog.clear()
    send(blux, folder, ["u1"], "delete_users")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("number", [3, 250], ids=["merged at the end", "not merged"])
@pytest.mark.parametrize("points", [1, float("nan")], ids=["same row", "invalid row"])
def test_a_suppressed_user_is_suppressed_and_not_unchanged_and_is_known_no_longer(
    blux: Any, folder: Folder, number: int, points: float
) -> None:
    users, suppression = USERS[:number], Suppression(["u1"], Hashes(None), "the list")
    send(blux, folder, users)
    rows = [users[0], {**users[1], "points": points}, *users[2:]]

    assert outcomes(send(blux, folder, rows, suppression=suppression)) == {"suppressed": 1, "unchanged": number - 1}
    assert outcomes(send(blux, folder, users)) == {"delivered": 1, "unchanged": number - 1}


def test_a_suppressed_user_is_not_known_again_by_a_merge(blux: Any, folder: Folder) -> None:
    """So many rows have changed that the run merges the files of the snapshot at its end."""
    send(blux, folder, USERS)
    suppression = Suppression(["u1"], Hashes(None), "the list")
    changed = [row if row["user_id"] == "u1" else {**row, "points": -1} for row in USERS]
    send(blux, folder, changed, suppression=suppression)

    assert outcomes(send(blux, folder, changed)) == {"delivered": 1, "unchanged": 249}


def test_devices_are_known_by_their_own_ids_and_suppressed_by_their_users(blux: Any, folder: Folder) -> None:
    devices = [{"device_id": f"d{number}", "user_id": f"u{number}", "token": "t"} for number in range(5)]
    send(blux, folder, devices, "update_devices", api="open")
    suppression = Suppression(["u1"], Hashes(None), "the list")
    devices[2]["token"] = "another"

    report = send(blux, folder, devices, "update_devices", api="open", suppression=suppression)

    assert outcomes(report) == {"delivered": 1, "suppressed": 1, "unchanged": 3}


def test_profiles_of_the_open_api_and_their_deletions_share_a_snapshot(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS, api="open")
    send(blux, folder, ["u1"], "delete_users", api="open")

    assert outcomes(send(blux, folder, USERS, api="open")) == {"delivered": 1, "unchanged": 249}


def test_another_way_of_reading_rows_sends_everything_once(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)

    assert outcomes(send(blux, folder, USERS, reading="another")) == {"delivered": 250}
    assert outcomes(send(blux, folder, USERS, reading="another")) == {"unchanged": 250}


def test_a_column_that_is_never_sent_makes_no_difference(blux: Any, folder: Folder) -> None:
    for moment in range(2):
        report = send(
            blux,
            folder,
            [{**row, "exported_at": moment} for row in USERS],
            excluded=["exported_at"],
            exclude_fields=["exported_at"],
        )

    assert outcomes(report) == {"unchanged": 250}


def test_an_older_row_is_rejected_also_behind_one_that_is_unchanged(blux: Any, folder: Folder) -> None:
    newer, older = ({"user_id": "u", "at": f"2026-01-0{day}T00:00:00Z", "x": day} for day in (2, 1))
    send(blux, folder, [newer], updated_at_field="at")

    with pytest.raises(BluxRejectLimitError, match="at: is older than an earlier record"):
        send(blux, folder, [newer, older], updated_at_field="at")
    assert held(blux)["u"]["x"] == 2


def test_the_file_that_lacks_the_column_of_the_update_is_named_also_where_no_row_has_changed(
    blux: Any, folder: Folder, tmp_path: Any
) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,grade\nu,gold\n")
    send(blux, folder, StorageSource(str(path)))

    with pytest.raises(BluxConfigError, match=r"^record 1 of .*users\.csv: updated_at_field names a column 'at'"):
        send(blux, folder, StorageSource(str(path)), updated_at_field="at")


def test_a_known_row_that_is_rejected_by_its_excluded_moment_is_known_no_longer(blux: Any, folder: Folder) -> None:
    options = {"excluded": ["at"], "exclude_fields": ["at"], "updated_at_field": "at"}
    row = {"user_id": "u", "at": "2026-01-01T00:00:00Z"}
    send(blux, folder, [row], **options)
    with pytest.raises(BluxRejectLimitError, match="at: is not an ISO 8601 timestamp"):
        send(blux, folder, [{**row, "at": "yesterday"}], **options)

    assert outcomes(send(blux, folder, [row], **options)) == {"delivered": 1}


class Dying(LocalFileSystem):
    """A disk that fails for everybody after a number of files were written."""

    cachable = False

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" in mode:
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "gone")
        return super().open(path, mode, **options)


@pytest.mark.parametrize("left", range(1, 5))
def test_a_run_that_dies_at_any_write_costs_at_most_that_users_are_sent_again(
    blux: Any, tmp_path: Any, left: int
) -> None:
    """The first run writes nothing after its disk has failed, although its requests arrive."""
    send(blux, tmp_path, USERS)
    changed = [{**row, "points": -1} for row in USERS]
    with suppress(BluxError):
        send(
            blux,
            Folder(Dying(left), str(tmp_path), "snapshot_path"),
            changed,
            clock=iter(range(0, 10_000, 10)).__next__,
        )

    send(blux, tmp_path, USERS)

    assert held(blux) == {row["user_id"]: {"grade": "gold", "points": row["points"]} for row in USERS}


def test_a_run_that_fails_sends_what_it_has_not_delivered_with_the_next(blux: Any, folder: Folder) -> None:
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, USERS, concurrency=1)
    blux.clear_faults()

    assert outcomes(send(blux, folder, USERS)) == {"delivered": 150, "unchanged": 100}


@pytest.mark.parametrize("written", ["5", '"5"'], ids=["the same text", "the same id in JSON"])
def test_a_row_that_was_unchanged_is_not_sent_after_the_next_row_of_its_user(
    blux: Any, folder: Folder, written: str
) -> None:
    send(blux, folder, [{"user_id": "5", "x": 1}], json_columns=["user_id"])
    rows = [{"user_id": "5", "x": 1}, {"user_id": "6", "x": 1}, {"user_id": written, "x": 2}]
    store = Memory()
    # If the requests for 6 and 5 were in flight together, that for 5 would be accepted and that for 6 would fail.
    blux.fault(kind="delay", seconds=0.5, times=1)
    blux.fault(kind="status", status=401, skip=1, times=1)
    with pytest.raises(BluxError):
        send(blux, folder, rows, store=store, batch_size=1, json_columns=["user_id"])
    report = send(blux, folder, rows, store=store, batch_size=1, json_columns=["user_id"])

    assert report.read == 3
    assert held(blux) == {"5": {"x": 2}, "6": {"x": 1}}


def test_a_retry_neither_sends_settled_rows_again_nor_counts_them_twice(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)
    rows = [{**row, "points": -1} if number % 2 else row for number, row in enumerate(USERS)]
    store = Memory()
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, rows, concurrency=1, batch_size=10, store=store)
    blux.clear_faults()
    before = len(blux.requests())

    report = send(blux, folder, rows, concurrency=1, batch_size=10, store=store)

    assert outcomes(report) == {"delivered": 125, "unchanged": 125}
    assert (report.read, report.resumed, report.absent) == (250, 10, 0)
    assert len(blux.requests()) - before == 12
    assert outcomes(send(blux, folder, rows)) == {"unchanged": 250}


def test_a_retry_does_not_go_on_with_another_snapshot(blux: Any, folder: Folder, tmp_path: Any) -> None:
    other, store = Folder(LocalFileSystem(), str(tmp_path / "other"), "snapshot_path"), Memory()
    send(blux, other, USERS)
    changed = [{**row, "points": -1} for row in USERS]
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, changed, store=store, concurrency=1)
    blux.clear_faults()

    # It knows the users of before, and would take them for unchanged when their values come back.
    with pytest.raises(BluxCheckpointError, match=r"belongs to other settings: .* snapshot_path"):
        send(blux, other, changed, store=store)
    assert outcomes(send(blux, folder, changed, store=store)) == {"delivered": 250}


def test_a_full_refresh_sends_everything_and_forgets_who_is_gone(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)

    report = send(blux, folder, USERS[:200], full_refresh=True)
    assert (outcomes(report), report.absent) == ({"delivered": 200}, 50)

    report = send(blux, folder, USERS)
    assert (outcomes(report), report.absent) == ({"delivered": 50, "unchanged": 200}, 0)


def test_a_full_refresh_that_fails_is_gone_on_with_by_the_next_try(blux: Any, folder: Folder) -> None:
    send(blux, folder, [*USERS, {"user_id": "gone"}])
    store = Memory()
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, USERS, full_refresh=True, concurrency=1, store=store)
    blux.clear_faults()

    report = send(blux, folder, USERS, full_refresh=True, store=store)
    assert (report.delivered, report.resumed) == (250, 100)

    report = send(blux, folder, USERS)
    assert (outcomes(report), report.absent) == ({"unchanged": 250}, 0)


def test_a_full_refresh_that_fails_leaves_what_was_known_of_the_others(blux: Any, folder: Folder) -> None:
    other = {"user_id": "other"}
    send(blux, folder, [*USERS, other])
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, USERS, full_refresh=True, concurrency=1, batch_size=100, resume=False)
    blux.clear_faults()

    report = send(blux, folder, [*USERS, other])
    assert report.delivered + report.unchanged == 251
    assert report.unchanged >= 101


def test_a_full_refresh_sends_what_a_try_before_it_has_settled_that_was_none(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)
    rows = [*USERS[:200], *({**row, "points": -1} for row in USERS[200:])]
    store = Memory()
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, rows, concurrency=1, batch_size=10, store=store)
    blux.clear_faults()

    report = send(blux, folder, rows, full_refresh=True, batch_size=10, store=store)

    assert (outcomes(report), report.resumed) == ({"delivered": 250}, 0)
    assert outcomes(send(blux, folder, rows)) == {"unchanged": 250}


def test_a_full_refresh_whose_first_try_was_merged_meanwhile_forgets_who_is_gone(blux: Any, folder: Folder) -> None:
    send(blux, folder, [*USERS, {"user_id": "gone"}])
    store = Memory()
    blux.fault(kind="status", status=503, skip=1)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, USERS, full_refresh=True, concurrency=1, store=store)
    blux.clear_faults()
    send(blux, folder, [{"user_id": "of another task"}])

    send(blux, folder, USERS, full_refresh=True, store=store)

    assert outcomes(send(blux, folder, [{"user_id": "gone"}])) == {"delivered": 1}


@pytest.mark.parametrize(
    ("max_absent", "is_red"), [(None, False), (50, False), (49, True), (0.2, False), (0.19, True), (0, True)]
)
def test_users_who_are_missing_are_counted_and_too_many_make_the_task_red(
    blux: Any, folder: Folder, max_absent: Any, is_red: bool
) -> None:
    send(blux, folder, USERS)
    rows = [{**USERS[0], "points": -1}, *USERS[1:200]]
    if is_red:
        with pytest.raises(BluxAbsentError, match=r"^Of 250 in the snapshot, 50 are missing from the source; allowed"):
            send(blux, folder, rows, max_absent=max_absent)
    else:
        assert send(blux, folder, rows, max_absent=max_absent).absent == 50

    assert held(blux)["u0"]["points"] == -1
    assert len(held(blux)) == 250
    assert outcomes(send(blux, folder, rows)) == {"unchanged": 200}


def test_users_whom_a_failed_run_was_about_to_send_do_not_count_as_missing(blux: Any, folder: Folder) -> None:
    send(blux, folder, USERS)
    rows = [{**row, "points": -1} for row in USERS[:200]]
    blux.fault(kind="status", status=503)
    with pytest.raises(BluxUnavailable):
        send(blux, folder, rows)
    blux.clear_faults()

    with pytest.raises(BluxAbsentError, match=r"^Of 50 in the snapshot, 50 are missing from the source; allowed"):
        send(blux, folder, rows, max_absent=0.2)
    assert send(blux, folder, rows, max_absent=50).absent == 50


def test_a_dry_run_with_too_many_missing_users_does_not_claim_that_anything_was_delivered(
    blux: Any, folder: Folder
) -> None:
    send(blux, folder, USERS)

    with pytest.raises(BluxAbsentError, match=r"Nothing was sent \(validate_only\), and nobody was deleted"):
        send(blux, folder, USERS[:200], read_only=True, max_absent=0)


def test_a_fall_to_less_than_half_of_last_time_is_a_warning(
    blux: Any, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    for number in (250, 125, 62, 40):
        caplog.clear()
        send(blux, folder, USERS[:number])
        said.append([record.getMessage() for record in caplog.records if "less than half" in record.getMessage()])

    assert said[:2] == [[], []]
    assert said[2][0].startswith("The source names 62 users, less than half of the 125 of last time.")
    assert said[3] == []


def test_a_task_is_compared_with_its_own_last_time_where_tasks_share_a_snapshot(
    blux: Any, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        send(blux, folder, USERS, task_id="crm")
        send(blux, folder, [{"user_id": "of the app"}], task_id="app")
    assert "less than half" not in caplog.text

    send(blux, folder, USERS[:100], task_id="crm")
    assert "less than half of the 250 of last time" in caplog.text


def test_a_mapped_task_knows_nothing_of_who_is_absent(
    blux: Any, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        reports = [send(blux, folder, USERS[part::50], map_index=part) for part in range(3)]

    assert [(outcomes(report), report.absent) for report in reports] == 3 * [({"unchanged": 5}, None)]
    assert "less than half" not in caplog.text


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing(blux: Any, tmp_path: Any) -> None:
    send(blux, tmp_path, USERS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    changed = [*USERS[:200], {"user_id": "new"}]

    report = send(blux, tmp_path, changed, read_only=True)

    assert (outcomes(report), report.absent) == ({"valid": 1, "unchanged": 200}, 50)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(blux.requests()) == 3


def test_rejected_rows_go_to_the_rejects_and_unchanged_ones_do_not(blux: Any, folder: Folder, tmp_path: Any) -> None:
    rejects = RejectsFile(Folder(LocalFileSystem(), str(tmp_path / "rejects"), "rejects_path"), "try1", "upsert_users")
    send(blux, folder, USERS)
    rows = [*USERS, {"user_id": "bad", "x": float("nan")}]

    report = send(blux, folder, rows, rejects=rejects, max_rejects=1)

    assert outcomes(report) == {"unchanged": 250, "rejected": 1}
    [line] = (tmp_path / "rejects" / "try1.jsonl").read_text().splitlines()
    assert '"record_number": 251' in line or '"record_number":251' in line

"""The files of a snapshot: unusable files, merging, and the data that the files reveal."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile

from airflow_provider_blux.delivery.accepted_rows import SIZE, AcceptedRows
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.delivery.row_digests import ROW_BYTES, USER_BYTES
from airflow_provider_blux.delivery.snapshot import Totals
from airflow_provider_blux.delivery.snapshot_files import MERGED, Header, SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load, merge_if_due
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxError, BluxSnapshotError
from tests.delivery.pushing import OF_ONE_BUCKET, Memory, push, snapshot_in, target_of

USERS = [{"user_id": f"u{number}", "email": f"kim{number}@example.com"} for number in range(30)]


def send(blux: Any, folder: Any, rows: Any = USERS, **options: Any) -> Any:
    return push(blux, "upsert_users", rows, snapshot=snapshot_in(folder, **options))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def known(folder: Any) -> int:
    return len(load(folder_of(folder)).rows)


def merged_pieces(blux: Any, folder: Path) -> dict[Path, bytes]:
    """Let two runs that did not find each other's files write 31 users; merge the files; return the original files."""
    other, records = begun(folder, [{"user_id": "other"}])
    send(blux, folder)
    other.accepted(records)
    other.end(is_whole=False)
    pieces = {path: path.read_bytes() for path in folder.iterdir()}
    merge_if_due(folder_of(folder), target_of())
    return pieces


def folder_of(folder: Path) -> SnapshotFolder:
    return SnapshotFolder(Folder(LocalFileSystem(), str(folder), "snapshot_path"), target_of())


def begun(folder: Any, rows: Any) -> Any:
    """Return a run that has announced some rows, without an answer or an end, and the records."""
    snapshot = snapshot_in(folder)
    snapshot.begin()
    records = [Record(number, row["user_id"], mark=snapshot.mark(row)) for number, row in enumerate(rows, 1)]
    batch = Batch(1, 1, len(rows), {record.key: record for record in records})
    assert list(snapshot.announced([batch])) == [batch]
    return snapshot, records


@pytest.mark.parametrize("part", [0, 5, 20, 60, 200, -1])
def test_a_file_that_was_changed_or_cut_off_stops_the_task_before_its_first_request(
    blux: Any, tmp_path: Path, part: int
) -> None:
    send(blux, tmp_path)
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    requests = len(blux.requests())
    changed = bytearray(whole)
    changed[part] ^= 1
    for damaged in (bytes(changed), whole[:part] if part > 0 else whole[:-7], b"", whole + b"x"):
        file.write_bytes(damaged)
        with pytest.raises(
            BluxSnapshotError, match=rf"{file.name} is cut off or changed\. Run the task .* full_refresh=True"
        ):
            send(blux, tmp_path)

    assert len(blux.requests()) == requests
    assert send(blux, tmp_path, full_refresh=True).delivered == 30
    assert send(blux, tmp_path).unchanged == 30


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"application": "another"},
            "holds users of 'demo-app', application API, .* but this task sends users of 'another'",
        ),
        ({"api": "open"}, "holds users of 'demo-app', application API"),
        ({"records": "devices"}, "but this task sends devices of 'demo-app'"),
        ({"url": "https://other.example"}, "but this task sends users of 'demo-app', application API, https://other"),
        ({"key": "0123"}, "was written with another receipt_key"),
    ],
)
def test_a_snapshot_of_something_else_stops_the_task(blux: Any, tmp_path: Path, changes: Any, words: str) -> None:
    send(blux, tmp_path)

    with pytest.raises(BluxSnapshotError, match=words):
        send(blux, tmp_path, target=target_of(**changes))
    with pytest.raises(BluxSnapshotError, match=words):
        push(blux, "delete_users", ["u1"], snapshot=snapshot_in(tmp_path, "delete_users", target=target_of(**changes)))


def test_a_full_refresh_takes_the_place_of_files_whose_first_bytes_are_gone(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    begun(tmp_path, USERS)  # and dies
    for path in tmp_path.iterdir():
        path.write_bytes(b"")

    assert send(blux, tmp_path, full_refresh=True).delivered == 30
    assert send(blux, tmp_path).unchanged == 30


def test_a_deletion_needs_one_file_that_can_be_used(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    for name in ("0", "z"):
        (tmp_path / f"{name * 16}.000000.snapshot").write_bytes(b"damaged")

    assert push(blux, "delete_users", ["u1"], snapshot=snapshot_in(tmp_path, "delete_users")).delivered == 1


def test_a_snapshot_of_a_later_version_is_told_as_such(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"blux-snapshot 1 ", b"blux-snapshot 2 "))

    with pytest.raises(BluxSnapshotError, match="was written by a later version of airflow-provider-blux"):
        send(blux, tmp_path)


def test_a_folder_that_cannot_be_written_to_stops_the_task_before_its_first_request(blux: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    requests = len(blux.requests())

    with pytest.raises(BluxError, match=r"snapshot_path: .* cannot be written to \(\w+: Not a directory\)"):
        send(blux, tmp_path / "file")
    assert len(blux.requests()) == requests


def test_other_files_in_the_folder_are_left_alone(blux: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    send(blux, tmp_path)

    assert send(blux, tmp_path).unchanged == 30
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_dry_run_merges_nothing(blux: Any, tmp_path: Path) -> None:
    run, records = begun(tmp_path, USERS)
    run.accepted(records)
    run.end(is_whole=False)
    before = files(tmp_path)

    dry = snapshot_in(tmp_path, read_only=True)
    assert push(blux, "upsert_users", USERS, snapshot=dry, validate_only=True).unchanged == 30
    assert files(tmp_path) == before
    assert send(blux, tmp_path).unchanged == 30
    assert files(tmp_path) != before


def test_the_first_run_leaves_one_file_and_the_next_a_little_beside_it(blux: Any, tmp_path: Path) -> None:
    users = [{"user_id": f"u{number}"} for number in range(2000)]
    send(blux, tmp_path, users)
    [merged] = files(tmp_path)
    assert merged.endswith(MERGED)

    send(blux, tmp_path, [{"user_id": "u0", "x": 1}, *users[1:]])

    assert merged in files(tmp_path)
    beside = sum(path.stat().st_size for path in tmp_path.iterdir() if path.name != merged)
    assert 0 < beside < 0.1 * (tmp_path / merged).stat().st_size
    assert known(tmp_path) == 2000


def test_files_are_merged_again_when_they_are_worth_a_quarter_of_the_whole(blux: Any, tmp_path: Path) -> None:
    users = [{"user_id": f"u{number}"} for number in range(2000)]
    send(blux, tmp_path, users)
    [before] = files(tmp_path)

    send(blux, tmp_path, [{**row, "x": 1} for row in users[:400]] + users[400:])

    [after] = files(tmp_path)
    assert before != after
    assert send(blux, tmp_path, users).unchanged == 1600


@pytest.mark.slow
def test_many_small_files_are_merged(blux: Any, tmp_path: Path) -> None:
    rows = AcceptedRows()
    rows.unpack(b"".join(random.Random(number).randbytes(SIZE - 1) + b"\0" for number in range(100_000)))  # noqa: S311
    folder_of(tmp_path).write_merged(Header(target=target_of(), run="first", covers=[], stored=100_000), rows)
    for number in range(101):
        assert len(files(tmp_path)) == 1 + 2 * number
        quiet = snapshot_in(tmp_path)
        quiet.begin()
        quiet.end(is_whole=True)

    assert len(files(tmp_path)) == 1
    assert known(tmp_path) == 100_000


def test_nothing_is_merged_while_another_run_is_open_and_the_last_to_end_merges(blux: Any, tmp_path: Path) -> None:
    other, records = begun(tmp_path, [{"user_id": "other"}])
    send(blux, tmp_path)
    assert not any(name.endswith(MERGED) for name in files(tmp_path))

    other.accepted(records)
    other.end(is_whole=True)

    assert [name.endswith(MERGED) for name in files(tmp_path)] == [True]
    assert known(tmp_path) == 31


def test_a_run_whose_last_checkpoint_cannot_be_saved_is_not_open(blux: Any, tmp_path: Path) -> None:
    class Full(Memory):
        def save(self, state: dict[str, Any]) -> None:
            if state["records"] == len(USERS):
                raise OSError("no space")
            super().save(state)

    with pytest.raises(OSError, match="no space"):
        push(blux, "upsert_users", USERS, snapshot=snapshot_in(tmp_path), store=Full())

    state = load(folder_of(tmp_path))
    assert (state.is_open, len(state.rows)) == (False, 30)


def test_files_that_a_merge_is_removing_are_not_missed(blux: Any, tmp_path: Path) -> None:
    class Late(LocalFileSystem):  # type: ignore[misc]
        """Lists files that are gone when they are read."""

        def cat_file(self, path: str, **options: Any) -> Any:
            if MERGED not in path:
                raise FileNotFoundError(path)
            return super().cat_file(path, **options)

    for path, content in merged_pieces(blux, tmp_path).items():
        path.write_bytes(content)

    assert len(load(SnapshotFolder(Folder(Late(), str(tmp_path), "snapshot_path"), target_of())).rows) == 31


def test_a_merge_that_is_interrupted_loses_nothing(blux: Any, tmp_path: Path) -> None:
    """After the interruption, the merged file is there, and none or only some of the other files are removed."""
    pieces = merged_pieces(blux, tmp_path)
    assert len(files(tmp_path)) == 1
    for kept in (list(pieces), list(pieces)[::2], list(pieces)[1::2]):
        for path in pieces:
            path.unlink(missing_ok=True)
        for path in kept:
            path.write_bytes(pieces[path])
        assert known(tmp_path) == 31

    assert send(blux, tmp_path, [*USERS, {"user_id": "other"}]).unchanged == 31


class Stopping(LocalFileSystem):
    """A disk on which the task is told to stop while it writes the merged file."""

    cachable = False

    def open(self, path: str, *args: Any, **options: Any) -> Any:
        if MERGED in path:
            raise KeyboardInterrupt
        return super().open(path, *args, **options)


def test_a_run_that_is_stopped_while_it_merges_has_ended_once(blux: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        send(blux, Folder(Stopping(), str(tmp_path), "snapshot_path"))

    state = load(folder_of(tmp_path))
    assert (len(state.rows), [entry.named for entry in state.history]) == (30, [30])


class Torn(LocalFileSystem):
    """A disk that is listed while another run merges: the merged file and the first removed file are missing."""

    cachable = False
    calls = 0

    def ls(self, path: str, **options: Any) -> Any:
        self.calls += 1
        return [file for file in super().ls(path, **options) if self.calls > 1 or MERGED not in file["name"]]


def test_a_listing_during_a_merge_loses_nothing(tmp_path: Path) -> None:
    run, records = begun(tmp_path, USERS)
    run.accepted(records)
    run.end(is_whole=False)
    pieces = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    merge_if_due(folder_of(tmp_path), target_of())
    for path in list(pieces)[1:]:
        path.write_bytes(pieces[path])

    folder = Folder(Torn(), str(tmp_path), "snapshot_path")

    assert len(load(SnapshotFolder(folder, target_of())).rows) == 30


class Ranges(MemoryFileSystem):
    """Object storage whose files are read in ranges, by the class that fsspec has for S3, GCS and Azure."""

    cachable = False

    class File(AbstractBufferedFile):
        def _fetch_range(self, start: int, end: int) -> bytes:
            return self.fs.cat_file(self.path, start, end)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        return self.File(self, path, mode) if mode == "rb" else super()._open(path, mode, **options)


def test_a_merged_snapshot_is_read_from_object_storage(blux: Any) -> None:
    fs = Ranges()
    fs.store.clear()
    folder = Folder(fs, "/ranges", "snapshot_path")
    send(blux, folder)
    [merged] = folder.sizes()
    assert merged.endswith(MERGED)

    assert send(blux, folder).unchanged == 30
    snapshot = snapshot_in(folder, "delete_users")
    assert push(blux, "delete_users", ["u3"], snapshot=snapshot).delivered == 1
    assert send(blux, folder).unchanged == 29
    fs.store.clear()


class Interrupted(MemoryFileSystem):
    """Object storage whose connection breaks during a multipart write; the part that was written is there."""

    cachable = False

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super().open(path, mode, **options)
        if mode == "wb" and "data" not in options:  # not what is uploaded at once
            file.write(b"the first part")
            file.write = self._break
        return file

    def _break(self, _part: bytes) -> None:
        raise OSError(5, "gone")


def test_a_merge_whose_upload_is_interrupted_leaves_no_part_of_a_file(
    blux: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fs = MemoryFileSystem()
    fs.store.clear()
    send(blux, Folder(Interrupted(), "/interrupted", "snapshot_path"))
    assert "its files could not be merged (OSError: gone)" in caplog.text

    assert not [name for name in fs.ls("/interrupted", detail=False) if name.endswith(MERGED)]
    assert send(blux, Folder(fs, "/interrupted", "snapshot_path")).unchanged == 30
    fs.store.clear()


class Merging(LocalFileSystem):
    """A disk on which another run merges a snapshot as soon as its folder has been listed."""

    cachable = False

    def ls(self, path: str, **options: Any) -> Any:
        found = super().ls(path, **options)
        send(self.blux, Path(path), [{"user_id": "of another task"}])
        return found


def test_a_deletion_begins_while_another_run_merges_what_it_has_found(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    fs = Merging()
    fs.blux = blux

    snapshot = snapshot_in(Folder(fs, str(tmp_path), "snapshot_path"), "delete_users")
    assert push(blux, "delete_users", ["u3"], snapshot=snapshot).delivered == 1

    assert send(blux, tmp_path).delivered >= 1


class Listed(LocalFileSystem):
    """A disk on which a run ends as soon as its folder has been listed for the first time."""

    cachable = False

    def ls(self, path: str, **options: Any) -> Any:
        found = super().ls(path, **options)
        if self.end:
            end, self.end = self.end, None
            end()
        return found


def test_a_run_that_ends_while_others_are_merged_is_merged_with_all_its_files(blux: Any, tmp_path: Path) -> None:
    other, records = begun(tmp_path, USERS[:5])

    def end() -> None:
        other.accepted(records)
        other.end(is_whole=False)

    fs = Listed()
    fs.end = end
    merge_if_due(SnapshotFolder(Folder(fs, str(tmp_path), "snapshot_path"), target_of()), target_of())

    assert len(files(tmp_path)) == 1
    assert known(tmp_path) == 5


class Late(LocalFileSystem):
    """A disk on which another run takes place, and merges, just before a run writes its first file."""

    cachable = False

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" in mode and self.blux:
            blux, self.blux = self.blux, None
            send(blux, Path(path).parent, [{**row, "x": 1} for row in USERS[:10]])
        return super().open(path, mode, **options)


def test_a_run_that_began_while_another_merged_is_the_later_one(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    fs = Late()
    fs.blux = blux
    rows = [{**row, "x": 2} for row in USERS[:20]]

    assert send(blux, Folder(fs, str(tmp_path), "snapshot_path"), rows).delivered == 20

    assert send(blux, tmp_path, rows).unchanged == 20


def test_a_full_refresh_that_began_while_another_run_merged_forgets_who_is_gone(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    fs = Late()
    fs.blux = blux

    send(blux, Folder(fs, str(tmp_path), "snapshot_path"), USERS[:5], full_refresh=True)

    assert known(tmp_path) == 5


def test_a_full_refresh_whose_first_try_is_merged_as_it_goes_on_forgets_who_is_gone(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    first = snapshot_in(tmp_path, full_refresh=True)
    began = first.begin()
    first.end(is_whole=False)
    fs = Late()
    fs.blux = blux
    second = snapshot_in(Folder(fs, str(tmp_path), "snapshot_path"), full_refresh=True)
    assert second.begin(began) == began

    second.end(is_whole=True)

    assert known(tmp_path) == 0


def test_what_a_run_writes_that_was_taken_for_dead_is_not_known(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    late, records = begun(tmp_path, [{**row, "x": 1} for row in USERS[:5]])
    for path in tmp_path.iterdir():  # merged after half a day
        if not path.name.endswith(MERGED):
            path.unlink()
    late.accepted(records)
    late.end(is_whole=False)

    assert known(tmp_path) == 25


class Overtaken(LocalFileSystem):
    """A disk on which another run takes place, and merges, just before a merged file is written."""

    cachable = False

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" in mode and MERGED in path and self.blux:
            blux, self.blux = self.blux, None
            assert send(blux, Path(path).parent, [{"user_id": "another"}]).delivered == 1
        return super().open(path, mode, **options)


def test_a_merge_that_another_of_more_has_overtaken_makes_nobody_unknown(blux: Any, tmp_path: Path) -> None:
    fs = Overtaken()
    fs.blux = blux

    send(blux, Folder(fs, str(tmp_path), "snapshot_path"))

    assert len([name for name in files(tmp_path) if name.endswith(MERGED)]) == 2
    assert known(tmp_path) == len(USERS) + 1


class Slow(LocalFileSystem):
    """A disk on which a full refresh takes place just before a merged file is written."""

    cachable = False

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" in mode and MERGED in path and self.blux:
            blux, self.blux = self.blux, None
            folder = Path(path).parent
            begun(folder, [{"user_id": "of an open run"}])  # so that the refresh does not merge
            assert send(blux, folder, USERS[:10], full_refresh=True).delivered == 10
        return super().open(path, mode, **options)


def test_a_merge_that_ends_after_a_full_refresh_brings_nobody_back(blux: Any, tmp_path: Path) -> None:
    fs = Slow()
    fs.blux = blux

    send(blux, Folder(fs, str(tmp_path), "snapshot_path"))

    assert any(name.endswith(MERGED) for name in files(tmp_path))
    assert known(tmp_path) == 10


def test_of_two_merged_files_what_both_say_is_known(tmp_path: Path) -> None:
    a, b, c, d, _ = OF_ONE_BUCKET
    for number, rows in enumerate([[(b, 1), (a, 1), (c, 1)], [(b, 2), (a, 1), (d, 1)]]):
        one = tmp_path / str(number)
        snapshot = snapshot_in(one)
        snapshot.begin()
        for user_id, value in rows:
            snapshot.accepted([Record(1, user_id, mark=snapshot.mark({"user_id": user_id, "x": value}))])
        snapshot.end(is_whole=True)
    together = tmp_path / "together"
    together.mkdir()
    for path in tmp_path.glob(f"?/*{MERGED}"):
        path.rename(together / path.name)

    snapshot = snapshot_in(together)
    snapshot.begin()

    marks = [snapshot.mark({"user_id": user, "x": value}) for user, value in [(a, 1), (b, 2), (c, 1), (d, 1)]]
    assert [mark.is_in_snapshot for mark in marks] == [True, False, False, False]


def test_what_a_run_was_about_to_send_when_it_died_is_not_known_for_half_a_day(
    tmp_path: Path, blux: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    send(blux, tmp_path)
    begun(tmp_path, USERS[:10])  # and dies
    assert "about to send" not in caplog.text
    for _ in range(2):
        caplog.clear()
        assert send(blux, tmp_path).unchanged == 20
        assert "a run that has not ended was about to send 10 more. They are sent again by each" in caplog.text
        assert "if it was killed, for 12 hours" in caplog.text

    now = datetime.now(UTC)
    early, late = (load(folder_of(tmp_path), now=now + timedelta(hours=hours)) for hours in (11, 13))
    assert (len(early.contested), early.is_open) == (10, True)
    assert (len(late.contested), late.is_open) == (0, False)


@pytest.mark.parametrize("keep_unmet", [True, False])
def test_after_a_run_the_rows_are_those_that_were_accepted(keep_unmet: bool) -> None:
    same, changed, accepted, unmet = users = [bytes(USER_BYTES - 1) + bytes([number]) for number in range(4)]
    before, after = bytes(ROW_BYTES), b"x" * ROW_BYTES
    rows = AcceptedRows()
    for user in users:
        rows.set_row(user, before)
    rows.meet(same, before)
    rows.meet(changed, after)
    at, _, _ = rows.meet(accepted, after)
    assert rows.learn(accepted, at, after)

    rows.settle(keep_unmet=keep_unmet)

    left = [same + before, accepted + after, *([unmet + before] if keep_unmet else [])]
    assert b"".join(rows.packed()) == b"".join(entry + b"\0" for entry in left)


def test_each_user_of_a_source_is_counted_once(tmp_path: Path, blux: Any) -> None:
    send(blux, tmp_path, USERS[:3])
    begun(tmp_path, USERS[2:5])  # and dies

    snapshot = snapshot_in(tmp_path)
    snapshot.begin()
    for row in 2 * USERS[1:6]:
        snapshot.mark(row)

    assert snapshot.end(is_whole=True) == Totals(named=5, before=2, absent=1)


def test_what_was_accepted_of_a_run_that_has_not_ended_is_known(tmp_path: Path) -> None:
    run, records = begun(tmp_path, USERS[:10])
    run.accepted(records)
    record = Record(11, "another", mark=run.mark({"user_id": "another"}))
    assert len(list(run.announced([Batch(2, 11, 11, {"another": record})]))) == 1

    state = load(folder_of(tmp_path))
    assert (len(state.rows), len(state.contested)) == (10, 1)


@pytest.mark.parametrize("how", ["fails", "dies"])
def test_a_user_whom_an_open_run_was_about_to_send_is_not_known_by_what_another_sends(tmp_path: Path, how: str) -> None:
    """The request of the first run may arrive later, and no run learns of it."""
    user, now = [{"user_id": "u", "x": 1}], datetime.now(UTC)
    first, _ = begun(tmp_path, user)
    second, records = begun(tmp_path, [{"user_id": "u", "x": 2}])
    second.accepted(records)
    second.end(is_whole=True)
    if how == "fails":
        first.end(is_whole=False)

    assert known(tmp_path) == 0
    assert len(load(folder_of(tmp_path), now=now + timedelta(days=1)).rows) == 0


@pytest.mark.parametrize("is_whole", [True, False], ids=["merged", "not merged"])
def test_of_two_runs_that_did_not_see_each_other_what_both_sent_is_not_known(tmp_path: Path, is_whole: bool) -> None:
    runs = [snapshot_in(tmp_path) for _ in range(2)]
    for run in runs:
        run.begin()
    for run, ids in zip(runs, ["ab", "bc"], strict=True):
        records = [Record(1, user_id, mark=run.mark({"user_id": user_id})) for user_id in ids]
        run.accepted(records)
        run.end(is_whole=is_whole)

    after = snapshot_in(tmp_path)
    after.begin()
    marks = [after.mark({"user_id": user_id}) for user_id in "abc"]
    assert [mark.is_in_snapshot for mark in marks] == [True, False, True]

    after.accepted([Record(1, "b", mark=marks[1])])
    after.end(is_whole=is_whole)
    assert known(tmp_path) == 3


def test_neither_an_id_nor_a_value_is_in_any_file(blux: Any, tmp_path: Path) -> None:
    begun(tmp_path, USERS[:3])
    send(blux, tmp_path, [{**row, "phone_number": "01012345678"} for row in USERS])
    push(blux, "delete_users", ["u3"], snapshot=snapshot_in(tmp_path, "delete_users"))
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert len(list(tmp_path.iterdir())) > 4
    for word in ("u3", "u29", "kim", "example.com", "01012345678", "phone_number"):
        assert word.encode() not in content


def test_a_file_on_a_disk_is_its_owners_alone(blux: Any, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    begun(tmp_path / "open", USERS[:3])
    send(blux, merged, USERS)
    files = [*merged.iterdir(), *(tmp_path / "open").iterdir()]

    assert {file.name.endswith(".merged.snapshot") for file in files} == {True, False}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_the_users_of_many_batches_are_removed_by_one_write(tmp_path: Path) -> None:
    """At the published rate a write for each batch would be twenty a second."""
    snapshot = snapshot_in(tmp_path, clock=lambda: 1.0)
    snapshot.begin()
    batches = (
        Batch(number, number, number, records={number: Record(number, number, mark=snapshot.mark_of(str(number)))})
        for number in range(1, 40_006)
    )

    written = sum(1 for _ in snapshot.announced(batches))

    folder = SnapshotFolder(Folder(LocalFileSystem(), str(tmp_path), "snapshot_path"), target_of())
    pieces = sorted((folder.piece(file.name) for file in tmp_path.iterdir()), key=lambda piece: piece.header.sequence)
    assert written == 40_005
    assert [len(list(piece.users())) for piece in pieces] == [0, 1, 20_000, 20_000, 4]


def test_a_batch_is_sent_before_the_source_is_read_to_its_end(tmp_path: Path) -> None:
    snapshot = snapshot_in(tmp_path)
    snapshot.begin()
    batches = (
        Batch(number, number, number, records={number: Record(number, number, mark=snapshot.mark_of(str(number)))})
        for number in range(1, 10)
    )

    next(snapshot.announced(batches))

    assert len(list(batches)) == 8


def test_digests_with_a_key_and_without_one_have_nothing_in_common(tmp_path: Path) -> None:
    marks = [snapshot_in(tmp_path, key=key).mark(USERS[0]) for key in (None, "one", "two")]

    assert len({mark.user for mark in marks}) == len({mark.row for mark in marks}) == 3


def test_a_digest_of_a_row_is_not_of_a_single_field(tmp_path: Path) -> None:
    snapshot = snapshot_in(tmp_path)

    assert snapshot.mark({"user_id": "a", "x": 1}).row != snapshot.mark({"user_id": "b", "x": 1}).row


def test_what_a_killed_run_left_of_a_file_is_removed_by_a_merge_a_day_later(blux: Any, tmp_path: Path) -> None:
    send(blux, tmp_path)
    left = [tmp_path / name for name in ("0a.000000.snapshot.11.unfinished", "0b.merged.snapshot.22.unfinished")]
    others = [
        tmp_path / name
        for name in ("0c.000000.snapshot.33.unfinished", "mine.txt", "mine.csv.44.unfinished", "mine.snapshot.zip")
    ]
    for file in (*left, *others):
        file.write_bytes(b"x")
    yesterday = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    for file in (*left, *others[1:]):
        os.utime(file, (yesterday, yesterday))

    send(blux, tmp_path, USERS, full_refresh=True)
    assert [file for file in left if file.exists()] == []
    assert all(file.exists() for file in others)


@pytest.mark.parametrize("method", ["cat_file", "open", "ls"])
@pytest.mark.parametrize("error", [PermissionError("secret"), TimeoutError("secret"), RuntimeError("secret")])
def test_a_storage_that_cannot_be_read_stops_the_task_with_the_folder_and_a_way_out(
    blux: Any, tmp_path: Path, method: str, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise error

    send(blux, tmp_path)
    begun(tmp_path, USERS[:1])
    assert {MERGED in name for name in files(tmp_path)} == {True, False}
    requests = len(blux.requests())
    broken = type("Broken", (LocalFileSystem,), {method: fails})(skip_instance_cache=True)
    snapshot = snapshot_in(Folder(broken, str(tmp_path), "snapshot_path"))

    with pytest.raises(BluxError, match=r"^snapshot_path: .* in .* cannot be read \(\w+Error\)\. Check") as raised:
        push(blux, "upsert_users", USERS, snapshot=snapshot)
    assert raised.value.retry_helps
    assert str(tmp_path) in str(raised.value)
    assert "remove the whole folder" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert len(blux.requests()) == requests

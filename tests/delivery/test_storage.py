"""Files on a disk: their permissions, and changes by other processes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxUnavailable
from airflow_provider_blux.hooks.blux import BluxHook


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o000], ids=["umask 022", "no umask"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_what_a_run_keeps_is_readable_by_its_owner_alone(blux_emulator: Emulator, tmp_path: Path) -> None:
    blux_emulator.fault(kind="status", status=503, headers={"Retry-After": "86400"}, skip=1)
    with pytest.raises(BluxUnavailable):
        BluxHook().delete_users(
            ["", "a", "b"],
            batch_size=1,
            concurrency=1,
            rejects_path=str(tmp_path / "new" / "rejects"),
            receipts_path=str(tmp_path / "new" / "receipts"),
            checkpoint_path=str(tmp_path / "new" / "checkpoints"),
            run=Run(dag_id="crm", run_id="1", task_id="delete"),
        )

    kept = sorted((tmp_path / "new").rglob("*"))
    files = [path for path in kept if path.is_file()]
    assert sorted({path.parent.name for path in files}) == ["checkpoints", "receipts", "rejects"]
    assert {mode(path) for path in files} == {0o600}
    assert {mode(path) for path in [tmp_path / "new", *kept] if path.is_dir()} == {0o700}


class Listing(MemoryFileSystem):
    """Object storage that remembers what it has listed, as s3fs does."""

    cachable = False
    listed: frozenset[str] | None = None

    def exists(self, path: str, **_options: Any) -> bool:
        self.listed = self.listed or frozenset(self.store)
        return path in self.listed

    def invalidate_cache(self, path: str | None = None) -> None:
        self.listed = None


def test_a_file_that_another_process_has_written_meanwhile_is_seen() -> None:
    mine, theirs = (Folder(Listing(), "/written-meanwhile", "rejects_path") for _ in range(2))
    theirs.write("a.jsonl", b"1")
    seen = [mine.has("b.jsonl")]

    theirs.write("b.jsonl", b"1")

    assert [*seen, mine.has("b.jsonl")] == [False, True]


def test_a_folder_that_is_there_keeps_its_mode(blux_emulator: Emulator, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    folder.chmod(0o775)

    BluxHook().delete_users(["a", ""], max_rejects=1, rejects_path=str(folder))

    assert mode(folder) == 0o775
    assert [mode(path) for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("path", ["rejects", "./rejects", "a/b"])
def test_a_folder_may_be_named_relative_to_where_the_task_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Folder(LocalFileSystem(), path, "rejects_path")
    folder.prepare()
    folder.write("x", b"y")

    assert (tmp_path / path / "x").read_bytes() == b"y"


def test_a_folder_on_a_file_server_is_created(tmp_path: Path) -> None:
    class Server(LocalFileSystem):
        protocol = "sftp"
        cachable = False

    folder = Folder(Server(), str(tmp_path / "new" / "rejects"), "rejects_path")
    folder.prepare()
    folder.write("x", b"y")

    assert (tmp_path / "new" / "rejects" / "x").read_bytes() == b"y"


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_a_line_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        of = os.fstat(descriptor)
        names = sorted(path.name for path in tmp_path.glob("?"))
        synced.append((names, "folder" if stat.S_ISDIR(of.st_mode) else of.st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    folder = Folder(LocalFileSystem(), str(tmp_path), "receipts_path")
    folder.write("x", b"whole")
    folder.append("y", b"a line\n")
    folder.append("y", b"another\n")

    assert synced == [([], 5), (["x"], "folder"), (["x", "y"], 7), (["x", "y"], "folder"), (["x", "y"], 15)]


def test_a_file_system_that_cannot_sync_a_folder_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    folder = Folder(LocalFileSystem(), str(tmp_path), "receipts_path")
    folder.write("x", b"whole")
    folder.append("y", b"a line\n")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"whole", "y": b"a line\n"}


# A timeout of the task is, like the second one, no `Exception`.
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=["full", "timeout"])
def test_a_write_that_fails_takes_no_room_on_the_disk(tmp_path: Path, error: BaseException) -> None:
    def parts() -> Iterator[bytes]:
        yield b"new"
        raise error

    folder = Folder(LocalFileSystem(), str(tmp_path), "snapshot_path")
    folder.write("x", b"old")

    with pytest.raises(type(error)) as raised:
        folder.write("x", parts())

    assert raised.value is error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"old"}


def test_an_upload_that_a_timeout_of_the_task_interrupts_leaves_no_object() -> None:
    def parts() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt  # like a timeout of the task, no `Exception`

    fs = MemoryFileSystem()

    with pytest.raises(KeyboardInterrupt):
        Folder(fs, "/interrupted-upload", "snapshot_path").write("x", parts())

    assert not fs.exists("/interrupted-upload/x")


def test_an_append_that_a_timeout_of_the_task_interrupts_leaves_no_half_line(tmp_path: Path) -> None:
    class Interrupted(LocalFileSystem):
        cachable = False

        def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
            with super().open(path, mode, **options) as file:
                file.write(b'{"r')
            raise KeyboardInterrupt  # like a timeout of the task, no `Exception`

    (tmp_path / "x").write_bytes(b"old\n")

    with pytest.raises(KeyboardInterrupt):
        Folder(Interrupted(), str(tmp_path), "rejects_path").append("x", b"new\n")

    assert (tmp_path / "x").read_bytes() == b"old\n"

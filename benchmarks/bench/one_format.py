"""Writes rows of a snapshot in one format, reads them, looks every user up, and changes one user of a hundred."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Protocol

from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.accepted_rows import AcceptedRows
from airflow_provider_blux.delivery.digest_map import DigestMap
from airflow_provider_blux.delivery.row_digests import ROW_BYTES, USER_BYTES
from airflow_provider_blux.delivery.snapshot_files import Header, SnapshotFolder, Target
from airflow_provider_blux.delivery.storage import Folder
from benchmarks.measuring import Measuring
from benchmarks.table import say

Pair = tuple[bytes, bytes]
Get = Callable[[bytes], bytes | None]
_AT_A_TIME = 100_000


class Format(Protocol):
    """One way of keeping rows in a folder."""

    def write(self, rows: Iterable[Pair]) -> None:
        """Write all rows."""

    def open(self) -> Get:
        """Return the function that looks a user up."""

    def change(self, rows: list[Pair]) -> None:
        """Write the rows that have changed."""


class Entries:
    """The format of this package."""

    def __init__(self, folder: str) -> None:
        self._folder = SnapshotFolder(Folder(LocalFileSystem(), folder, "snapshot_path"), None)
        self._target = Target(records="users", api="application", url="https://blux.example", application="demo")

    def write(self, rows: Iterable[Pair]) -> None:
        """Write the file of a merge."""
        known = AcceptedRows()
        for user, row in rows:
            known.set_row(user, row)
        self._folder.write_merged(Header(target=self._target, run="whole", covers=[]), known)

    def open(self) -> Get:
        """Read the file of a merge."""
        return self._folder.merged("whole.merged.snapshot").row_of

    def change(self, rows: list[Pair]) -> None:
        """Write the file of a run."""
        stored = b"".join(user + row + b"\0" for user, row in rows)
        header = Header(target=self._target, run="changed", stored=len(rows), closed=True)
        self._folder.append(header, stored, b"".join(user for user, _ in rows))


class Parquet:
    """Two columns of binary values of fixed size."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def write(self, rows: Iterable[Pair]) -> None:
        """Write all rows."""
        self._write("whole.parquet", rows)

    def open(self) -> Get:
        """Read the file into the map that this package uses, since a dict of ten million users takes 2 GB."""
        import pyarrow.parquet as pq

        known = DigestMap(USER_BYTES, ROW_BYTES)
        for part in pq.ParquetFile(self._folder / "whole.parquet").iter_batches(_AT_A_TIME):
            for user, row in zip(part.column(0).to_pylist(), part.column(1).to_pylist(), strict=True):
                known.put(user, row)
        return known.get

    def change(self, rows: list[Pair]) -> None:
        """Write a second file."""
        self._write("changed.parquet", rows)

    def _write(self, name: str, rows: Iterable[Pair]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("user", pa.binary(USER_BYTES)), ("row", pa.binary(ROW_BYTES))])
        with pq.ParquetWriter(self._folder / name, schema) as writer:
            some = iter(rows)
            while part := list(islice(some, _AT_A_TIME)):
                users, digests = zip(*part, strict=True)
                arrays = [pa.array(users, pa.binary(USER_BYTES)), pa.array(digests, pa.binary(ROW_BYTES))]
                writer.write_batch(pa.record_batch(arrays, schema))


class SQLite:
    """One table with the user as its key."""

    _PUT = "INSERT OR REPLACE INTO known VALUES (?, ?)"

    def __init__(self, folder: str) -> None:
        self._base = sqlite3.connect(f"{folder}/known.sqlite")

    def write(self, rows: Iterable[Pair]) -> None:
        """Write all rows."""
        self._base.execute("CREATE TABLE known (user BLOB PRIMARY KEY, row BLOB) WITHOUT ROWID")
        self.change(sorted(rows))

    def open(self) -> Get:
        """Return a query."""
        find = self._base.cursor().execute

        def get(user: bytes) -> bytes | None:
            found = find("SELECT row FROM known WHERE user = ?", (user,)).fetchone()
            return found and found[0]

        return get

    def change(self, rows: list[Pair]) -> None:
        """Change the rows in place."""
        with self._base:
            self._base.executemany(self._PUT, rows)


class LMDB:
    """One database in memory that is mapped to the file."""

    def __init__(self, folder: str) -> None:
        import lmdb  # type: ignore[import-not-found]

        self._base = lmdb.open(f"{folder}/known.lmdb", map_size=1 << 34, subdir=False, lock=False)

    def write(self, rows: Iterable[Pair]) -> None:
        """Write all rows."""
        self.change(sorted(rows))

    def open(self) -> Get:
        """Return the function of a transaction."""
        get: Get = self._base.begin().get
        return get

    def change(self, rows: list[Pair]) -> None:
        """Change the rows in place."""
        with self._base.begin(write=True) as transaction:
            for user, row in rows:
                transaction.put(user, row)


FORMATS: dict[str, Callable[[str], Format]] = {
    "entries": Entries,
    "parquet": Parquet,
    "sqlite": SQLite,
    "lmdb": LMDB,
}


def pairs(number: int, *, step: int = 1, version: int = 1) -> Iterator[Pair]:
    """Yield digests of users and of their rows, every ``step``-th."""
    for user in range(0, number, step):
        content = user.to_bytes(8)
        yield (
            blake2b(content, digest_size=USER_BYTES).digest(),
            blake2b(content, digest_size=ROW_BYTES, salt=version.to_bytes(8)).digest(),
        )


def main(name: str, number: int, folder: str) -> None:
    """Write, then read with a new object, as the next run would.

    :raises RuntimeError: a row is not found as it was written.
    """
    FORMATS[name](folder).write(pairs(number))
    whole = _bytes(folder)
    kept = FORMATS[name](folder)
    with Measuring() as opening:
        get = kept.open()
    with Measuring() as looking:
        same = sum(get(user) == row for user, row in pairs(number))
    if same != number:
        raise RuntimeError(f"{name}: of {number:,} rows {same:,} are found")
    kept.change(list(pairs(number, step=100, version=2)))
    is_changed_in_place = len(whole) == len(after := _bytes(folder))
    changed = sum(after.values()) if is_changed_in_place else sum(after.values()) - sum(whole.values())
    say(
        json.dumps(
            {
                "open": opening.cpu,
                "look_up": looking.cpu,
                "bytes": sum(whole.values()),
                "changed": changed,
                "memory": max(opening.peak, looking.peak) - opening.start,
            }
        )
    )


def _bytes(folder: str) -> dict[str, int]:
    # LMDB reserves more of the disk than it uses.
    return {path.name: min(path.stat().st_size, path.stat().st_blocks * 512) for path in Path(folder).iterdir()}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

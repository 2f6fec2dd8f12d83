"""Reads and writes the files of a snapshot.

A file is written once, as a whole, and never changed, so object storage needs neither append nor rename. Each run
writes its own files, and stores in the first one the names of the files that it found at its start. The order of runs
does not depend on clocks: the run that found the files of another run is the later one. If two runs wrote the same user
and neither found the files of the other, the snapshot does not have that user, and the next run sends the user.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from io import BytesIO
from typing import BinaryIO, Literal, NamedTuple

import msgspec

from airflow_provider_blux.delivery.accepted_rows import SIZE, AcceptedRows
from airflow_provider_blux.delivery.row_digests import USER_BYTES
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxError, BluxSnapshotError, described

WAY_OUT = "Run the task once with full_refresh=True, which sends everything and begins a new snapshot."
WAY_OUT_OF_DELETIONS = (
    "Run the task that sends these users once with full_refresh=True, which sends everything and begins a new "
    "snapshot; then run this one again."
)
SUFFIX = ".snapshot"
MERGED = f".merged{SUFFIX}"
# The first line: the type of the file, the version of its format, the checksum of the rest.
_MAGIC, _VERSION, _WORDS = b"blux-snapshot", b"1", 3
_CHECKSUM_BYTES = 16
_BLOCK = SIZE * 50_000
_LONGEST_HEADER = 1 << 24


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The application and the kind of records that a snapshot belongs to.

    :param key: an identifier of the connection's ``receipt_key``, with which the digests were computed; it does not
        reveal the key. ``None`` without a key.
    """

    records: Literal["users", "devices"]
    api: str
    url: str
    application: str
    key: str | None = None

    def __str__(self) -> str:
        return f"{self.records} of {self.application!r}, {self.api} API, {self.url}"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One run in the history of a snapshot.

    :param at: time of the run's last write in UTC, by the clock of its worker.
    :param task: name of the task, see ``Run.task``.
    :param stored: number of accepted rows that the run stored.
    :param forgotten: number of users that the run removed from the snapshot.
    :param named: number of users in the source of the run; ``None`` if the source was not read to its end, or if the
        run had only a part of it.
    """

    at: str
    task: str
    stored: int
    forgotten: int
    named: int | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The header of a file.

    :param run: random id of the run, the same in all of its files. ``sequence`` numbers these files from 0.
    :param at: time of writing in UTC, by the clock of the worker.
    :param task: name of the task, see ``Run.task``.
    :param found: in the first file of a run: the names of all other files at the start of the run.
    :param stored: in a file of a run: number of entries (user and accepted row) after the header. After these entries
        come the digests of the users that the run removed from the snapshot.
    :param closed: whether this is the last file of the run, written when no request was in flight.
    :param replaces: in the last file of a full refresh: id of the run that began the full refresh; an earlier run, if a
        later try ended it. The files that the first file of that run lists in ``found`` are no longer valid.
    :param named: in the last file of a run: number of users in the source, see :class:`Entry`.
    :param covers: in a merged file: the names of the files that were merged into it; ``history`` lists their runs.
        ``None`` in the file of a run.
    """

    target: Target
    run: str
    sequence: int = 0
    at: str = ""
    task: str = ""
    found: Sequence[str] = ()
    stored: int = 0
    closed: bool = False
    replaces: str | None = None
    named: int | None = None
    covers: Sequence[str] | None = None
    history: Sequence[Entry] = ()

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return f"{self.run}{MERGED}" if self.covers is not None else piece_name(self.run, self.sequence)


def piece_name(run: str, sequence: int) -> str:
    """Return the name of a file of a run.

    :param run: id of the run.
    :param sequence: number of the file, from 0.
    """
    return f"{run}.{sequence:06}{SUFFIX}"


# Created at import: msgspec fails if several threads decode a type for the first time at once.
_decode_header = msgspec.json.Decoder(Header).decode


class Piece(NamedTuple):
    """The content of a file that a run has written.

    :param stored: the entries of the users whose rows were accepted, as ``AcceptedRows.unpack`` reads them.
    :param forgotten: the digests of removed users, one after the other.
    """

    header: Header
    stored: bytes
    forgotten: bytes

    def __repr__(self) -> str:
        return f"Piece({self.header.name})"

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the digests of the users whose rows were accepted, each with the digest of the row."""
        entries = self.stored
        for at in range(0, len(entries), SIZE):
            yield entries[at : at + USER_BYTES], entries[at + USER_BYTES : at + SIZE - 1]

    def users(self) -> Iterator[bytes]:
        """Yield the digests of the users that the run removed from the snapshot."""
        for at in range(0, len(self.forgotten), USER_BYTES):
            yield self.forgotten[at : at + USER_BYTES]


class SnapshotFolder:
    """The folder of a snapshot; reads, verifies and writes its files.

    :param target: the API, application and kind of records that the snapshot must have been written for; ``None`` to
        accept any, for inspection.
    :param way_out: advice at the end of error messages if the snapshot cannot be used.
    """

    def __init__(self, folder: Folder, target: Target | None, way_out: str = WAY_OUT) -> None:
        self._folder = folder
        self._target = target
        self._way_out = way_out

    def __str__(self) -> str:
        return str(self._folder)

    def sizes(self) -> dict[str, int]:
        """Return the names of the snapshot's files in order, with their sizes in bytes."""
        with self._reading("its list of files"):
            sizes = self._folder.sizes()
        return {name: size for name, size in sorted(sizes.items()) if name.endswith(SUFFIX)}

    def append(self, header: Header, stored: bytes = b"", forgotten: bytes = b"") -> None:
        """Write the next file of a run; return when it is durable.

        :param stored: see :class:`Piece`; likewise ``forgotten``.
        """
        self._folder.write(header.name, b"".join(_packed(header, [stored, forgotten])))

    def write_merged(self, header: Header, rows: AcceptedRows) -> None:
        """Write a merged file with all rows."""
        self._folder.write(header.name, _packed(header, rows.packed()))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._folder.remove(name)

    def remove_unfinished(self) -> None:
        """Remove files that a killed process left unfinished on a local disk, if they are at least a day old."""
        self._folder.remove_unfinished(SUFFIX)

    def piece(self, name: str) -> Piece:
        """Read a file of a run.

        :raises BluxSnapshotError: the file is truncated or changed, or belongs to another target.
        :raises FileNotFoundError: there is no such file any more.
        """
        with self._reading(name):
            content = self._folder.read(name)
        if content is None:
            raise FileNotFoundError(name)
        header, body = self._unpacked(name, BytesIO(content))
        entries = b"".join(body)
        end = header.stored * SIZE
        return Piece(header, entries[:end], entries[end:])

    def merged(self, name: str) -> AcceptedRows:
        """Return the rows in a merged file.

        :raises BluxSnapshotError: the file is truncated or changed, or belongs to another target.
        :raises FileNotFoundError: there is no such file any more.
        """
        rows = AcceptedRows()
        with self._reading(name), self._folder.open(name) as file:
            _, body = self._unpacked(name, file)
            for block in body:
                rows.unpack(block[: len(block) // SIZE * SIZE])  # of a truncated file the last entry is incomplete
        return rows

    def header(self, name: str) -> Header:
        """Return the header of a file without reading or verifying the rest.

        :raises BluxSnapshotError: the header cannot be read, or the file was written for another application.
        """
        with self._reading(name), self._folder.open(name) as file:
            return self._unpacked(name, file)[0]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Convert an error of the storage into a :class:`BluxError`, except for a missing file.

        :param what: what is read within the context, for the message.
        """
        try:
            yield
        except (BluxError, FileNotFoundError):
            raise
        except Exception as error:
            raise BluxError(
                f"snapshot_path: {what} in {self} cannot be read ({described(error)}). Check the storage, and that "
                "the worker may read all files of the folder. If they are lost: remove the whole folder while no task "
                "runs, and the next run sends everything and begins a new snapshot."
            ) from error

    def _unpacked(self, name: str, file: BinaryIO) -> tuple[Header, Iterator[bytes]]:
        """Return the header of a file, and an iterator of the content after the header.

        At its end, the iterator raises a :class:`BluxSnapshotError` if the checksum of the file is wrong.
        """
        first, line = file.readline(_LONGEST_HEADER), file.readline(_LONGEST_HEADER)
        return self._understood(name, first, line), self._verified(name, first, line, file)

    def _verified(self, name: str, first: bytes, line: bytes, file: BinaryIO) -> Iterator[bytes]:
        digest = blake2b(line, digest_size=_CHECKSUM_BYTES)
        while block := file.read(_BLOCK):
            digest.update(block)
            yield block
        if digest.hexdigest().encode() != first.split()[-1]:
            raise self._damaged(name)

    def _damaged(self, name: str) -> BluxSnapshotError:
        return BluxSnapshotError(f"The snapshot {self} cannot be used: {name} is cut off or changed. {self._way_out}")

    def _understood(self, name: str, first: bytes, line: bytes) -> Header:
        words = first.split()
        if words[:1] == [_MAGIC] and words[1:2] != [_VERSION]:
            raise BluxSnapshotError(
                f"The snapshot {self} cannot be used: {name} was written by a later version of airflow-provider-blux. "
                f"Install that version here as well; or: {self._way_out}"
            )
        try:
            header = _decode_header(line if words[:1] == [_MAGIC] and len(words) == _WORDS else b"")
        except msgspec.MsgspecError:
            raise self._damaged(name) from None
        if self._target is not None and header.target != self._target:
            raise BluxSnapshotError(self._of_another(header.target, self._target))
        return header

    def _of_another(self, found: Target, wanted: Target) -> str:
        if msgspec.structs.replace(found, key=wanted.key) == wanted:
            return (
                f"The snapshot {self} was written with another receipt_key than the connection has now. Put the key "
                f"back; or: {self._way_out}"
            )
        return (
            f"The snapshot {self} holds {found}, but this task sends {wanted}. Give each its own snapshot_path; or, if "
            f"the application was meant to change: {self._way_out}"
        )


def _packed(header: Header, entries: Collection[bytes | bytearray]) -> Iterator[bytes]:
    """Yield the bytes of a new file: the line with the checksum, the header, and the entries."""
    line = msgspec.json.encode(header) + b"\n"
    digest = blake2b(line, digest_size=_CHECKSUM_BYTES)
    for part in entries:
        digest.update(part)
    yield b" ".join([_MAGIC, _VERSION, digest.hexdigest().encode()]) + b"\n"
    yield line
    yield from map(bytes, entries)

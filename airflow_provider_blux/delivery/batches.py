"""Turns the rows of a source into records, and cuts those into batches that know which rows they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from airflow_provider_blux.exceptions import BluxRecordError, BluxStopped
from airflow_provider_blux.records.encoding import Merge, encode
from airflow_provider_blux.records.mapping import Shape

# A batch that merges or rejects nearly everything is cut all the same, so that it stays small in memory.
_WIDEST = 10
# What is unchanged needs no memory; it is counted now and then all the same.
_WIDEST_UNCHANGED = 1000


Place = Callable[[int], str | None]
"""Returns where the record of a number stands in its source (``record 12 of b.csv``); ``None`` where nobody knows."""


def place_in(rows: Any) -> Place:
    """Return what tells where records stand: the source's own ``place_of``, as far as it has one."""
    found: Place = getattr(rows, "place_of", lambda _number: None)
    return found


def records_in_words(first: int, last: int, place: str | None) -> str:
    """Return a range of records by their numbers, with the place of the first."""
    return f"records {first}-{last}{f'; the first is {place}' if place else ''}"


class Reject(NamedTuple):
    """A record that was not delivered, and why. ``record`` is its row, for the rejects file, never for a log."""

    record_number: int
    outcome: Literal["rejected", "unknown"]
    field: str | None
    reason: str
    record: Any

    def __repr__(self) -> str:
        return f"Reject({self.record_number})"


class Mark(msgspec.Struct, frozen=True, gc=False):
    """What a row is to a snapshot.

    :param user: the digest of its id, and ``row`` that of the row; ``None`` where it cannot be compared.
    :param is_known: whether its user is known with just this row.
    """

    user_id: str
    user: bytes
    row: bytes | None
    is_known: bool

    def __repr__(self) -> str:
        return f"Mark(is_known={self.is_known})"


class Marker(Protocol):
    """Tells what rows are to a snapshot."""

    def mark(self, row: Any) -> Mark | None:
        """Return it for a row that is not shaped yet; ``None`` where no id can be told."""

    def mark_of(self, user_id: str) -> Mark:
        """Return it for a row that cannot be compared, by the id that it has once it is shaped."""


class Record(msgspec.Struct, gc=False):
    """One record of the source, checked and encoded. It shares nothing with its row, which a source may use again.

    :param number: which record of the source it is (1-based).
    :param key: by what it is merged with others: the id of its user or device; its own number where each stands alone.
    :param content: what is sent for it, as JSON; why, where it is rejected.
    :param row: a copy of its row, where rejects are kept.
    :param error: why it is rejected; then there is no key.
    :param is_suppressed: whether it is left out, as its user is suppressed.
    :param mark: what it is to the snapshot; ``None`` where there is none.
    :param is_unchanged: whether it is left out, as its user was last sent with the same row.
    """

    number: int
    key: Any = None
    content: bytes = b""
    row: Any = None
    error: BluxRecordError | None = None
    is_suppressed: bool = False
    mark: Mark | None = None
    is_unchanged: bool = False

    def __repr__(self) -> str:
        return f"Record({self.number})"

    @property
    def identity(self) -> bytes:
        """What the digest of the source is made of: not whether a row is unchanged, which differs between tries."""
        return (self.mark and self.mark.row) or self.content

    def rejected(self, outcome: Literal["rejected", "unknown"], field: str | None, reason: str) -> Reject:
        """Return this record as one that was not delivered."""
        return Reject(self.number, outcome, field, reason, self.row)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows become records.

    :param shape: returns the key of a row and what is sent for it, or raises a :class:`BluxRecordError`.
    :param merges: whether records with the same key can become one.
    :param is_suppressed: tells whether a record must not be sent.
    :param key_is_user: whether the key of a record is the id of its user.
    :param check: is called with the key and the row of each record in order; raises for one that cannot be sent.
    :param marker: tells what each row is to the snapshot; ``None`` where there is none.
    :param lowered: returns a row with its columns as the marker names them.
    :param keeps_rows: whether rows are copied, for the rejects file.
    :param is_stopped: tells whether no further record is to be read.
    """

    shape: Shape
    merges: bool
    is_suppressed: Callable[[Any], bool] | None = None
    key_is_user: bool = True
    check: Callable[[str, Any], None] | None = None
    marker: Marker | None = None
    lowered: Callable[[Any], Any] = lambda row: row
    keeps_rows: bool = False
    is_stopped: Callable[[], bool] = lambda: False

    def records(self, rows: Iterable[Any]) -> Iterator[Record]:
        """Yield a record for each row.

        :param rows: rows as they are read; a :class:`BluxRecordError` stands for one that could not be.
        :raises BluxStopped: the run was told to stop.
        """
        for number, row in enumerate(rows, 1):
            if self.is_stopped():
                raise BluxStopped("The task was told to stop.")
            kept = copied(row) if self.keeps_rows else None
            mark = None
            try:
                if isinstance(row, BluxRecordError):
                    raise row
                if self.marker:
                    mark = self.marker.mark(self.lowered(row) if isinstance(row, Mapping) else row)
                yield self._record(number, row, kept, mark)
            except BluxRecordError as error:
                # The traceback would keep the row alive.
                why = str(error).encode("utf-8", "replace")
                yield Record(number, content=why, row=kept, error=error.with_traceback(None), mark=mark)

    def _record(self, number: int, row: Any, kept: Any, mark: Mark | None) -> Record:
        if mark and mark.is_known and not self._may_be_suppressed(mark):
            if self.check is not None:
                self.check(mark.user_id, row)
            return Record(number, mark=mark, is_unchanged=True)
        key, record = self.shape(row)
        if self.check is not None:
            self.check(key, row)
        if self.marker and (mark is None or mark.user_id != key):
            mark = self.marker.mark_of(key)
        suppressed = self.is_suppressed is not None and self.is_suppressed(record)
        unchanged = mark is not None and mark.is_known and not suppressed
        return Record(number, key if self.merges else number, encode(record), kept, None, suppressed, mark, unchanged)

    def _may_be_suppressed(self, mark: Mark) -> bool:
        """Tell whether a row must be shaped to know whether it is suppressed."""
        if self.is_suppressed is None:
            return False
        return not self.key_is_user or self.is_suppressed({"user_id": mark.user_id})


@dataclass(repr=False)
class Batch:
    """What is sent in one request, and the records of the source from ``first`` to ``last`` that it settles.

    :param records: what is sent, by key.
    :param merged: the records of the source that became one, where they are several, by key.
    :param suppressed: how many of its records are of suppressed users, and not among ``records``.
    :param unchanged: how many were last sent as they are, and are not among ``records``.
    :param left: the digests of users whom a snapshot forgets although they are not among ``records``.
    :param contents: the identities of all its records, until the digest of the source is made of them.
    :param digest: the digest of the source up to here, by which a later try recognises it.
    :param in_doubt: whether an earlier try may have sent it.
    :param place: where its first record stands in the source, for messages; ``None`` where nobody knows.
    """

    index: int
    first: int
    last: int
    records: dict[Any, Record] = field(default_factory=dict)
    merged: dict[Any, list[Record]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    suppressed: int = 0
    unchanged: int = 0
    left: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    digest: str = ""
    in_doubt: bool = False
    place: str | None = None

    @property
    def read(self) -> int:
        """How many records of the source this batch stands for."""
        return self.last - self.first + 1

    def parts(self, key: Any) -> list[Record]:
        """Return the records of the source that went into one record."""
        return self.merged.get(key) or [self.records[key]]

    def number_merged(self, keys: Iterable[Any]) -> int:
        """Return how many records of the source were folded into these."""
        return sum(len(self.merged[key]) - 1 for key in self.merged.keys() & keys) if self.merged else 0

    def add(self, record: Record, merge: Merge | None) -> None:
        """Add the next record of the source."""
        self.last, mark = record.number, record.mark
        self.contents.append(record.identity)
        if record.is_unchanged:
            self.unchanged += 1
            return
        if mark and (record.error is not None or record.is_suppressed):
            self.left.append(mark.user)
        if record.error is not None:
            self.rejects.append(record.rejected("rejected", record.error.field, record.error.reason))
        elif record.is_suppressed:
            self.suppressed += 1
        elif merge is None or record.key not in self.records:
            self.records[record.key] = record
        else:
            earlier = self.records[record.key]
            self.merged[record.key] = [*self.parts(record.key), record]
            content = merge(earlier.content, record.content)
            self.records[record.key] = Record(earlier.number, record.key, content, mark=mark)

    def __str__(self) -> str:
        return f"batch {self.index} ({records_in_words(self.first, self.last, self.place)})"


def cut(
    records: Iterable[Record], *, size: int, merge: Merge | None = None, index: int = 1, read: int = 0
) -> Iterator[Batch]:
    """Yield batches of at most ``size`` records in the order of the source.

    :param merge: makes one record of two with the same key; ``None`` where each is sent for itself.
    :param index: the number of the first batch.
    :param read: how many records of the source come before these.
    """
    batch = Batch(index, read + 1, read)
    for record in records:
        batch.add(record, merge)
        unsent = batch.read - batch.unchanged
        if len(batch.records) >= size or unsent >= size * _WIDEST or batch.unchanged >= size * _WIDEST_UNCHANGED:
            yield batch
            batch = Batch(batch.index + 1, batch.last + 1, batch.last)
    if batch.read:
        yield batch


def copied(row: Any) -> Any:
    """Return a copy of a row that shares none of its objects and lists; ``None`` for one that is nested too deep."""
    try:
        return _copied(row)
    except RecursionError:
        return None


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value

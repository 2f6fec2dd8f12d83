"""Turns the rows of a source into records, and cuts those into batches that know which rows they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

from airflow_provider_blux.exceptions import BluxRecordError, BluxStopped
from airflow_provider_blux.records.encoding import Merge, encode
from airflow_provider_blux.records.mapping import Shape

# A batch that merges or rejects nearly everything is cut all the same, so that it stays small in memory.
_WIDEST = 10


class Reject(NamedTuple):
    """A record that was not delivered, and why. ``record`` is its row, for the rejects file, never for a log."""

    record_number: int
    outcome: Literal["rejected", "unknown"]
    field: str | None
    reason: str
    record: Any

    def __repr__(self) -> str:
        return f"Reject({self.record_number})"


class Record(msgspec.Struct, gc=False):
    """One record of the source, checked and encoded. It shares nothing with its row, which a source may use again.

    :param number: which record of the source it is (1-based).
    :param key: by what it is merged with others: the id of its user or device; its own number where each stands alone.
    :param content: what is sent for it, as JSON; why, where it is rejected. The digest of the source is made of it.
    :param row: a copy of its row, where rejects are kept.
    :param error: why it is rejected; then there is no key.
    :param is_suppressed: whether it is left out, as its user is suppressed.
    """

    number: int
    key: Any = None
    content: bytes = b""
    row: Any = None
    error: BluxRecordError | None = None
    is_suppressed: bool = False

    def __repr__(self) -> str:
        return f"Record({self.number})"

    def rejected(self, outcome: Literal["rejected", "unknown"], field: str | None, reason: str) -> Reject:
        """Return this record as one that was not delivered."""
        return Reject(self.number, outcome, field, reason, self.row)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows become records.

    :param shape: returns the key of a row and what is sent for it, or raises a :class:`BluxRecordError`.
    :param merges: whether records with the same key can become one.
    :param is_suppressed: tells whether a record must not be sent.
    :param check: is called with the key and the row of each record in order; raises for one that cannot be sent.
    :param keeps_rows: whether rows are copied, for the rejects file.
    :param is_stopped: tells whether no further record is to be read.
    """

    shape: Shape
    merges: bool
    is_suppressed: Callable[[Any], bool] | None = None
    check: Callable[[str, Any], None] | None = None
    keeps_rows: bool = False
    is_stopped: Callable[[], bool] = lambda: False

    def records(self, rows: Iterable[Any]) -> Iterator[Record]:
        """Yield a record for each row.

        :param rows: rows as they are read; a :class:`BluxRecordError` stands for one that could not be.
        :raises BluxStopped: the run was told to stop.
        """
        shape, check, is_suppressed = self.shape, self.check, self.is_suppressed
        for number, row in enumerate(rows, 1):
            if self.is_stopped():
                raise BluxStopped("The task was told to stop.")
            kept = copied(row) if self.keeps_rows else None
            try:
                if isinstance(row, BluxRecordError):
                    raise row
                key, record = shape(row)
                if check is not None:
                    check(key, row)
            except BluxRecordError as error:
                # The traceback would keep the row alive.
                why = str(error).encode("utf-8", "replace")
                yield Record(number, content=why, row=kept, error=error.with_traceback(None))
                continue
            suppressed = is_suppressed is not None and is_suppressed(record)
            yield Record(number, key if self.merges else number, encode(record), kept, None, suppressed)


@dataclass(repr=False)
class Batch:
    """What is sent in one request, and the records of the source from ``first`` to ``last`` that it settles.

    :param records: what is sent, by key.
    :param merged: the records of the source that became one, where they are several, by key.
    :param suppressed: how many of its records are of suppressed users, and not among ``records``.
    :param contents: those of all its records, until the digest of the source is made of them.
    :param digest: the digest of the source up to here, by which a later try recognises it.
    :param in_doubt: whether an earlier try may have sent it.
    """

    index: int
    first: int
    last: int
    records: dict[Any, Record] = field(default_factory=dict)
    merged: dict[Any, list[Record]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    suppressed: int = 0
    contents: list[bytes] = field(default_factory=list)
    digest: str = ""
    in_doubt: bool = False

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
        self.last = record.number
        self.contents.append(record.content)
        if record.error is not None:
            self.rejects.append(record.rejected("rejected", record.error.field, record.error.reason))
        elif record.is_suppressed:
            self.suppressed += 1
        elif merge is None or record.key not in self.records:
            self.records[record.key] = record
        else:
            earlier = self.records[record.key]
            self.merged[record.key] = [*self.parts(record.key), record]
            self.records[record.key] = Record(earlier.number, record.key, merge(earlier.content, record.content))

    def __str__(self) -> str:
        return f"batch {self.index} (records {self.first}-{self.last})"


def cut(
    records: Iterable[Record], *, size: int, merge: Merge | None = None, first: Batch | None = None
) -> Iterator[Batch]:
    """Yield batches of at most ``size`` records in the order of the source.

    :param merge: makes one record of two with the same key; ``None`` where each is sent for itself.
    :param first: the batch to begin with, still empty, where ``records`` do not begin with the source.
    """
    batch = first or Batch(1, 1, 0)
    widest = batch.last + size * _WIDEST
    for record in records:
        batch.add(record, merge)
        if len(batch.records) >= size or record.number >= widest:
            yield batch
            batch = Batch(batch.index + 1, batch.last + 1, batch.last)
            widest = batch.last + size * _WIDEST
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

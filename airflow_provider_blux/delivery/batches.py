"""Cuts a stream of rows into batches, each knowing which records of the source it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple

from airflow_provider_blux.api.client import Prepared
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.line import parsed

Shape = Callable[[Sequence[Any]], Sequence[Any]]
Merge = Callable[[Any, Any], Any]

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


class Part(NamedTuple):
    """One record of the source: its number (1-based, in source order), its row and what is sent for it."""

    number: int
    row: Any
    record: Any

    def __repr__(self) -> str:
        return f"Part({self.number})"


@dataclass(repr=False)
class Batch:
    """What travels in one request, and the records of the source from ``first`` to ``last`` that it settles.

    :param records: what is sent, by key (a user id; a device id; for events a running number).
    :param request: what carries them all, once it is prepared.
    :param rows: the rows of the source, rejected ones included; empty once they are needed no more.
    :param numbers: which record of the source the first of each key is.
    :param repeated: the parts of those records that were merged.
    :param suppressed: how many of its records are of suppressed users, and not among ``records``.
    :param digest: the digest of the source up to here, by which a later try knows it again.
    :param in_doubt: whether an earlier try may have sent it.
    """

    index: int
    first: int
    last: int
    records: dict[Any, Any] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)
    # Plain numbers, and a Part only where it is needed: two objects a record would keep the garbage collector busy.
    numbers: dict[Any, int] = field(default_factory=dict)
    repeated: dict[Any, list[Part]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    suppressed: int = 0
    digest: str = ""
    in_doubt: bool = False
    request: Prepared | None = None

    @property
    def read(self) -> int:
        """How many records of the source this batch stands for."""
        return self.last - self.first + 1

    def parts(self, key: Any) -> list[Part]:
        """Return the records of the source that went into one record."""
        if key in self.repeated:
            return self.repeated[key]
        number = self.numbers[key]
        return [Part(number, self.rows[number - self.first] if self.rows else None, self.records[key])]

    def merged(self, keys: Iterable[Any]) -> int:
        """Return how many records of the source were folded into these."""
        return sum(len(self.repeated[key]) - 1 for key in self.repeated.keys() & keys) if self.repeated else 0

    def take(self, rows: Sequence[Any], shaped: Sequence[Any], *, is_merging: bool) -> bool:
        """Add rows that all become records of their own, at once; return whether they do.

        :param shaped: the key of each and what is sent, or why it is rejected.
        :param is_merging: whether rows with the same key become one record.
        """
        if {*map(type, shaped)} != {tuple}:
            return False
        numbers = range(self.last + 1, self.last + 1 + len(rows))
        new = dict(shaped) if is_merging else dict(zip(numbers, (record for _, record in shaped), strict=True))
        if len(new) < len(rows) or not self.records.keys().isdisjoint(new):
            return False
        self.rows.extend(rows)
        self.records.update(new)
        self.numbers.update(zip(new, numbers, strict=True))
        self.last += len(rows)
        return True

    def merge(self, key: Any, number: int, record: Any, merge: Merge) -> None:
        """Fold another record into that of the same key."""
        self.repeated[key] = [*self.parts(key), Part(number, self.rows[-1], record)]
        self.records[key] = merge(self.records[key], record)

    def __str__(self) -> str:
        return f"batch {self.index} (records {self.first}-{self.last})"


def cut(
    rows: Iterable[Any],
    shape: Shape,
    *,
    size: int,
    merge: Merge | None,
    is_suppressed: Callable[[Any], bool] | None = None,
    check: Callable[[str, Any], None] | None = None,
    first: Batch | None = None,
) -> Iterator[Batch]:
    """Yield batches of at most ``size`` records in the order of the source.

    :param rows: records as they are read; a :class:`BluxRecordError` stands for one that could not be.
    :param shape: turns many rows into keys and what is sent, or the errors for which they are rejected.
    :param merge: makes one record of two with the same key; ``None`` where each is sent for itself.
    :param is_suppressed: tells whether a record is not to be sent after all.
    :param check: raises for a row that cannot be sent after those before it; called with its key, in order.
    :param first: the batch to begin with, still empty, where ``rows`` do not begin with the source.
    """
    batch, left = first or Batch(1, 1, 0), iter(rows)
    # As many rows at a time as there is room for: a batch can only become full with the last of them.
    while some := list(islice(left, min(size - len(batch.records), size * _WIDEST - len(batch.rows)))):
        shaped = shape(some)
        if is_suppressed or check or not batch.take(some, shaped, is_merging=merge is not None):
            for row, of_row in zip(some, shaped, strict=True):
                _add(batch, row, of_row, merge=merge, is_suppressed=is_suppressed, check=check)
        if len(batch.records) >= size or len(batch.rows) >= size * _WIDEST:
            yield batch
            batch = Batch(batch.index + 1, batch.last + 1, batch.last)
    if batch.read:
        yield batch


def _add(
    batch: Batch,
    row: Any,
    shaped: Any,
    *,
    merge: Merge | None,
    is_suppressed: Callable[[Any], bool] | None,
    check: Callable[[str, Any], None] | None,
) -> None:
    batch.last = number = batch.last + 1
    batch.rows.append(row)
    try:
        if isinstance(shaped, BluxRecordError):
            raise shaped
        key, record = shaped
        if check is not None:
            check(key, parsed(row))
    except BluxRecordError as error:
        batch.rejects.append(Reject(number, "rejected", error.field, error.reason, row))
        return
    if is_suppressed is not None and is_suppressed(record):
        batch.suppressed += 1
    elif merge is not None and key in batch.records:
        batch.merge(key, number, record, merge)
    else:
        own = number if merge is None else key
        batch.records[own] = record
        batch.numbers[own] = number

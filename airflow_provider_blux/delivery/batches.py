"""Groups records into batches, with the numbers of their rows in the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_blux.delivery.record import Record, Reject
from airflow_provider_blux.records.encoding import Merge

# A batch ends after this many times its size in source records, even if most of them are merged or rejected. This
# limits its memory.
_WIDEST = 10
# Unchanged records need no memory, so the limit for them is higher. It exists so that they are counted regularly.
_WIDEST_UNCHANGED = 1000


def records_in_words(first: int, last: int, place: str | None) -> str:
    """Return a text like ``records 201-300; the first is record 12 of b.csv``; without a place, ``records 201-300``."""
    return f"records {first}-{last}{f'; the first is {place}' if place else ''}"


@dataclass(repr=False)
class Batch:
    """The source records from number ``first`` to number ``last``, and what to send for them in one request.

    A request that the API refuses may be sent again in smaller parts. Without ``records`` there is no request.

    :param records: the records to send, by key.
    :param merged: for each key with several source records: those source records, in the order of the source.
    :param rejects: records that are not in ``records`` because they are invalid.
    :param suppressed: number of records that are not in ``records`` because the user is on the suppression list.
    :param unchanged: number of records that are not in ``records`` because the last sent row was the same.
    :param left: digests of users with a rejected or suppressed record, who are removed from the snapshot. Empty
        without a snapshot.
    :param contents: ``Record.identity`` of each source record, from which the checkpoint computes ``digest``. Emptied
        afterwards to save memory.
    :param digest: digest of the source from its first record to the end of this batch. A later try compares it to
        detect a changed source. Empty without a checkpoint.
    :param in_doubt: whether an earlier try may have sent this batch.
    :param waits_for_all: whether all earlier batches must be settled before this one is sent, because an earlier row of
        one of its users was unchanged. If the batch of that row failed, the next try would send the row, which the
        snapshot has forgotten by then, after this batch.
    :param place: position of the batch's first record in the source, for messages; ``None`` if unknown.
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
    waits_for_all: bool = False
    place: str | None = None

    @property
    def read(self) -> int:
        """Number of source records that this batch covers."""
        return self.last - self.first + 1

    def parts(self, key: Any) -> list[Record]:
        """Return the source records that became the record with this key in ``records``: one, or those merged."""
        return self.merged.get(key) or [self.records[key]]

    def number_merged(self, keys: Iterable[Any]) -> int:
        """Return how many records merging has saved: for each key, the number of its source records less one."""
        return sum(len(self.merged[key]) - 1 for key in self.merged.keys() & keys) if self.merged else 0

    def add(self, record: Record, merge: Merge | None) -> bool:
        """Add the next record of the source; return ``False`` if it must be sent after this batch.

        :param merge: merges the JSON of two records with the same key; ``None`` to merge no records.
        """
        earlier = self.records.get(record.key)
        content = merge(earlier.content, record.content) if merge and earlier else record.content
        if content is None:
            return False
        self.last, mark = record.number, record.mark
        self.contents.append(record.identity)
        if record.is_unchanged:
            self.unchanged += 1
            return True
        if mark and mark.follows_unchanged:
            self.waits_for_all = True
        if mark and (record.error is not None or record.is_suppressed):
            self.left.append(mark.user)
        if record.error is not None:
            self.rejects.append(record.rejected("rejected", record.error.field, record.error.reason))
        elif record.is_suppressed:
            self.suppressed += 1
        elif earlier is None:
            self.records[record.key] = record
        else:
            self.merged.setdefault(record.key, [earlier]).append(record)
            self.records[record.key] = Record(earlier.number, record.key, content, mark=mark)
        return True

    def __str__(self) -> str:
        return f"batch {self.index} ({records_in_words(self.first, self.last, self.place)})"


def cut(
    records: Iterable[Record], *, size: int, merge: Merge | None = None, index: int = 1, read: int = 0
) -> Iterator[Batch]:
    """Group records into batches of at most ``size`` records to send, and yield them in the order of the source.

    :param merge: merges the JSON of two records with the same key; ``None`` to merge no records.
    :param index: the number of the first batch.
    :param read: number of source records that come before ``records``.
    """
    batch = Batch(index, read + 1, read)
    for record in records:
        if not batch.add(record, merge):
            yield batch
            batch = Batch(batch.index + 1, batch.last + 1, batch.last)
            batch.add(record, merge)
        unsent = batch.read - batch.unchanged
        if len(batch.records) >= size or unsent >= size * _WIDEST or batch.unchanged >= size * _WIDEST_UNCHANGED:
            yield batch
            batch = Batch(batch.index + 1, batch.last + 1, batch.last)
    if batch.read:
        yield batch

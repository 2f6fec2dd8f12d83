"""Which batches are settled, kept so that the next try of a task continues where this one stopped.

A later try reads the source again and passes over the ranges of records that are settled, once a digest has shown that
the source still has the same records. A checkpoint holds numbers and digests, never a record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, islice
from typing import Any, Protocol

from airflow_provider_blux.delivery.batches import Batch, Place, Record, records_in_words
from airflow_provider_blux.delivery.storage import WAY_OUT, Store
from airflow_provider_blux.exceptions import BluxCheckpointError

VERSION = 7
SAVE_EVERY_SECONDS = 2.0
# Saving must not become the work: with a slow store it is done more rarely.
_SHARE_OF_TIME = 10
# 96 bits.
_DIGEST_DIGITS = 24


_Ranges = dict[int, tuple[int, str]]
"""Ranges of records by the number of the first: the number of the last, and the digest of the source up to it."""


@dataclass
class _State:
    """What a checkpoint says. Every digest is of the source from its beginning to the end of a batch.

    :param records: so many of the first records of the source are settled, of which ``digest`` is.
    :param ahead: settled batches beyond those.
    :param doubt: batches that were about to be sent when this was saved.
    :param counts: the account of all settled batches.
    """

    settings: str
    records: int = 0
    digest: str = ""
    ahead: _Ranges = field(default_factory=dict)
    doubt: _Ranges = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "settings": self.settings,
            "records": self.records,
            "digest": self.digest,
            "ahead": {str(first): list(end) for first, end in self.ahead.items()},
            "doubt": {str(first): list(end) for first, end in self.doubt.items()},
            "counts": self.counts,
        }


class Cut(Protocol):
    """Makes batches of records."""

    def __call__(self, records: Iterable[Record], *, index: int, read: int) -> Iterator[Batch]:
        """Yield batches, numbered from ``index``; ``read`` records of the source come before these."""


class Checkpoint:
    """The settled batches of a task instance; safe to use from many threads.

    :param store: where it is kept; ``None`` for nowhere.
    :param settings: a digest of what decides how the source is cut and where it goes.
    :param at_most_once: whether it is noted what is about to be sent, before it is sent.
    :param before_save: makes durable what must not be lost once a batch counts as settled.
    """

    def __init__(
        self,
        store: Store | None,
        settings: str,
        *,
        at_most_once: bool = False,
        before_save: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._state = _State(settings)
        self._earlier = _State(settings)
        self._source = sha256()
        self._index = 0  # of the batch that was cut last
        self._at_most_once = at_most_once
        self._before_save = before_save
        self._clock = clock
        self._due = clock() + SAVE_EVERY_SECONDS
        self._lock = threading.RLock()

    def load(self) -> dict[str, Any]:
        """Read what an earlier try saved; return its counts, empty when there is nothing.

        :raises BluxCheckpointError: it cannot be understood, or belongs to other settings.
        """
        saved = self._store.load() if self._store else None
        if saved is None:
            return {}
        self._earlier, self._state = (_understood(saved, self._state.settings) for _ in range(2))
        return self._earlier.counts

    def forget(self) -> None:
        """Drop what an earlier try saved, and start from the beginning."""
        self._earlier, self._state = _State(self._state.settings), _State(self._state.settings)
        if self._store:
            self._store.clear()

    def pending(self, records: Iterator[Record], cut: Cut, place_of: Place = lambda _number: None) -> Iterator[Batch]:
        """Yield the batches that are still to be sent.

        :param records: the source from its first record.
        :param cut: makes batches of records that follow each other.
        :param place_of: tells where a record stands in the source.
        :raises BluxCheckpointError: the source is not what it was; found out before a batch is yielded.
        """
        earlier, known = self._earlier, list[Batch]()
        self._source = sha256()
        self._pass_over(records, 1, earlier.records, earlier.digest, place_of)
        self._index, read = int(earlier.counts.get("batches", 0)), earlier.records
        for first, (last, digest) in sorted({**earlier.ahead, **earlier.doubt}.items()):
            known += self._cut(islice(records, first - 1 - read), cut, read)
            if first in earlier.ahead:
                self._pass_over(records, first, last, digest, place_of)
            else:
                batches = self._cut(islice(records, last - first + 1), cut, first - 1)
                known += self._doubtful(batches, last, digest, place_of)
            read = last
        return chain(known, self._cut(records, cut, read))

    def _pass_over(self, records: Iterator[Record], first: int, last: int, digest: str, place_of: Place) -> None:
        """Read records that are settled, and see by their digest that they are what they were."""
        number = first - 1
        for record in islice(records, last - first + 1):
            number = record.number
            self._source.update(_framed(record.identity))
        if number < last:
            raise _changed("it has become shorter")
        if last and self._digest() != digest:
            raise _changed(f"in {records_in_words(first, last, place_of(first))}")

    def _cut(self, records: Iterable[Record], cut: Cut, read: int) -> Iterator[Batch]:
        """Cut records into batches that know their digests."""
        for batch in cut(records, index=self._index + 1, read=read):
            self._index = batch.index
            if self._store:
                self._source.update(b"".join(map(_framed, batch.contents)))
                batch.digest = self._digest()
            batch.contents.clear()
            yield batch

    @staticmethod
    def _doubtful(batches: Iterable[Batch], last: int, digest: str, place_of: Place) -> list[Batch]:
        """Return what an earlier try was about to send, marked as such."""
        doubtful = list(batches)
        if not doubtful or doubtful[-1].last < last:
            raise _changed("it has become shorter")
        if doubtful[-1].digest != digest:
            first = doubtful[0].first
            raise _changed(f"in {records_in_words(first, last, place_of(first))}")
        for batch in doubtful:
            batch.in_doubt = True
        return doubtful

    def _digest(self) -> str:
        return self._source.hexdigest()[:_DIGEST_DIGITS]

    def intend(self, batch: Batch) -> None:
        """Note, where it matters, that a batch is about to be sent; return when the note is durable."""
        with self._lock:
            if self._at_most_once and self._store and batch.first not in self._state.doubt:
                self._state.doubt[batch.first] = batch.last, batch.digest
                try:
                    self.save()
                except BaseException:  # it will not be sent
                    del self._state.doubt[batch.first]
                    raise

    def withdraw(self, batch: Batch) -> None:
        """Note that nothing of a batch was processed after all."""
        with self._lock:
            self._state.doubt.pop(batch.first, None)

    def settle(self, batch: Batch, counts: dict[str, Any]) -> None:
        """Note that every record of a batch has its outcome.

        :param counts: the account with this batch in it.
        """
        with self._lock:
            state = self._state
            state.doubt.pop(batch.first, None)
            state.ahead[batch.first] = batch.last, batch.digest
            state.counts = counts
            while end := state.ahead.pop(state.records + 1, None):
                state.records, state.digest = end
            if self._clock() >= self._due:
                self.save()

    def save(self) -> None:
        """Save at once; what must be durable is made so even where no checkpoint is kept."""
        with self._lock:
            started = self._clock()
            self._before_save()
            if self._store:
                self._store.save(self._state.as_dict())
            took = self._clock() - started
            self._due = started + max(SAVE_EVERY_SECONDS, took * _SHARE_OF_TIME)

    def clear(self) -> None:
        """Remove the checkpoint: the delivery is over, and running the task again means all of it."""
        if self._store:
            self._store.clear()


def _understood(saved: Any, settings: str) -> _State:
    try:
        if saved["version"] != VERSION:
            raise BluxCheckpointError(f"The checkpoint was written by another version of this package. {WAY_OUT}")
        state = _State(
            settings=str(saved["settings"]),
            records=int(saved["records"]),
            digest=str(saved["digest"]),
            ahead=_ranges(saved["ahead"]),
            doubt=_ranges(saved["doubt"]),
            counts=dict(saved["counts"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BluxCheckpointError(
            f"The checkpoint cannot be read: it is not what this package writes. {WAY_OUT}"
        ) from None
    if state.settings != settings:
        raise BluxCheckpointError(
            "The checkpoint of an earlier try belongs to other settings: batch_size, on_unknown, the shaping "
            f"arguments or the connection have changed since. Nothing was sent. {WAY_OUT}"
        )
    return state


def _ranges(saved: dict[str, Any]) -> _Ranges:
    return {int(first): (int(last), str(digest)) for first, (last, digest) in saved.items()}


def _framed(content: bytes) -> bytes:
    """Return a record so that two neighbours cannot be taken for two others; no content holds a line break."""
    return content + b"\n"


def _changed(where: str) -> BluxCheckpointError:
    return BluxCheckpointError(
        f"The source has changed since an earlier try of this task delivered a part of it: {where}. {WAY_OUT}"
    )

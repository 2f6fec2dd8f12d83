"""The checkpoint: it stores which batches are settled, so that the next try continues where this one stopped.

A batch is settled when each of its records has an outcome. A later try reads the source again and skips the settled
records, after a digest has shown that they have not changed. A checkpoint holds numbers and digests, never a record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, islice
from typing import Any

from airflow_provider_blux.delivery.batches import Batch, records_in_words
from airflow_provider_blux.delivery.checkpoint_store import WAY_OUT, Store
from airflow_provider_blux.delivery.reading import Place
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.exceptions import BluxCheckpointError

VERSION = 7
SAVE_EVERY_SECONDS = 2.0
# With a slow store, the checkpoint is saved less often: at most a tenth of the time goes into saving.
_SHARE_OF_TIME = 10
# This many hexadecimal digits of a digest are stored: 96 bits.
_DIGEST_DIGITS = 24
# Comes after each record in the digest; a record never holds a line break.
_SEPARATOR = b"\n"


_Ranges = dict[int, tuple[int, str]]
"""Ranges of records: maps the first record number to the last one and the digest of the source up to the last one."""


@dataclass
class _State:
    """The content of a checkpoint. Each digest except ``settings`` covers the source up to the end of a batch.

    :param settings: digest of the settings that decide the batches and their destination.
    :param records: this many records from the start of the source are settled; ``digest`` covers them.
    :param ahead: settled batches after the first unsettled record.
    :param doubt: batches that were about to be sent when the checkpoint was saved.
    :param counts: the counts of all settled batches.
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
            "ahead": self._ahead_joined(),
            "doubt": {
                str(first): list(end)
                for first, end in self.doubt.items()
                if first > self.records and first not in self.ahead
            },
            "counts": self.counts,
        }

    def _ahead_joined(self) -> dict[str, Any]:
        """Return ``ahead`` with neighbours joined: thousands of batches may be settled while one is sent again."""
        joined: dict[str, Any] = {}
        start, end = 0, -1
        for first, (last, digest) in sorted(self.ahead.items()):
            if first > self.records:
                start, end = start if first == end + 1 else first, last
                joined[str(start)] = [last, digest]
        return joined


Cut = Callable[..., Iterator[Batch]]
"""Groups records into batches: :func:`~airflow_provider_blux.delivery.batches.cut`, with its size and merge given."""


class Checkpoint:
    """The settled batches of a task instance; safe to use from many threads.

    :param store: stores the checkpoint between tries; ``None`` for no checkpoint.
    :param settings: digest of the settings that decide the batches and their destination.
    :param before_save: called before each save, to flush the rejects file: the rejects of a settled batch must not be
        lost.
    """

    def __init__(
        self,
        store: Store | None,
        settings: str,
        *,
        before_save: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._state = _State(settings)
        self._source = sha256()
        self._index = 0  # of the batch that was cut last
        self._before_save = before_save
        self._clock = clock
        self._due = clock() + SAVE_EVERY_SECONDS
        self._lock = threading.RLock()

    def load(self) -> None:
        """Read the checkpoint of an earlier try, if there is one.

        :raises BluxCheckpointError: the checkpoint cannot be read, or belongs to other settings.
        """
        saved = self._store.load() if self._store is not None else None
        if saved is not None:
            self._state = _understood(saved, self._state.settings)

    def clear(self) -> None:
        """Delete the checkpoint, so that all of the source is sent: from here on, or by a later run of the task."""
        self._state = _State(self._state.settings)
        if self._store is not None:
            self._store.clear()

    def pending(self, records: Iterator[Record], cut: Cut, place_of: Place = lambda _number: None) -> Iterator[Batch]:
        """Yield the batches that are still to be sent.

        :param records: the source from its first record.
        :param cut: groups consecutive records into batches.
        :param place_of: returns the position of a record in the source.
        :raises BluxCheckpointError: the source has changed since the earlier try; raised before the first batch.
        """
        earlier, gathered = self._state, list[Batch]()
        self._source = sha256()
        self._pass_over(records, 1, earlier.records, earlier.digest, place_of)
        self._index, read = int(earlier.counts.get("batches", 0)), earlier.records
        for first, (last, digest) in sorted({**earlier.ahead, **earlier.doubt}.items()):
            gathered += self._cut(islice(records, first - 1 - read), cut, read)
            if first in earlier.ahead:
                self._pass_over(records, first, last, digest, place_of)
            else:
                batches = self._cut(islice(records, last - first + 1), cut, first - 1)
                gathered += self._doubtful(batches, last, digest, place_of)
            read = last
        return chain(gathered, self._cut(records, cut, read))

    def _pass_over(self, records: Iterator[Record], first: int, last: int, digest: str, place_of: Place) -> None:
        """Read the records from number ``first`` to number ``last`` without sending them: an earlier try has done that.

        :param digest: digest of the source up to record ``last`` in the earlier try.
        :raises BluxCheckpointError: the digest is different now, or the source has fewer records.
        """
        number = first - 1
        for record in islice(records, last - first + 1):
            number = record.number
            self._source.update(record.identity + _SEPARATOR)
        if number < last:
            raise _changed("it has become shorter")
        if last and self._digest() != digest:
            raise _changed(f"in {records_in_words(first, last, place_of(first))}")

    def _cut(self, records: Iterable[Record], cut: Cut, read: int) -> Iterator[Batch]:
        """Group records into batches, and store in each a digest of all source records up to the end of the batch.

        :param read: number of source records that come before ``records``.
        """
        for batch in cut(records, index=self._index + 1, read=read):
            self._index = batch.index
            if self._store is not None:
                self._source.update(_SEPARATOR.join([*batch.contents, b""]))
                batch.digest = self._digest()
            batch.contents.clear()
            yield batch

    def _doubtful(self, batches: Iterable[Batch], last: int, digest: str, place_of: Place) -> list[Batch]:
        """Read batches that an earlier try may have sent, set ``in_doubt`` in each of them, and return them as a list.

        They may be more than one, if the suppression list has become shorter. Each is then marked for itself, so that
        the others stay marked if this try ends after the first.

        :param batches: yields these batches only, even if the source goes on.
        :param last: number of the last record in these batches in the earlier try.
        :param digest: digest of the source up to record ``last`` in the earlier try.
        :raises BluxCheckpointError: the digest is different now, or the source has fewer records.
        """
        doubtful = list(batches)
        if not doubtful or doubtful[-1].last < last:
            raise _changed("it has become shorter")
        if doubtful[-1].digest != digest:
            first = doubtful[0].first
            raise _changed(f"in {records_in_words(first, last, place_of(first))}")
        for batch in doubtful:
            batch.in_doubt = True
            self._state.doubt[batch.first] = batch.last, batch.digest
        return doubtful

    def _digest(self) -> str:
        return self._source.hexdigest()[:_DIGEST_DIGITS]

    @property
    def counts(self) -> dict[str, Any]:
        """The counts of all settled batches, of earlier tries as well; empty if there are none."""
        return self._state.counts

    def intend(self, batch: Batch) -> None:
        """Save that a batch is about to be sent, and return when this is durable."""
        with self._lock:
            if self._store is not None and batch.first not in self._state.doubt:
                self._state.doubt[batch.first] = batch.last, batch.digest
                try:
                    self.save()
                except BaseException:  # the batch will not be sent
                    del self._state.doubt[batch.first]
                    raise

    def withdraw(self, batch: Batch) -> None:
        """Remove the "about to be sent" mark of a batch, since none of its records can have arrived.

        This is durable after the next save.
        """
        with self._lock:
            self._state.doubt.pop(batch.first, None)

    def settle(self, batch: Batch, counts: dict[str, Any]) -> None:
        """Mark a batch as settled: each of its records has an outcome. About every two seconds, save the checkpoint.

        :param counts: the counts of all settled batches, including this one.
        """
        with self._lock:
            state = self._state
            # In this order, the state is right after each line: Airflow's signal handler may raise anywhere
            # (`execution_timeout`). A range that is left behind is not saved, as it is not after `records`.
            state.ahead[batch.first], state.counts = (batch.last, batch.digest), counts
            state.doubt.pop(batch.first, None)
            while end := state.ahead.get(first := state.records + 1):
                state.records, state.digest = end
                del state.ahead[first]
            if self._clock() >= self._due:
                self.save()

    def save(self) -> None:
        """Call ``before_save``, then save the checkpoint if there is a store."""
        with self._lock:
            started = self._clock()
            try:
                self._before_save()
                if self._store is not None:
                    self._store.save(self._state.as_dict())
            finally:  # a store that does not answer is not waited for again with each batch that was in flight
                took = self._clock() - started
                self._due = started + max(SAVE_EVERY_SECONDS, took * _SHARE_OF_TIME)


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
    if not (state.records or state.ahead or state.doubt):
        return _State(settings)  # nothing binds the next try, such as one after a wrong connection was corrected
    if state.settings != settings:
        raise BluxCheckpointError(
            "The checkpoint of an earlier try belongs to other settings: batch_size, on_unknown, list_key, "
            "snapshot_path, the arguments for reading rows or the connection have changed since. This try sent "
            f"nothing. {WAY_OUT}"
        )
    return state


def _ranges(saved: dict[str, Any]) -> _Ranges:
    return {int(first): (int(last), str(digest)) for first, (last, digest) in saved.items()}


def _changed(where: str) -> BluxCheckpointError:
    return BluxCheckpointError(
        f"The source has changed since an earlier try of this task delivered a part of it: {where}. {WAY_OUT}"
    )

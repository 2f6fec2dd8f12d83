"""Which batches are settled, kept so that the next try of a task goes on where this one stopped.

A later try reads the source again and passes over the records that are settled, once a digest of them has shown that
the source still has the same records. What comes behind is cut into the same batches as before, of which some may be
settled as well. A checkpoint holds numbers and digests, never a record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import Any

from airflow_provider_blux.delivery.batches import Batch, Record
from airflow_provider_blux.delivery.storage import WAY_OUT, Store
from airflow_provider_blux.exceptions import BluxCheckpointError

VERSION = 5
SAVE_EVERY_SECONDS = 2.0
# Saving must not become the work: with a slow store it is done more rarely.
_SHARE_OF_TIME = 10
# 96 bits.
_DIGEST_DIGITS = 24


@dataclass
class _State:
    """What a checkpoint says. Every digest is of the source from its beginning to the end of a batch.

    :param settled: so many of the first batches are settled, with the first ``records`` of the source, of which
        ``digest`` is.
    :param ahead: settled batches beyond those: the number of their last record, and their digest.
    :param doubt: batches that were about to be sent when this was saved, with their digests.
    :param counts: the account of all settled batches.
    """

    settings: str
    settled: int = 0
    records: int = 0
    digest: str = ""
    ahead: dict[int, tuple[int, str]] = field(default_factory=dict)
    doubt: dict[int, str] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.settled, *self.ahead, *self.doubt, 0)

    def as_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "settings": self.settings,
            "settled": self.settled,
            "records": self.records,
            "digest": self.digest,
            "ahead": {str(index): list(end) for index, end in self.ahead.items()},
            "doubt": {str(index): digest for index, digest in self.doubt.items()},
            "counts": self.counts,
        }


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
        """Drop what an earlier try saved, and start afresh."""
        self._earlier, self._state = _State(self._state.settings), _State(self._state.settings)
        if self._store:
            self._store.clear()

    def pass_over(self, records: Iterator[Record]) -> Batch:
        """Read what an earlier try has settled from the beginning of the source; return the batch that comes next.

        :param records: the source from its first record; it is left at the first one of that batch.
        :raises BluxCheckpointError: the source is not what it was.
        """
        earlier = self._earlier
        self._source = sha256()
        for _ in range(earlier.records):
            record = next(records, None)
            if record is None:
                raise _changed("it has become shorter")
            self._source.update(_framed(record.content))
        if earlier.records and self._digest() != earlier.digest:
            raise _changed(f"in records 1-{earlier.records}")
        return Batch(earlier.settled + 1, earlier.records + 1, earlier.records)

    def pending(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches that are still to be sent, of those behind what was passed over.

        :raises BluxCheckpointError: the source is not what it was; found out before a batch is yielded.
        """
        digested = map(self._with_digest, batches)
        known: list[Batch] = []
        while self._earlier.last > (known[-1].index if known else self._earlier.settled):
            batch = next(digested, None)
            if batch is None:
                raise _changed("it has become shorter")
            self._recognise(batch)
            known.append(batch)
        return chain((batch for batch in known if batch.index not in self._earlier.ahead), digested)

    def _with_digest(self, batch: Batch) -> Batch:
        if self._store:
            self._source.update(b"".join(map(_framed, batch.contents)))
            batch.digest = self._digest()
        batch.contents.clear()
        return batch

    def _recognise(self, batch: Batch) -> None:
        """Compare a batch with what an earlier try noted of it."""
        earlier = self._earlier
        _, known = earlier.ahead.get(batch.index, (0, earlier.doubt.get(batch.index, batch.digest)))
        if batch.digest != known:
            raise _changed(f"in records {batch.first}-{batch.last}")
        batch.in_doubt = batch.index in earlier.doubt

    def _digest(self) -> str:
        return self._source.hexdigest()[:_DIGEST_DIGITS]

    def intend(self, batch: Batch) -> None:
        """Note, where it matters, that a batch is about to be sent; return when the note is durable."""
        with self._lock:
            if self._at_most_once and self._store and batch.index not in self._state.doubt:
                self._state.doubt[batch.index] = batch.digest
                try:
                    self.save()
                except BaseException:  # it will not be sent
                    del self._state.doubt[batch.index]
                    raise

    def withdraw(self, batch: Batch) -> None:
        """Note that nothing of a batch was processed after all."""
        with self._lock:
            self._state.doubt.pop(batch.index, None)

    def settle(self, batch: Batch, counts: dict[str, Any]) -> None:
        """Note that every record of a batch has its outcome.

        :param counts: the account with this batch in it.
        """
        with self._lock:
            state = self._state
            state.doubt.pop(batch.index, None)
            state.ahead[batch.index] = batch.last, batch.digest
            state.counts = counts
            while end := state.ahead.pop(state.settled + 1, None):
                state.settled += 1
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
            settled=int(saved["settled"]),
            records=int(saved["records"]),
            digest=str(saved["digest"]),
            ahead={int(index): (int(last), str(digest)) for index, (last, digest) in saved["ahead"].items()},
            doubt={int(index): str(digest) for index, digest in saved["doubt"].items()},
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


def _framed(content: bytes) -> bytes:
    """Return a record so that two neighbours cannot be taken for two others; no content holds a line break."""
    return content + b"\n"


def _changed(where: str) -> BluxCheckpointError:
    return BluxCheckpointError(
        f"The source has changed since an earlier try of this task delivered a part of it: {where}. {WAY_OUT}"
    )

"""Turns the rows of a source into records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from airflow_provider_blux.delivery.record import Mark, Record
from airflow_provider_blux.delivery.snapshot import Snapshot
from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRecordError, BluxStopped
from airflow_provider_blux.records.encoding import encode
from airflow_provider_blux.records.shapes import RowShape

Place = Callable[[int], str | None]
"""Returns the position of a record in its source (``record 12 of b.csv``); ``None`` if the source cannot tell."""


def place_in(rows: Any) -> Place:
    """Return the function that tells the position of a record in a source (see ``Place``).

    :param rows: the source. If it has no ``place_of``, the function always returns ``None``.
    """
    found: Place = getattr(rows, "place_of", lambda _number: None)
    return found


def placed(error: BluxConfigError, place: str | None) -> BluxConfigError:
    """Return an error about the columns of a record, with the position of the record in front of its message.

    :param place: the position of the record in its source; ``None`` if the source cannot tell.
    """
    return error.located(place) if place else error


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Turns the rows of a source into records.

    :param shape: returns the key (the user or device id) and the API content of a row, or raises a
        :class:`BluxRecordError`.
    :param merges: whether records with the same key are merged into one.
    :param is_suppressed: returns whether the user of a record is on the suppression list; ``None`` without a list.
    :param key_is_user: whether the key of a record is its user id.
    :param check: called with the key and the row of each record in order, except suppressed ones; raises if the record
        cannot be sent. It is also called for invalid rows if their user id can be read.
    :param snapshot: looks up each row; ``None`` without a snapshot.
    :param keeps_rows: whether rows are copied for the rejects file.
    :param is_stopped: returns whether reading must stop.
    """

    shape: RowShape
    merges: bool
    is_suppressed: Callable[[Any], bool] | None = None
    key_is_user: bool = True
    check: Callable[[str, Any], None] | None = None
    snapshot: Snapshot | None = None
    keeps_rows: bool = False
    is_stopped: Callable[[], bool] = lambda: False

    def records(self, rows: Iterable[Any]) -> Iterator[Record]:
        """Yield a record for each row; for an invalid row, a record with its ``error``.

        :param rows: rows of the source; a :class:`BluxRecordError` in place of a row that could not be read.
        :raises BluxConfigError: the columns of the source are wrong. The message begins with the position of the row if
            the source can tell it.
        :raises BluxStopped: the run was asked to stop.
        """
        lowered, place_of = self.shape.header.lowered, place_in(rows)
        for number, row in enumerate(rows, 1):
            if self.is_stopped():
                raise BluxStopped("The task was told to stop.")
            kept = copied(row) if self.keeps_rows else None
            mark = None
            try:
                if isinstance(row, BluxRecordError):
                    raise row
                if self.snapshot:
                    mark = self.snapshot.mark(lowered(row))
                yield self._record(number, row, kept, mark)
            except BluxConfigError as error:
                raise placed(error, place_of(number)) from None
            except BluxRecordError as error:
                # Without the traceback, since it would keep the row in memory.
                yield self._invalid(number, row, kept, error.with_traceback(None), mark)

    def _record(self, number: int, row: Any, kept: Any, mark: Mark | None) -> Record:
        if mark and mark.is_in_snapshot and not self._may_be_suppressed(mark):
            if self.check is not None:
                self.check(mark.user_id, row)
            return Record(number, mark=mark, is_unchanged=True)
        key, record = self.shape(row)
        suppressed = self.is_suppressed is not None and self.is_suppressed(record)
        if self.check is not None and not suppressed:
            self.check(key, row)
        if self.snapshot and (mark is None or mark.user_id != key):
            mark = self.snapshot.mark_of(key)
        unchanged = mark is not None and mark.is_in_snapshot and not suppressed
        return Record(number, key if self.merges else number, encode(record), kept, None, suppressed, mark, unchanged)

    def _invalid(self, number: int, row: Any, kept: Any, error: BluxRecordError, mark: Mark | None) -> Record:
        """Return the record for an invalid row: suppressed if its user is on the suppression list, else rejected."""
        why, user_id = str(error).encode("utf-8", "replace"), self.shape.user_of(row)
        if user_id is not None:
            if self.is_suppressed is not None and self.is_suppressed({"user_id": user_id}):
                return Record(number, content=why, is_suppressed=True, mark=mark)
            if self.check is not None:
                with suppress(BluxError):
                    self.check(user_id, row)  # an older row of the user that comes later must not be sent
        return Record(number, content=why, row=kept, error=error, mark=mark)

    def _may_be_suppressed(self, mark: Mark) -> bool:
        """Return whether the user of an unchanged row may be on the suppression list.

        If so, the row must become a record, which is then checked. With a suppression list, this is ``True`` for every
        row of a device: ``mark`` has the id of the device, so the user is not known yet.
        """
        if self.is_suppressed is None:
            return False
        return not self.key_is_user or self.is_suppressed({"user_id": mark.user_id})


def copied(row: Any) -> Any:
    """Return a deep copy of a row; ``None`` if the row is nested too deep."""
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

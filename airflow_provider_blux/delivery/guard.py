"""Refuses to delete more users than the DAG author meant, before the first one is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import suppress
from typing import Any

from airflow_provider_blux.delivery.ids import IdSet, digest_of
from airflow_provider_blux.exceptions import BluxConfigError, BluxGuardError, BluxRecordError
from airflow_provider_blux.records.mapping import Shape
from airflow_provider_blux.records.users import deletion


def guarded(rows: Iterable[Any], max_users: int | None, shape: Shape = deletion) -> Iterable[Any]:
    """Return the rows when they name at most ``max_users`` different users.

    Rows that can be read only once are kept while they are counted. Others are read again, and counted again: a
    query may have grown meanwhile.

    :param shape: what finds the id in a row.
    :raises BluxGuardError: there are more.
    """
    if max_users is None:
        return rows
    check_max_users(max_users)
    if isinstance(rows, Iterator):
        return list(_counted(rows, max_users, shape, "nothing was sent"))
    for _ in _counted(rows, max_users, shape, "nothing was sent"):
        pass
    return _Guarded(rows, max_users, shape)


class _Guarded:
    """Rows that were counted, and are counted once more while they are delivered."""

    def __init__(self, rows: Iterable[Any], max_users: int, shape: Shape) -> None:
        self._rows, self._max_users, self._shape = rows, max_users, shape

    def __len__(self) -> int:
        return len(self._rows) if isinstance(self._rows, Sized) else 0

    def __iter__(self) -> Iterator[Any]:
        return _counted(self._rows, self._max_users, self._shape, "the source has grown since it was counted")


def check_max_users(max_users: Any) -> None:
    """Check the guard's bound.

    :raises BluxConfigError: unless it is a whole number above 0 or ``None``.
    """
    if max_users is not None and (isinstance(max_users, bool) or not isinstance(max_users, int) or max_users < 1):
        raise BluxConfigError("max_users must be a whole number of at least 1, or None to switch the guard off.")


def _counted(rows: Iterable[Any], max_users: int, shape: Shape, state: str) -> Iterator[Any]:
    seen = IdSet()
    for row in rows:
        if not isinstance(row, BluxRecordError):
            with suppress(BluxRecordError):  # it will be rejected, not deleted
                seen.add(digest_of(shape(row)[0]))
        if len(seen) > max_users:
            raise BluxGuardError(
                f"More than {max_users:,} different users would be deleted; {state}. If that is meant, raise "
                "max_users above their number (max_users=None switches the guard off)."
            )
        yield row

"""One record of the source, the mark that the snapshot gives it, and the reject that it may become."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from airflow_provider_blux.exceptions import BluxRecordError


class Reject(NamedTuple):
    """A record that was not delivered, and the reason.

    :param field: the field at fault; ``None`` for the whole record.
    :param record: the row of the source: for the rejects file, never for a log.
    """

    record_number: int
    outcome: Literal["rejected", "unknown"]
    field: str | None
    reason: str
    record: Any

    def __repr__(self) -> str:
        return f"Reject({self.record_number})"


class Mark(msgspec.Struct, frozen=True, gc=False):
    """The result of looking up a row in the snapshot.

    :param user_id: id of the user; in a snapshot of devices, id of the device.
    :param user: digest of this id.
    :param row: digest of the row; ``None`` if the row cannot be compared.
    :param at: position of the user's entry in ``AcceptedRows``; -1 if the row was not looked up there.
    :param is_in_snapshot: whether the snapshot has this user with exactly this row.
    :param follows_unchanged: whether this is the second row of the user in the source, and the first was unchanged.
    """

    user_id: str
    user: bytes
    row: bytes | None = None
    at: int = -1
    is_in_snapshot: bool = False
    follows_unchanged: bool = False

    def __repr__(self) -> str:
        return f"Mark(is_in_snapshot={self.is_in_snapshot})"


class Record(msgspec.Struct, gc=False):
    """One record of the source, checked and encoded. It shares no object with its row: a source may reuse rows.

    :param number: number of the record in the source, from 1.
    :param key: the user or device id if records with the same id are merged, otherwise the record number. ``None`` for
        a rejected record.
    :param content: the JSON that is sent; for a rejected record the reason instead.
    :param row: a copy of the source row; ``None`` without a rejects file.
    :param error: the reason for a reject; ``None`` if the record is not rejected.
    :param is_suppressed: whether the record is not sent because its user is on the suppression list.
    :param mark: the result of looking up the row in the snapshot; ``None`` without a snapshot, or if the id of a
        rejected record could not be read.
    :param is_unchanged: whether the record is not sent because the same row was the last one sent for its user. Such a
        record may lack ``key``, ``content`` and ``row``.
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
        """The bytes that stand for this record when the digest of the source is computed.

        A later try compares that digest to check that the source has not changed. So the bytes do not depend on
        ``is_unchanged``, which differs between tries.
        """
        return (self.mark and self.mark.row) or self.content

    def rejected(self, outcome: Literal["rejected", "unknown"], field: str | None, reason: str) -> Reject:
        """Return the reject for this record.

        :param field: the field at fault; ``None`` for the whole record.
        """
        return Reject(self.number, outcome, field, reason, self.row)

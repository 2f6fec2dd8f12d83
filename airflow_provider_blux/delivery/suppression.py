"""Ids that must not be created again: from files of ids, and from the receipts of their deletion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_blux.delivery.ids import IdSet, digest_of
from airflow_provider_blux.delivery.receipts import Hashes
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.line import decode
from airflow_provider_blux.records.users import deletion


class Suppression:
    """The suppressed users of a run; loaded once, about 16 bytes an id.

    :param rows: ids, rows with a column ``user_id``, or receipts.
    :param hashes: those of the receipts.
    :param name: where the rows come from, for messages.
    :raises BluxConfigError: a row cannot be understood. A list that is not sure to be whole suppresses nobody safely.
    """

    def __init__(self, rows: Iterable[Any], hashes: Hashes, name: str) -> None:
        self._hashes = hashes
        self._ids, self._receipted = IdSet(), IdSet()
        for number, row in enumerate(rows, 1):
            try:
                self._add(row)
            except BluxRecordError as error:
                raise BluxConfigError(
                    f"suppression_path: entry {number} of {name} cannot be understood ({error}). Nothing was sent, "
                    "since a user could be missing from the list. Mend the list."
                ) from None

    def __len__(self) -> int:
        return len(self._ids) + len(self._receipted)

    def covers(self, record: Any) -> bool:
        """Tell whether a record, as it is sent, is of a suppressed user."""
        user_id = decode(record).get("user_id")
        if user_id is None:
            return False
        if digest_of(user_id) in self._ids:
            return True
        return bool(self._receipted) and bytes.fromhex(self._hashes.of(user_id.encode())) in self._receipted

    def _add(self, row: Any) -> None:
        if isinstance(row, BluxRecordError):
            raise row
        if not (isinstance(row, Mapping) and "ids" in row and "previous" in row):
            self._ids.add(digest_of(deletion(row)[0]))
            return
        if not self._hashes.fits(row):
            raise BluxRecordError("key", "this receipt was made with another receipt_key than the connection's")
        try:
            for digest in row["ids"]:
                self._receipted.add(bytes.fromhex(digest))
        except (TypeError, ValueError):
            raise BluxRecordError("ids", "this receipt has been changed") from None

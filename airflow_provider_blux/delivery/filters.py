"""Checks before records are sent: the limit on deletions, outdated records, the suppression list."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Any
from unicodedata import normalize

from airflow_provider_blux.delivery.digest_map import DigestMap
from airflow_provider_blux.delivery.reading import Place, copied, place_in, placed
from airflow_provider_blux.delivery.receipts import Hashes
from airflow_provider_blux.delivery.settings import check_max_users
from airflow_provider_blux.exceptions import (
    OUTDATED,
    BluxConfigError,
    BluxGuardError,
    BluxRecordError,
    BluxSourceError,
    BluxStopped,
)
from airflow_provider_blux.records.columns import is_table_row, missing_column
from airflow_provider_blux.records.mapping import Shape
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.timestamps import timestamp
from airflow_provider_blux.records.users import deletion

_DIGEST_BYTES = 16
"""Size of an id's digest in bytes. The probability that two of a trillion ids share one is below 1 in 10^14."""
_MOMENT = struct.Struct("<d")


def digest_of(user_id: str) -> bytes:
    """Return the digest of an id, which is kept in memory in place of the id."""
    return blake2b(user_id.encode(), digest_size=_DIGEST_BYTES).digest()


class Suppression:
    """The suppression list of a run; it takes about 16 bytes of memory an id.

    An id matches in its composed and in its decomposed Unicode form (NFC, NFD).

    :param rows: ids, rows with a column ``user_id``, or receipts.
    :param hashes: computes the hash of an id, since receipts hold hashes in place of ids.
    :param name: the source of the rows, for messages.
    :param check_ids: whether an id that looks damaged or missing is an error.
    :raises BluxConfigError: a row cannot be read. Then nothing is sent, since a user could be missing from the list.
    """

    def __init__(self, rows: Iterable[Any], hashes: Hashes, name: str, *, check_ids: bool = True) -> None:
        self._hashes = hashes
        self._shaping = Shaping(check_ids=check_ids)
        self._users = DigestMap(_DIGEST_BYTES)
        self._has_receipts = False
        number, place_of = 0, place_in(rows)
        try:
            for number, row in enumerate(rows, 1):
                self._add_at(number, row, place_of)
        except BluxRecordError as error:
            entry = place_of(number) or f"entry {number} of {name}"
            raise BluxConfigError(
                f"suppression_path: {entry} cannot be understood ({error}). This try sent nothing, "
                "since a user could be missing from the list. Fix the list."
            ) from None
        except BluxConfigError as error:  # its message recommends an argument that does not apply to this list
            raise BluxConfigError(
                f"suppression_path: {error.message} This try sent nothing. field_mapping, lowercase_columns, "
                "file_format, encoding and delimiter are for the records, not for this list: save it as UTF-8, with "
                "commas and a column user_id, in a file named .csv."
            ) from None

    def __len__(self) -> int:
        return len(self._users)

    def covers(self, record: Any) -> bool:
        """Return whether the user of a record is on the suppression list."""
        user_id = record.get("user_id")
        if user_id is None:
            return False
        if digest_of(normalize("NFC", user_id)) in self._users:
            return True
        # A receipt holds the hash of the id as it was sent, in any Unicode form.
        return self._has_receipts and any(
            _digest_of_receipt(self._hashes.of(form.encode())) in self._users for form in _forms(user_id)
        )

    def _add_at(self, number: int, row: Any, place_of: Place) -> None:
        try:
            self._add(row)
        except BluxConfigError as error:
            raise placed(error, place_of(number)) from None

    def _add(self, row: Any) -> None:
        if isinstance(row, BluxRecordError):
            raise row
        if not (isinstance(row, Mapping) and "ids" in row and "previous" in row):
            self._users.put(digest_of(normalize("NFC", deletion(row, self._shaping)[0])))
            return
        if not self._hashes.fits(row):
            made = "without a receipt_key, but the connection has one"
            if not self._hashes.is_plain(row):
                made = "with another receipt_key than the connection's"
            raise BluxRecordError("key", f"this receipt was made {made}")
        self._has_receipts = True
        try:
            for receipted in row["ids"]:
                self._users.put(_digest_of_receipt(receipted))
        except (TypeError, ValueError):
            raise BluxRecordError("ids", "this receipt has been changed") from None


def _digest_of_receipt(hexadecimal: str) -> bytes:
    """Return the first 16 bytes of a hash in a receipt; only these are kept in memory.

    :param hexadecimal: the hash as the receipt holds it.
    :raises ValueError: the text is not a SHA-256 hash in hexadecimal.
    """
    digest = bytes.fromhex(hexadecimal)
    if len(digest) != sha256().digest_size:
        raise ValueError
    return digest[:_DIGEST_BYTES]


def _forms(user_id: str) -> set[str]:
    """Return an id as it is, composed (NFC) and decomposed (NFD). Text from macOS may have decomposed Hangul."""
    return {user_id} if user_id.isascii() else {user_id, normalize("NFC", user_id), normalize("NFD", user_id)}


class Freshness:
    """Rejects a record that is older than an earlier record of the same user; about 24 bytes a user in memory.

    :param field: the column of the source with the time of the last update.
    :param shaping: how rows are read.
    :param lowered: returns a row with its column names in lower case if ``lowercase_columns`` is set, and unchanged
        otherwise; ``field`` is then in lower case as well.
    """

    def __init__(self, field: str, shaping: Shaping, lowered: Callable[[Any], Any]) -> None:
        self._field = field
        self._shaping = shaping
        self._lowered = lowered
        self._newest = DigestMap(_DIGEST_BYTES, _MOMENT.size)

    def check(self, user_id: str, row: Any) -> None:
        """Compare the timestamp of a record with the newest one of its user so far, and remember the newer one.

        :raises BluxRecordError: the record is older than an earlier one of the user, or has no valid timestamp.
        :raises BluxConfigError: the table has no column for the timestamp.
        """
        row = self._lowered(row) if isinstance(row, Mapping) else {}
        value = row.get(self._field)
        if value is None:
            if is_table_row(row) and self._field not in row:
                raise missing_column(row, self._field, "updated_at_field", self._shaping.field_mapping)
            raise BluxRecordError(
                self._field, "is missing (null), so the record may be out of date; fill it in at the source"
            )
        written = timestamp(value, self._field, self._shaping.zone, self._shaping.timestamp_unit)
        moment = datetime.fromisoformat(written).timestamp()
        user = digest_of(user_id)
        newest = self._newest.get(user)
        if newest is not None and moment < _MOMENT.unpack(newest)[0]:
            raise BluxRecordError(self._field, f"{OUTDATED} in this run; sort the source by it")
        self._newest.put(user, _MOMENT.pack(moment))


def guarded(
    rows: Iterable[Any],
    max_users: int,
    *,
    shape: Shape = deletion,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterable[Any]:
    """Return the rows if they have at most ``max_users`` different users.

    An iterator is read into a list, which is returned. Other rows are counted now and read again for the delivery. They
    are checked again then, since a query may return more rows the second time.

    :param shape: returns the id and the record of a row.
    :param is_stopped: returns whether reading must stop.
    :raises BluxGuardError: the rows have more than ``max_users`` users; raised now, or when the rows are read again.
        Users are counted only if the first reading finds more than ``max_users`` rows. If it does not, the second
        reading raises the error at the first row beyond ``max_users``, also if that row is of a user who came before.
    :raises BluxSourceError: there were rows when they were counted, and there are none when they are read again.
    :raises BluxStopped: the run was asked to stop.
    """
    check_max_users(max_users)
    if isinstance(rows, Iterator):
        # A table row is a new object for each record. A source may reuse other objects, so those are copied.
        kept = (row if is_table_row(row) else copied(row) for row in rows)
        return list(_GuardedRows(kept, max_users, shape, is_stopped).users_checked("this try sent nothing"))
    guarded_rows = _GuardedRows(rows, max_users, shape, is_stopped)
    guarded_rows.count()
    return guarded_rows


class _GuardedRows:
    """The rows of a deletion, which must have at most ``max_users`` different users.

    They are counted before the delivery and checked again while they are sent. So the delivery stops if the source has
    grown in between to more than ``max_users``, or has no record any more: an iterable that can be read only once is
    not always an iterator.
    """

    def __init__(self, rows: Iterable[Any], max_users: int, shape: Shape, is_stopped: Callable[[], bool]) -> None:
        self._rows = rows
        self._max_users = max_users
        self._shape = shape
        self._is_stopped = is_stopped
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def place_of(self, number: int) -> str | None:
        return place_in(self._rows)(number)

    def __iter__(self) -> Iterator[Any]:
        if self._number > self._max_users:
            checked = self.users_checked("the source has grown since it was counted")
        else:
            checked = self._records_checked()
        for first in checked:
            yield first
            yield from checked
            return
        if self._number:
            raise BluxSourceError(
                f"The source had {self._number:,} records when they were counted, and has none now, so nobody was "
                "deleted. If it can be read only once, such as the cursor of a database, pass list(...) of it. "
                "Otherwise run the task again."
            )

    def count(self) -> None:
        """Count the rows, since this is cheap, and their users only if there are more rows than ``max_users``.

        :raises BluxGuardError: the rows have too many users.
        """
        self._number = number = sum(1 for _ in self._read())
        if number <= self._max_users:
            return
        users = DigestMap(_DIGEST_BYTES)
        for _, user in self._with_users():
            if user is not None:
                users.put(digest_of(user))
        if len(users) > self._max_users:
            named = f"the source names {len(users):,} users in {number:,} records"
            raise self._too_many(f"this try sent nothing; {named}")

    def _records_checked(self) -> Iterator[Any]:
        """Yield the rows, and raise an error at the first row after ``max_users`` rows.

        Rows are counted and not users, so the error is raised even if the rows are of fewer users.

        :raises BluxGuardError: there are more rows.
        """
        for number, row in enumerate(self._rows, 1):
            if number > self._max_users:
                raise BluxGuardError(
                    f"The source has grown since it was counted, to more than {self._max_users:,} records, so it may "
                    "name more users than max_users allows. Run the task again, which counts its users."
                )
            yield row

    def users_checked(self, state: str) -> Iterator[Any]:
        """Yield the rows as long as they do not have more users than allowed.

        :param state: what has happened so far, for the error message.
        :raises BluxGuardError: the rows have too many users.
        """
        users = set()
        for row, user in self._with_users():
            if user is not None:
                users.add(hash(user))
            if len(users) > self._max_users:
                raise self._too_many(state)
            yield row

    def _with_users(self) -> Iterator[tuple[Any, str | None]]:
        """Yield each row with its user id; with ``None`` if it is invalid: it is rejected later and deletes no user."""
        place_of = place_in(self._rows)
        for number, row in enumerate(self._read(), 1):
            user: str | None = None
            try:
                user = self._shape(row)[0]
            except BluxRecordError:
                pass
            except BluxConfigError as error:
                raise placed(error, place_of(number)) from None
            yield row, user

    def _read(self) -> Iterator[Any]:
        for row in self._rows:
            if self._is_stopped():
                raise BluxStopped("The task was told to stop while its records were counted; this try sent nothing.")
            yield row

    def _too_many(self, state: str) -> BluxGuardError:
        return BluxGuardError(
            f"More than {self._max_users:,} different users would be deleted; {state}. If that is meant, raise "
            "max_users above their number (max_users=None switches the guard off)."
        )

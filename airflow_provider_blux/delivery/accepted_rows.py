"""The content of a snapshot in memory: for each user the digest of the row that was last accepted."""

from __future__ import annotations

from collections.abc import Collection

from airflow_provider_blux.delivery.digest_map import DigestMap
from airflow_provider_blux.delivery.row_digests import ROW_BYTES, USER_BYTES

SIZE = USER_BYTES + ROW_BYTES + 1
"""Size of an entry in bytes: digest of the user, digest of the row, and one byte for the state of the user.

In a file, this byte is always 0.
"""

# The states of a user in this run. _UNREAD: in the snapshot, not read from the source yet. _SAME: read with the same
# row. _ACCEPTED: read with another row, which was accepted. _CHANGED: read with another row, or new, and not accepted
# yet. _BARRED: must not be in the snapshot after this run, not read yet. _MET_BARRED: the same, and read.
_UNREAD, _SAME, _ACCEPTED, _CHANGED, _BARRED, _MET_BARRED = range(6)
_NO_ROW = bytes(ROW_BYTES)
_NEW = _NO_ROW + bytes([_CHANGED])


class AcceptedRows(DigestMap):
    """A map from each user to the digest of the last accepted row, and to what has happened to the user in this run.

    This state is one byte: whether the user was read from the source yet, with the same row or another one.
    """

    def __init__(self) -> None:
        super().__init__(USER_BYTES, ROW_BYTES + 1)
        #: Number of users read from the source that were in the snapshot, and of those that were not.
        self.met_old, self.met_new = 0, 0

    def packed(self) -> Collection[bytearray]:
        """Return the entries of all users, in blocks that :meth:`unpack` reads.

        Call it only before the source is read or after :meth:`settle`. In between, the entries also tell which users
        were read in this run, and that must not get into a file.
        """
        return self._buckets.values()

    def unpack(self, entries: bytes) -> None:
        """Add entries.

        :param entries: any number of entries, each of ``SIZE`` bytes. The map must not have their users yet.
        """
        buckets = self._buckets
        for at in range(0, len(entries), SIZE):
            buckets[entries[at] << 8 | entries[at + 1]] += entries[at : at + SIZE]

    def keep_common(self, others: AcceptedRows) -> None:
        """Remove all users except those that have the same row in both maps."""
        for number, bucket in self._buckets.items():
            entries = [bytes(bucket[at : at + SIZE]) for at in range(0, len(bucket), SIZE)]
            common = (entry for entry in entries if others.get(entry[:USER_BYTES]) == entry[USER_BYTES:])
            self._buckets[number] = bytearray(b"".join(common))

    def row_of(self, user: bytes) -> bytes | None:
        """Return the digest of the last accepted row of a user; ``None`` if there is none."""
        value = self.get(user)
        return value[:ROW_BYTES] if value and value[-1] <= _ACCEPTED else None

    def set_row(self, user: bytes, row: bytes) -> None:
        """Set the digest of the last accepted row of a user; called before the source is read."""
        self.put(user, row + b"\0")

    def bar(self, user: bytes) -> None:
        """Remove the row of a user and store no row of the user in this run; called before the source is read."""
        self.put(user, _NO_ROW + bytes([_BARRED]))

    def drop(self, user: bytes) -> None:
        """Remove the row of a user and store no further row of the user in this run.

        Called when a row of the user in the source was rejected or suppressed.
        """
        self.put(user, _NO_ROW + bytes([_MET_BARRED]))

    def meet(self, user: bytes, row: bytes | None) -> tuple[int, bool, bool]:
        """Note that the source has a row of a user, and compare it with the user's last accepted row.

        If the source has several rows of a user, the first is compared, and the later ones count as changed. No row of
        this user is stored, so the next run sends all of them, in the order of the source.

        :param row: digest of the row; ``None`` for a row that must count as changed.
        :return: the position of the user's entry, to be passed to :meth:`learn` when the row was accepted; whether the
            row equals the last accepted row; and whether this is the second row of the user in the source, and the
            first was equal.
        """
        bucket, at = self._find(user)
        if at < 0:
            at = len(bucket)
            bucket += user + _NEW
            self.met_new += 1
            return at, False, False
        state_at = at + SIZE - 1
        state = bucket[state_at]
        if state == _UNREAD:
            self.met_old += 1
            is_same = row is not None and bucket[at + USER_BYTES : state_at] == row
            bucket[state_at] = _SAME if is_same else _CHANGED
            return at, is_same, False
        if state == _BARRED:
            self.met_new += 1
        bucket[state_at] = _MET_BARRED
        return at, False, state == _SAME

    def learn(self, user: bytes, at: int, row: bytes) -> bool:
        """Store the digest of a user's row after its request was accepted; return whether it was stored.

        It is not stored for a user for whom :meth:`bar` or :meth:`drop` was called, or who has a second row.

        :param at: the position that :meth:`meet` returned for the user.
        """
        bucket = self._buckets[user[0] << 8 | user[1]]
        state_at = at + SIZE - 1
        if bucket[state_at] != _CHANGED:
            return False
        bucket[at + USER_BYTES : state_at] = row
        bucket[state_at] = _ACCEPTED
        return True

    def settle(self, *, keep_unmet: bool) -> None:
        """Prepare the map for the next run, after the source was read: reset all users to "not read".

        Users whose row in the source was not accepted are removed.

        :param keep_unmet: whether the users of the snapshot that are not in the source are kept; otherwise they are
            removed as well.
        """
        kept = bytes([_SAME, _ACCEPTED, *([_UNREAD] if keep_unmet else [])])
        for number, bucket in self._buckets.items():
            if bucket[SIZE - 1 :: SIZE].translate(None, kept):
                places = [at for at in range(0, len(bucket), SIZE) if bucket[at + SIZE - 1] in kept]
                self._buckets[number] = bytearray(b"".join([bucket[at : at + SIZE] for at in places]))
        for bucket in self._buckets.values():
            bucket[SIZE - 1 :: SIZE] = bytes(len(bucket) // SIZE)

"""The content of a snapshot in memory: for each user the digest of the row that was last accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from airflow_provider_blux.delivery.row_digests import ROW_BYTES, USER_BYTES


class DigestMap:
    """A compact map from 8-byte user digests to values of a fixed size.

    :param value_size: in bytes.
    """

    def __init__(self, value_size: int) -> None:
        # The first two bytes of a digest choose the bucket; in it the entries lie one after the other.
        self._buckets: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._size = USER_BYTES + value_size

    def get(self, user: bytes) -> bytes | None:
        """Return the value of a user; ``None`` where there is none."""
        bucket, at = self._find(user)
        return None if at < 0 else bytes(bucket[at + USER_BYTES : at + self._size])

    def put(self, user: bytes, value: bytes) -> None:
        """Set the value of a user."""
        bucket, at = self._find(user)
        if at < 0:
            bucket += user + value
        else:
            bucket[at + USER_BYTES : at + self._size] = value

    def remove(self, user: bytes) -> None:
        """Remove a user if the map has one."""
        bucket, at = self._find(user)
        if at >= 0:
            del bucket[at : at + self._size]

    def _find(self, user: bytes) -> tuple[bytearray, int]:
        """Return the bucket of a user and the place of the entry in it, -1 where there is none."""
        bucket = self._buckets[user[0] << 8 | user[1]]
        at = bucket.find(user)
        while at >= 0 and at % self._size:  # the match overlaps two entries
            at = bucket.find(user, at + 1)
        return bucket, at


SIZE = USER_BYTES + ROW_BYTES + 1
"""Size of an entry: the digest of the user, the digest of the row, and one byte for the state (0 in a file)."""

# The states of a user in this run. _KNOWN: in the snapshot, not read from the source yet. _SAME: read with the same
# row, or accepted since. _CHANGED: read with another row, or new. _BARRED: must not be in the snapshot after this run,
# not read yet. _MET_BARRED: the same, and read.
_KNOWN, _SAME, _CHANGED, _BARRED, _MET_BARRED = range(5)
_NO_ROW = bytes(ROW_BYTES)


class KnownRows(DigestMap):
    """The last accepted row digest of each user, and the state of the user in this run."""

    def __init__(self) -> None:
        super().__init__(ROW_BYTES + 1)
        #: Number of users read from the source that were in the snapshot, and of those that were not.
        self.met_known, self.met_others = 0, 0

    def __len__(self) -> int:
        """Return the number of users in the snapshot; valid only before the source is read."""
        return sum(map(len, self._buckets.values())) // SIZE

    def packed(self) -> Iterator[bytes]:
        """Yield the entries of all users for :meth:`unpack`; valid only before the source is read."""
        return map(bytes, self._buckets.values())

    def unpack(self, entries: bytes) -> None:
        """Add complete entries of users that the map does not have yet."""
        buckets = self._buckets
        for at in range(0, len(entries), SIZE):
            buckets[entries[at] << 8 | entries[at + 1]] += entries[at : at + SIZE]

    def keep_common(self, others: KnownRows) -> None:
        """Remove all users except those that have the same row in both maps."""
        for number, bucket in self._buckets.items():
            entries = [bytes(bucket[at : at + SIZE]) for at in range(0, len(bucket), SIZE)]
            common = (entry for entry in entries if others.get(entry[:USER_BYTES]) == entry[USER_BYTES:])
            self._buckets[number] = bytearray(b"".join(common))

    def row_of(self, user: bytes) -> bytes | None:
        """Return the digest of the last accepted row of a user; ``None`` if there is none."""
        value = self.get(user)
        return value[:ROW_BYTES] if value and value[-1] <= _SAME else None

    def know(self, user: bytes, row: bytes) -> None:
        """Set the last accepted row of a user, before the source is read."""
        self.put(user, row + b"\0")

    def bar(self, user: bytes) -> None:
        """Remove a user from the snapshot, and make :meth:`learn` ignore the user in this run."""
        self.put(user, _NO_ROW + bytes([_BARRED]))

    def meet(self, user: bytes, row: bytes | None) -> bool:
        """Record that the source has a row of a user; return whether it equals the last accepted row.

        A user with a second row in the source is barred: all rows of such a user are sent, in the order of the source.
        """
        bucket, at = self._find(user)
        if at < 0:
            bucket += user + _NO_ROW + bytes([_CHANGED])
            self.met_others += 1
            return False
        state_at = at + SIZE - 1
        state = bucket[state_at]
        if state == _KNOWN:
            self.met_known += 1
            is_same = row is not None and bucket[at + USER_BYTES : state_at] == row
            bucket[state_at] = _SAME if is_same else _CHANGED
            return is_same
        if state == _BARRED:
            self.met_others += 1
        bucket[state_at] = _MET_BARRED
        return False

    def learn(self, user: bytes, row: bytes) -> bool:
        """Store the row of a user after its request was accepted; return ``False`` if the user is barred."""
        bucket, at = self._find(user)
        if at < 0 or bucket[at + SIZE - 1] != _CHANGED:
            return False
        bucket[at + USER_BYTES : at + SIZE] = row + bytes([_SAME])
        return True

"""What a snapshot knows, in memory: for each user the digest of the row that was last accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from airflow_provider_blux.delivery.row_digests import MARK, ROW_BYTES, USER_BYTES

# No digest of a row looks like these; with the mark in the last byte a user has been met.
_MET = bytes(ROW_BYTES - 1) + bytes([MARK])
_BARRED = b"\xff" * (ROW_BYTES - 1) + bytes([0xFF ^ MARK])
_MET_BARRED = b"\xff" * ROW_BYTES


class DigestMap:
    """Values of a fixed size by 8-byte digests of users, with little memory beyond their own size.

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
        """Remove a user, who may be there or not."""
        bucket, at = self._find(user)
        if at >= 0:
            del bucket[at : at + self._size]

    def _find(self, user: bytes) -> tuple[bytearray, int]:
        """Return the bucket of a user and the place of the entry in it, -1 where there is none."""
        bucket = self._buckets[user[0] << 8 | user[1]]
        at = bucket.find(user)
        while at >= 0 and at % self._size:  # across the border of two entries
            at = bucket.find(user, at + 1)
        return bucket, at


SIZE = USER_BYTES + ROW_BYTES
"""Of one packed entry: the digest of a user, and of the row."""


class KnownRows(DigestMap):
    """The digest of the row that each user is known with, and which users have been met in this run."""

    def __init__(self) -> None:
        super().__init__(ROW_BYTES)
        #: How many of the users that were known, and how many others, have been met.
        self.met_known, self.met_others = 0, 0

    def __len__(self) -> int:
        """Return the number of users that are known; before any is met."""
        return sum(map(len, self._buckets.values())) // SIZE

    def packed(self) -> Iterator[bytes]:
        """Yield the entries of all users, as :meth:`unpack` takes them; before any is met."""
        return map(bytes, self._buckets.values())

    def unpack(self, entries: bytes) -> None:
        """Add whole entries of users who are not there yet."""
        buckets = self._buckets
        for at in range(0, len(entries), SIZE):
            buckets[entries[at] << 8 | entries[at + 1]] += entries[at : at + SIZE]

    def keep_common(self, others: KnownRows) -> None:
        """Keep the users whom both know with the same row."""
        for number, bucket in self._buckets.items():
            entries = [bytes(bucket[at : at + SIZE]) for at in range(0, len(bucket), SIZE)]
            common = (entry for entry in entries if others.get(entry[:USER_BYTES]) == entry[USER_BYTES:])
            self._buckets[number] = bytearray(b"".join(common))

    def bar(self, user: bytes) -> None:
        """Forget a user, and keep :meth:`learn` from knowing the user again."""
        self.put(user, _BARRED)

    def meet(self, user: bytes, row: bytes | None) -> bool:
        """Note that the source has a row of a user; return whether the user is known with just that row.

        A user with a second row is barred: all rows of such a user are sent, in the order of the source.
        """
        bucket, at = self._find(user)
        if at < 0:
            bucket += user + _MET
            self.met_others += 1
            return False
        known = bytes(bucket[at + USER_BYTES : at + SIZE])
        if known[-1] & MARK:
            met = _MET_BARRED
        elif known == _BARRED:
            self.met_others += 1
            met = _MET_BARRED
        else:
            self.met_known += 1
            if known == row:
                bucket[at + SIZE - 1] |= MARK
                return True
            met = _MET
        bucket[at + USER_BYTES : at + SIZE] = met
        return False

    def learn(self, user: bytes, row: bytes) -> bool:
        """Know a user who was met with a row that was accepted; return ``False`` for a user who is barred."""
        bucket, at = self._find(user)
        if at < 0 or bucket[at + USER_BYTES : at + SIZE] != _MET:
            return False
        bucket[at + USER_BYTES : at + SIZE] = row
        bucket[at + SIZE - 1] |= MARK
        return True

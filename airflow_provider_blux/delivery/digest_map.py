"""A compact map from digests to values, which takes less memory than a ``dict``."""

from __future__ import annotations

from collections import defaultdict


class DigestMap:
    """A map from digests to values, both of a fixed size. An entry takes little more memory than its digest and value.

    :param key_size: size of a digest in bytes.
    :param value_size: size of a value in bytes; 0 for a set.
    """

    def __init__(self, key_size: int, value_size: int = 0) -> None:
        # The first two bytes of a digest choose the bucket; in it the entries follow one another.
        self._buckets: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._key = key_size
        self._size = key_size + value_size

    def __len__(self) -> int:
        """Return the number of entries. It is not stored, so each call takes some time."""
        return sum(map(len, self._buckets.values())) // self._size

    def __contains__(self, key: bytes) -> bool:
        return self._find(key)[1] >= 0

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a digest; ``None`` where there is none."""
        bucket, at = self._find(key)
        return None if at < 0 else bytes(bucket[at + self._key : at + self._size])

    def put(self, key: bytes, value: bytes = b"") -> None:
        """Set the value of a digest."""
        bucket, at = self._find(key)
        if at < 0:
            bucket += key + value
        else:
            bucket[at + self._key : at + self._size] = value

    def remove(self, key: bytes) -> None:
        """Remove a digest if the map has it."""
        bucket, at = self._find(key)
        if at >= 0:
            del bucket[at : at + self._size]

    def _find(self, key: bytes) -> tuple[bytearray, int]:
        """Return the bucket of a digest, and the offset of its entry in the bucket; -1 if there is no entry."""
        bucket = self._buckets[key[0] << 8 | key[1]]
        at = bucket.find(key)
        while at >= 0 and at % self._size:  # the match overlaps two entries
            at = bucket.find(key, at + 1)
        return bucket, at

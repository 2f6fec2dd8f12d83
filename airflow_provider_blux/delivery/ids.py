"""Sets of ids, and what is known of each, in a few bytes an id: ten million fit where a Python set holds two."""

from __future__ import annotations

import struct
from hashlib import blake2b

# 128 bits of digest: two of a trillion ids agree by chance once in 10^14 runs. The first 16 bits choose the bucket.
_DIGEST, _PREFIX = 16, 2
_BUCKETS = 1 << (8 * _PREFIX)


def digest_of(user_id: str) -> bytes:
    """Return the digest by which an id is remembered."""
    return blake2b(user_id.encode(), digest_size=_DIGEST).digest()


class IdSet:
    """A set of 16-byte digests, about 16 bytes each in memory."""

    def __init__(self, value_size: int = 0) -> None:
        self._buckets: list[bytearray] = [bytearray() for _ in range(_BUCKETS)]
        self._key = _DIGEST - _PREFIX
        self._entry = self._key + value_size
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, digest: bytes) -> bool:
        return self._find(digest)[1] >= 0

    def add(self, digest: bytes) -> None:
        """Add a digest, unless it is there."""
        bucket, at = self._find(digest)
        if at < 0:
            bucket += digest[_PREFIX:_DIGEST]
            self._count += 1

    def _find(self, digest: bytes) -> tuple[bytearray, int]:
        """Return the digest's bucket and its place in it, -1 where it is not."""
        bucket, rest = self._buckets[int.from_bytes(digest[:_PREFIX], "big")], digest[_PREFIX:_DIGEST]
        at = bucket.find(rest)
        while at >= 0 and at % self._entry:  # across the border of two entries
            at = bucket.find(rest, at + 1)
        return bucket, at


class NewestMoments(IdSet):
    """The newest moment seen of each id, about 24 bytes each in memory."""

    _VALUE = struct.Struct("<d")

    def __init__(self) -> None:
        super().__init__(self._VALUE.size)

    def is_overtaken(self, digest: bytes, moment: float) -> bool:
        """Tell whether something newer of the same id was seen before; remember ``moment`` (Unix time) if not."""
        bucket, at = self._find(digest)
        if at < 0:
            bucket += digest[_PREFIX:_DIGEST] + self._VALUE.pack(moment)
            self._count += 1
            return False
        if moment < self._VALUE.unpack_from(bucket, at + self._key)[0]:
            return True
        self._VALUE.pack_into(bucket, at + self._key, moment)
        return False

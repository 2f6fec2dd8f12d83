"""Decompresses files, and reports the position of a fault.

The file readers of the standard library (gzip, bzip2) handle faults in different ways, and the reader of ``zstandard``
accepts a truncated file as complete. So this module calls the decompressors of all three formats block by block, and
checks that the compressed data is complete.
"""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

from airflow_provider_blux.exceptions import BluxSourceError, unreadable
from airflow_provider_blux.extras import ZSTD, library

Compression = Literal["gz", "bz2", "zst"]

COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".bz2": "bz2", ".zst": "zst"}

# The size of compressed blocks is adapted so that one block decompresses to about this many bytes at most.
_PIECE = 1024 * 1024
_LEAST, _MOST = 64, 16 * 1024


def reader(file: BinaryIO, name: str, compression: Compression | None) -> io.BufferedReader:
    """Return a reader of the decompressed content of a file; it raises :class:`BluxSourceError` if reading fails.

    :param file: the opened file, in any storage. The reader does not close it.
    :param compression: the compression of the file; ``None`` for a file that is not compressed.
    """
    stored = _Stored(file, name)
    if compression is None:
        pieces = iter(lambda: stored.read(_PIECE), b"")
    else:
        pieces = _unpacked(stored, name, _decompressor(compression, name))
    return io.BufferedReader(_Pieces(pieces), _PIECE)


def _decompressor(compression: Compression, name: str) -> Callable[[], Any]:
    if compression == "gz":
        return lambda: zlib.decompressobj(wbits=31)  # with the header and the checksum of gzip
    if compression == "bz2":
        return bz2.BZ2Decompressor
    zstandard = library(ZSTD, name)
    return lambda: zstandard.ZstdDecompressor().decompressobj()


class _Stored:
    """A file in a storage; converts all errors of the storage library to :class:`BluxSourceError`."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end of the file."""
        try:
            data: bytes = self._file.read(size)
        except Exception as error:
            raise unreadable(self._name, error, f" at byte {self.position:,}") from error
        self.position += len(data)
        return data


class _Pieces(io.RawIOBase):
    """A file whose content comes from an iterator, piece by piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._rest = memoryview(piece)
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


def _unpacked(stored: _Stored, name: str, new: Callable[[], Any]) -> Iterator[bytes]:
    """Yield the decompressed content of a file; concatenated compressed files are read as one, as in gzip."""
    decompressor, step = new(), _LEAST
    while True:
        if not decompressor.eof:
            packed = stored.read(step)
            if not packed:
                raise BluxSourceError(
                    f"{name} is cut off: it ends at byte {stored.position:,}, before its compressed data does."
                )
        else:
            # There may be another compressed file, or zeros that tapes and some tools add as padding.
            packed = decompressor.unused_data.lstrip(b"\0")
            while not packed:
                if not (more := stored.read(_MOST)):
                    return
                packed = more.lstrip(b"\0")
            decompressor = new()
        try:
            piece: bytes = decompressor.decompress(packed)
        except Exception as error:  # noqa: BLE001 - zlib.error, OSError, ZstdError: one for each library
            raise BluxSourceError(
                f"{name} is damaged, or not compressed as its suffix says: it cannot be unpacked before byte "
                f"{stored.position:,} ({type(error).__name__})."
            ) from None
        step = max(_LEAST, step // 8) if len(piece) > _PIECE else min(_MOST, step * 2)
        yield piece

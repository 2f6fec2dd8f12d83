"""Decompresses files, and reports the position of a fault.

The file readers of the standard library (gzip, bzip2) handle faults in different ways, and the reader of ``zstandard``
accepts a truncated file as complete. So this module calls the decompressors of all three formats block by block, and
checks that the compressed data is complete.
"""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

from airflow_provider_blux.exceptions import BluxSourceError, unreadable
from airflow_provider_blux.extras import ZSTD, library

Compression = Literal["gz", "bz2", "zst"]

COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".bz2": "bz2", ".zst": "zst"}

_BUFFER = 1024 * 1024
# The size of compressed blocks is adapted so that one block decompresses to about this many bytes at most.
_PIECE = 1024 * 1024
_LEAST, _MOST = 64, 16 * 1024


def reader(file: BinaryIO, name: str, compression: Compression | None) -> io.BufferedReader:
    """Return a reader of the decompressed content of a file; it raises :class:`BluxSourceError` if reading fails.

    :param file: the opened file, in any storage. The reader does not close it.
    :param compression: the compression of the file; ``None`` for a file that is not compressed.
    """
    stored = _Stored(file, name)
    raw = stored if compression is None else _Unpacked(stored, name, _decompressor(compression, name))
    return io.BufferedReader(raw, _BUFFER)


def _decompressor(compression: Compression, name: str) -> Callable[[], Any]:
    if compression == "gz":
        return lambda: zlib.decompressobj(wbits=31)  # with the header and the checksum of gzip
    if compression == "bz2":
        return bz2.BZ2Decompressor
    zstandard = library(ZSTD, name)
    return lambda: zstandard.ZstdDecompressor().decompressobj()


class _Stored(io.RawIOBase):
    """A file in a storage; converts all errors of the storage library to :class:`BluxSourceError`."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.position = 0

    def readable(self) -> bool:
        return True

    def take(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end of the file.

        :raises BluxSourceError: the storage failed.
        """
        try:
            data: bytes = self._file.read(size)
        except Exception as error:
            raise unreadable(self._name, error, f" at byte {self.position:,}") from error
        self.position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(io.RawIOBase):
    """The decompressed content of a file; concatenated compressed files are read as one, as in gzip."""

    def __init__(self, stored: _Stored, name: str, decompressor: Callable[[], Any]) -> None:
        self._stored = stored
        self._name = name
        self._new = decompressor
        self._decompressor = decompressor()
        self._step = _LEAST
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._piece:
            packed = self._packed()
            if not packed:
                return 0
            self._piece = memoryview(self._unpacked(packed))
        part = self._piece[: len(buffer)]
        buffer[: len(part)] = part
        self._piece = self._piece[len(part) :]
        return len(part)

    def _packed(self) -> bytes:
        """Return the next compressed block; empty at the end of the file.

        :raises BluxSourceError: the file ends before its compressed data does.
        """
        if not self._decompressor.eof:
            if block := self._stored.take(self._step):
                return block
            raise BluxSourceError(
                f"{self._name} is cut off: it ends at byte {self._stored.position:,}, before its compressed data does."
            )
        # After the end, there may be another compressed file, or zeros that tapes and some tools add as padding.
        block = self._decompressor.unused_data.lstrip(b"\0")
        while not block:
            if not (stored := self._stored.take(_MOST)):
                return b""
            block = stored.lstrip(b"\0")
        self._decompressor = self._new()
        return block

    def _unpacked(self, packed: bytes) -> bytes:
        try:
            piece: bytes = self._decompressor.decompress(packed)
        except Exception as error:  # noqa: BLE001 - zlib.error, OSError, ZstdError: one for each library
            raise BluxSourceError(
                f"{self._name} is damaged, or not compressed as its suffix says: it cannot be unpacked before byte "
                f"{self._stored.position:,} ({type(error).__name__})."
            ) from None
        if len(piece) > _PIECE:
            self._step = max(_LEAST, self._step // 8)
        else:
            self._step = min(_MOST, self._step * 2)
        return piece

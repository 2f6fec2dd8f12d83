"""The bytes of a file as they were before it was compressed, with the place of whatever is wrong with them.

The readers of the standard library end at different faults in different ways, and that of ``zstandard`` takes a file
that was cut off for a whole one. So all three are driven alike here, by the block, and each must come to its end.
"""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

from airflow_provider_blux.exceptions import BluxError, BluxSourceError
from airflow_provider_blux.sources.extras import ZSTD, library

Compression = Literal["gz", "bz2", "zst"]

COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".bz2": "bz2", ".zst": "zst"}

_BUFFER = 1024 * 1024
# How much is unpacked at a time follows how well it is packed: at most this many bytes become a piece, or few more.
_PIECE = 1024 * 1024
_LEAST, _MOST = 64, 16 * 1024


def reader(file: BinaryIO, name: str, compression: Compression | None) -> io.BufferedReader:
    """Return a file to read from, whatever storage it lies in and however it is compressed.

    :param file: the file as the storage gives it; it stays open.
    :param name: what the file is called, for messages.
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
    """A file in a storage, whose library may raise whatever it likes."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.position = 0

    def readable(self) -> bool:
        return True

    def take(self, size: int) -> bytes:
        """Return the next bytes, none at the end.

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
    """A compressed file, unpacked; several compressed files in a row are one, as the tools have it."""

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
        """Return the next block; nothing at the end of the file, which must be the end of what was compressed."""
        if not self._decompressor.eof:
            if block := self._stored.take(self._step):
                return block
            raise BluxSourceError(
                f"{self._name} is cut off: it ends at byte {self._stored.position:,}, before its compressed data does."
            )
        # What follows is another compressed file, or the zeros that tapes and some tools fill up with.
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
        except Exception as error:  # noqa: BLE001 - zlib.error, OSError, ZstdError: each library has its own
            raise BluxSourceError(
                f"{self._name} is damaged, or not compressed as its suffix says: it cannot be unpacked before byte "
                f"{self._stored.position:,} ({type(error).__name__})."
            ) from None
        if len(piece) > _PIECE:
            self._step = max(_LEAST, self._step // 8)
        else:
            self._step = min(_MOST, self._step * 2)
        return piece


def unreadable(name: str, error: Exception, where: str = "") -> BluxError:
    """Return an error of a storage as one of ours; our own stay as they are.

    :param where: the place in the file.
    """
    if isinstance(error, BluxError):
        return error
    words = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return BluxSourceError(f"{name} cannot be read{where} ({type(error).__name__}{words}).")

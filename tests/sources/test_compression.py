"""Compressed bytes, as the tools write them."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any, cast

import pytest
import zstandard

from airflow_provider_blux.exceptions import BluxSourceError
from airflow_provider_blux.sources.compression import COMPRESSIONS, Compression, reader
from tests.sources.files import PACKERS

DATA = b"".join(b"%d\n" % (number * 7919 % 100_003) for number in range(50_000))
every_compression = pytest.mark.parametrize("compression", COMPRESSIONS.values())


def unpacked(content: bytes, compression: Compression) -> bytes:
    return reader(io.BytesIO(content), "f", compression).read()


@every_compression
def test_bytes_come_back_as_they_were(compression: Compression) -> None:
    pack = PACKERS[compression]

    assert unpacked(pack(DATA), compression) == DATA
    assert unpacked(pack(b""), compression) == b""


@every_compression
def test_files_put_together_are_one(compression: Compression) -> None:
    pack = PACKERS[compression]

    assert unpacked(pack(b"a\n") + pack(b"") + pack(DATA), compression) == b"a\n" + DATA


@every_compression
def test_zeros_that_fill_up_the_end_are_passed_over(compression: Compression) -> None:
    assert unpacked(PACKERS[compression](DATA) + bytes(100_000), compression) == DATA


@every_compression
def test_anything_else_behind_the_end_is_an_error(compression: Compression) -> None:
    with pytest.raises(BluxSourceError, match="f is damaged"):
        unpacked(PACKERS[compression](DATA) + b"more", compression)


def test_zstd_written_as_a_stream_or_with_frames_to_skip_is_read() -> None:
    packed = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as writer:
        writer.write(DATA)
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"  # RFC 8878, 3.1.2

    assert unpacked(skipped + packed.getvalue() + skipped, "zst") == DATA


@pytest.mark.parametrize("compression", ["gz", "zst"])  # a block of bzip2 is unpacked as a whole
def test_what_is_packed_a_thousandfold_is_unpacked_in_pieces(compression: Compression) -> None:
    packed = PACKERS[compression](bytes(100_000_000))
    tracemalloc.start()
    try:
        file = reader(io.BytesIO(packed), "f", compression)
        size = sum(iter(lambda: len(file.read(65_536)), 0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert size == 100_000_000
    assert peak < 20_000_000


class FailingStorage(io.BytesIO):
    """A storage that fails with an error of its library."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 1000:
            raise LookupError("john.doe@example.com")
        return super().read(900)


@pytest.mark.parametrize("compression", [None, *COMPRESSIONS.values()])
def test_whatever_a_storage_raises_is_told_with_its_place_and_without_its_words(compression: Any) -> None:
    packed = PACKERS[compression](DATA) if compression else DATA

    with pytest.raises(BluxSourceError) as raised:
        reader(cast("Any", FailingStorage(packed)), "f", compression).read()
    assert str(raised.value) == "f cannot be read at byte 1,800 (LookupError)."

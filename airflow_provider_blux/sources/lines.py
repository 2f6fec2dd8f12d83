"""Reads the lines of a text file, with a maximum length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from airflow_provider_blux.exceptions import BluxSourceError

# No record is as long. Without a limit, a file without line ends would be read into memory as a whole.
LONGEST_RECORD = 64 * 1024 * 1024


def unchecked_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines, including their line ends; a longer line than a record may be comes in parts."""
    return iter(partial(file.readline, LONGEST_RECORD), b"")


def lines_of(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines, including their line ends.

    :raises BluxSourceError: a line is longer than a record may be.
    """
    for number, line in enumerate(unchecked_lines(file), 1):
        check_length(line, number, name)
        yield line


def check_length(line: bytes, number: int, name: str) -> None:
    """Raise a :class:`BluxSourceError` if this is only a part of a line."""
    if len(line) == LONGEST_RECORD and not line.endswith(b"\n"):
        raise BluxSourceError(
            f"line {number:,} of {name} is longer than 64 MiB, which no record is.", retry_helps=False
        )

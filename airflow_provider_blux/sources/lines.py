"""Reads the lines of a text file, with a maximum length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, AnyStr

from airflow_provider_blux.exceptions import BluxSourceError

# No valid record is this long. Without a limit, a file without line ends would be read into memory as a whole.
LONGEST_RECORD = 64 * 1024 * 1024


def lines_of(file: IO[AnyStr], name: str, end: AnyStr) -> Iterator[AnyStr]:
    """Yield the lines of bytes or text, including their line ends.

    :param end: the line end, as bytes or text.
    :raises BluxSourceError: a line is longer than a record may be.
    """
    readline = file.readline  # looked up only once: files of fsspec look up each attribute with slow Python code
    number = 0
    while line := readline(LONGEST_RECORD):
        number += 1
        if len(line) == LONGEST_RECORD and not line.endswith(end):
            raise BluxSourceError(
                f"line {number:,} of {name} is longer than 64 MiB, which no record is.", retry_helps=False
            )
        yield line

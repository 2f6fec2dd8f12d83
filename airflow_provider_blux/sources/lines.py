"""Reads the lines of a text file, with a maximum length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import IO, AnyStr

from airflow_provider_blux.exceptions import BluxSourceError

# No valid record is this long. Without a limit, a file without line ends would be read into memory as a whole.
LONGEST_RECORD = 64 * 1024 * 1024
# The last item of a line: of bytes, of text.
_LINE_ENDS = (ord("\n"), "\n")


def lines_of(file: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """Yield the lines of bytes or text, including their line ends.

    :raises BluxSourceError: a line is longer than a record may be.
    """
    # `readline` is looked up only once, since files of fsspec look up each attribute with slow Python code.
    # `read(0)` is what `readline` returns at the end.
    for number, line in enumerate(iter(partial(file.readline, LONGEST_RECORD), file.read(0)), 1):
        if len(line) == LONGEST_RECORD and line[-1] not in _LINE_ENDS:
            raise BluxSourceError(
                f"line {number:,} of {name} is longer than 64 MiB, which no record is.", retry_helps=False
            )
        yield line

"""Lines of a text file, none of them without a bound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from airflow_provider_blux.exceptions import BluxSourceError

# No record is as long; without a bound a file without line ends would be brought into memory as a whole.
LONGEST_RECORD = 64 * 1024 * 1024


def lines_of(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines, each with its end.

    :param name: what the file is called, for messages.
    :raises BluxSourceError: a line is longer than a record may be.
    """
    number = 0
    while line := file.readline(LONGEST_RECORD):
        number += 1
        if len(line) == LONGEST_RECORD and not line.endswith(b"\n"):
            raise BluxSourceError(
                f"line {number:,} of {name} is longer than 64 MiB, which no record is.", retry_helps=False
            )
        yield line

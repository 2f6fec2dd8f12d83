"""Records from CSV: text, until a rule says otherwise."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Any, BinaryIO

from airflow_provider_blux.exceptions import BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.rows import LineRow, check_columns


def comma_separated(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield one record a row, all cells text, an empty cell null. The first row names the columns."""
    rows = csv.reader(_lines(file), strict=True)
    try:
        header = next(filter(None, rows), None)  # blank lines are passed over, above the header too
        if header is None:
            return
        check_columns(header, f"the header of {name}")
        width = len(header)
        for row in rows:
            if len(row) == width:
                yield LineRow(zip(header, [cell or None for cell in row] if "" in row else row))  # noqa: B905 - checked
            elif row:
                yield BluxRecordError(
                    None, f"line {rows.line_num} of {name} has {len(row)} cells, the header has {len(header)}"
                )
    except UnicodeDecodeError:
        raise BluxSourceError(f"line {rows.line_num + 1} of {name} is not UTF-8. Save the file as UTF-8.") from None
    except csv.Error as error:  # its words are fixed; they quote nothing
        raise BluxSourceError(f"{name} is not valid CSV ({error}) after line {rows.line_num}.") from None


def _lines(file: BinaryIO) -> Iterator[str]:
    for line in file:
        yield line.removeprefix(BOM_UTF8).decode()
        break
    yield from map(bytes.decode, file)

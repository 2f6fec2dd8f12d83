"""Records from the bytes of one file: JSON lines, a JSON array, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

from airflow_provider_blux.exceptions import BluxRecordError, BluxSourceError

FileFormat = Literal["jsonl", "json", "csv"]


def json_lines(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield one record a line; blank lines are passed over."""
    for number, line in enumerate(file, 1):
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - a byte order mark, as Windows writes it
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield BluxRecordError(None, f"line {number} of {name} is not JSON (cut off, or not UTF-8)")


def json_array(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield the items of a JSON array."""
    try:
        document = json.loads(file.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BluxSourceError(f"{name} is not JSON{where} (cut off, or another format; see file_format).") from None
    if not isinstance(document, list):
        raise BluxSourceError(f"{name} holds no JSON array. One object a line is file_format='jsonl'.")
    yield from document


def comma_separated(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield one record a row, all cells text, an empty cell null. The first row names the columns."""
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    rows = csv.reader(lines, strict=True)
    try:
        header = next(filter(None, rows), None)  # blank lines are passed over, above the header too
        if header is None:
            return
        _check_header(header, name)
        for row in rows:
            if len(row) == len(header):
                yield {column: cell or None for column, cell in zip(header, row, strict=True)}
            elif row:
                yield BluxRecordError(
                    None, f"line {rows.line_num} of {name} has {len(row)} cells, the header has {len(header)}"
                )
    except (csv.Error, UnicodeDecodeError) as error:
        what = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"is not valid CSV ({error})"
        raise BluxSourceError(f"{name} {what} after line {rows.line_num}.") from None
    finally:
        lines.detach()


def _check_header(header: list[str], name: str) -> None:
    if "" in header:
        raise BluxSourceError(f"{name}: column {header.index('') + 1} of the header has no name.")
    if twice := sorted({column for column in header if header.count(column) > 1}):
        raise BluxSourceError(f"{name}: the header names {', '.join(twice)} twice; one of the two would be lost.")


READERS: dict[FileFormat, Callable[[BinaryIO, str], Iterator[Any]]] = {
    "jsonl": json_lines,
    "json": json_array,
    "csv": comma_separated,
}
SUFFIXES: dict[str, FileFormat] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv"}

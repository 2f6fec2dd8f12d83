"""Chooses the reader of a file by its suffixes or ``file_format``, and checks the first bytes of the file."""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.extras import PARQUET, ZSTD, library
from airflow_provider_blux.sources.compression import COMPRESSIONS, Compression, reader
from airflow_provider_blux.sources.csv_text import Dialect, comma_separated
from airflow_provider_blux.sources.json_text import json_array, json_lines
from airflow_provider_blux.sources.parquet import parquet_rows
from airflow_provider_blux.sources.rejects import rejected_records
from airflow_provider_blux.sources.rows import LineRow

FileFormat = Literal["jsonl", "json", "csv", "parquet", "rejects"]
"""``"jsonl"``, ``"json"``, ``"csv"``, ``"parquet"``, or ``"rejects"`` for the files that ``rejects_path`` keeps."""

FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
SUFFIXES: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}

# First bytes of binary formats, which are never the start of a text file.
_NO_TEXT = {
    b"\x1f\x8b": "compressed with gzip; name it .gz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; name it .zst",
    b"BZh91AY&SY": "compressed with bzip2; name it .bz2",
    b"Obj\x01": "Avro; export it as JSON lines, CSV or Parquet",
    b"PAR1": "Parquet; name it .parquet, or set file_format",
    b"PK\x03\x04": "a zip archive or a workbook; export it as CSV",
    b"\xd0\xcf\x11\xe0": "an xls workbook; export it as CSV",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# The start of a JSON array; blanks and a byte order mark may come before it.
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[")


class Layout(NamedTuple):
    """Format, compression and CSV dialect of a file."""

    file_format: FileFormat
    compression: Compression | None
    dialect: Dialect = Dialect()


def format_by_suffix(name: str) -> FileFormat | None:
    """Return the format that the suffix of a file stands for; ``None`` for any other suffix."""
    path = PurePosixPath(name)
    is_compressed = path.suffix.lower() in COMPRESSIONS
    return SUFFIXES.get((path.with_suffix("") if is_compressed else path).suffix.lower())


def layout_of(name: str, file_format: FileFormat | None, dialect: Dialect = Dialect()) -> Layout:  # noqa: B008 - frozen
    """Return format, compression and CSV dialect of a file, and check that the needed libraries are installed.

    :param name: name of the file. Its suffixes tell the compression and, without ``file_format``, the format.
    :param file_format: the format; ``None`` to detect it by the suffix.
    :raises BluxConfigError: the format is unknown, a library is missing, or a Parquet file is in a compressed file.
    """
    compression = COMPRESSIONS.get(PurePosixPath(name).suffix.lower())
    found = file_format or format_by_suffix(name)
    if found is None:
        raise BluxConfigError(
            f"The format of {name} cannot be told from its suffix. Set file_format to one of {', '.join(FORMATS)}, or "
            "narrow path to the files that are meant."
        )
    if found == "parquet":
        if compression:
            raise BluxConfigError(f"{name}: Parquet is compressed within and cannot be read from .{compression}.")
        library(PARQUET, name)
    if compression == "zst":
        library(ZSTD, name)
    return Layout(found, compression, dialect)


def records(
    file: BinaryIO,
    name: str,
    layout: Layout,
    *,
    operation: str | None = None,
    check_columns_of: Callable[[LineRow], object] | None = None,
) -> Iterator[Any]:
    """Yield the records of a file.

    :param layout: the format, compression and CSV dialect of the file.
    :param operation: the operation that sends the records; see :func:`rejected_records`.
    :param check_columns_of: checks the column names of a CSV file that has only one line; see :func:`comma_separated`.
    :raises BluxConfigError: the file is in another format or encoding than ``layout``; the message names the fix.
    :raises BluxSourceError: the file cannot be read.
    """
    if layout.file_format == "parquet":
        return parquet_rows(file, name)
    text = reader(file, name, layout.compression)
    _check_beginning(text, name, layout)
    match layout.file_format:
        case "csv":
            return comma_separated(text, name, layout.dialect, check_columns_of)
        case "rejects":
            return rejected_records(text, name, operation)
        case "json":
            return json_array(text, name)
        case "jsonl":
            return json_lines(text, name)


def _check_beginning(text: io.BufferedReader, name: str, layout: Layout) -> None:
    beginning = text.peek(4)
    for no_text, what in _NO_TEXT.items():
        if beginning.startswith(no_text):
            raise BluxSourceError(f"{name} is not {layout.file_format}: it is {what}.", retry_helps=False)
    if beginning.startswith(_UTF_16) and layout.dialect.encoding == Dialect().encoding:
        way_out = "set encoding='utf-16'" if layout.file_format == "csv" else "save it as UTF-8"
        raise BluxConfigError(f"{name} is UTF-16 text; {way_out}.")
    if layout.file_format == "csv" and beginning.startswith(BOM_UTF8) and layout.dialect.encoding != Dialect().encoding:
        raise BluxConfigError(f"{name} begins with the byte order mark of UTF-8. Leave encoding out.")
    if layout.file_format == "jsonl" and _ARRAY.match(beginning):
        raise BluxConfigError(f"{name} begins with a JSON array, not with an object a line. Set file_format='json'.")

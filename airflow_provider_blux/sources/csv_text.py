"""Reads records from CSV files; all values are text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import IO, Any, BinaryIO, NamedTuple

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.lines import LONGEST_RECORD, lines_of
from airflow_provider_blux.sources.rows import LineRow, check_columns

# The reader's error for a file that ends inside quotes: the producer of the file may not have finished.
_CUT_OFF = "unexpected end of data"
# The reader's error for a carriage return without a line feed; it asks how the file was opened.
_LONE_RETURN = "new-line character seen"
_BYTE_ORDER_MARK = "\ufeff"
_DELIMITERS = re.compile(r"[,;\t|]")


class Dialect(NamedTuple):
    """Encoding and delimiter of a CSV file; UTF-8 text may start with a byte order mark."""

    encoding: str = "utf-8"
    delimiter: str = ","


def dialect_of(encoding: str | None = None, delimiter: str | None = None) -> Dialect:
    """Check an encoding and a delimiter, and return them as a dialect.

    :param encoding: name of a text encoding of Python; ``None`` for UTF-8.
    :param delimiter: one character; ``None`` for a comma.
    :raises BluxConfigError: an argument is wrong; the message names it.
    """
    default = Dialect()
    return Dialect(
        default.encoding if encoding is None else _checked_encoding(encoding),
        default.delimiter if delimiter is None else _checked_delimiter(delimiter),
    )


def _checked_encoding(encoding: Any) -> str:
    try:
        "".encode(encoding)
        name = codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):
        raise BluxConfigError(
            "encoding must be the name of a text encoding that Python knows, such as utf-8, cp949 or utf-16."
        ) from None
    return "utf-8" if name == "utf-8-sig" else name  # a byte order mark is skipped in both cases


def _checked_delimiter(delimiter: Any) -> str:
    if isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n\0':
        return delimiter
    raise BluxConfigError("delimiter must be one character, neither a quote nor a line break; a tab is '\\t'.")


def comma_separated(
    file: BinaryIO,
    name: str,
    dialect: Dialect = Dialect(),  # noqa: B008 - frozen
    check_columns_of: Callable[[LineRow], object] | None = None,
) -> Iterator[Any]:
    """Yield one record for each row after the first row, which has the column names.

    Cells are text, and empty cells are null. An error takes the place of a row with a wrong number of cells, or of a
    row that repeats the header. Blank lines are skipped.

    :param check_columns_of: called if the file has only one line, which may be a record instead of the header. Its
        argument is a row with the cells of this line as column names, and nulls as values. It raises a
        :class:`BluxConfigError` if the names are wrong.
    :raises BluxConfigError: the encoding or the delimiter of the file is not that of ``dialect``.
    :raises BluxSourceError: the file is empty, is not CSV, or has columns without a name or with the same name.
    """
    _allow_long_cells()
    text = io.TextIOWrapper(file, dialect.encoding, newline="\n")
    rows = csv.reader(_lines(text, name), strict=True, delimiter=dialect.delimiter)
    try:
        header = next(filter(None, rows), None)  # blank lines are skipped, also before the header
        if header is None:
            raise BluxSourceError(
                f"{name} is empty: it has no header, so its export has probably failed. A table without rows still has "
                "a header."
            )
        _check_header(header, name, dialect)
        first = next(filter(None, rows), None)
        if first is None:
            if check_columns_of:
                try:
                    check_columns_of(LineRow(dict.fromkeys(header)))
                except BluxConfigError as error:
                    raise error.located(name) from None
            return
        headers, width = _forms_of(header), len(header)
        for row in chain([first], rows):
            if row in headers:
                yield BluxRecordError(
                    None, f"line {rows.line_num} of {name} is the header again, as in joined files; remove it"
                )
            elif len(row) == width:
                yield LineRow(zip(header, [cell or None for cell in row] if "" in row else row))  # noqa: B905 - checked
            elif row:
                yield BluxRecordError(
                    None, f"line {rows.line_num} of {name} has {len(row)} cells, the header has {len(header)}"
                )
    except UnicodeError as error:
        if _is_cut_off(error, file):
            raise BluxSourceError(f"{name} is cut off within a character of its last line.") from None
        line = rows.line_num + 1 + _line_ends_before(error)
        raise BluxConfigError(_not_of(dialect.encoding, f"line {line} of {name}")) from None
    except csv.Error as error:
        what = str(error)  # fixed texts without values
        if what.startswith(_LONE_RETURN):
            what = "a carriage return outside of quotes; end each line with a line feed, as Windows and Linux do"
        raise BluxSourceError(
            f"{name} is not valid CSV ({what}) after line {rows.line_num}.", retry_helps=what == _CUT_OFF
        ) from None


def _forms_of(header: Sequence[str]) -> list[list[str]]:
    """Return the lists of cells that the CSV reader may return for a line that repeats the header.

    A file that was concatenated from several files repeats its header. The first cell of a repeated header may start
    with a byte order mark. If so, the CSV reader does not remove the quotes around this cell.
    """
    first, *others = header
    return [[form, *others] for form in (first, f"{_BYTE_ORDER_MARK}{first}", f'{_BYTE_ORDER_MARK}"{first}"')]


def _allow_long_cells() -> None:
    """Raise Python's limit for the length of a CSV cell to the maximum length of a record.

    The limit is that of the process, and is not restored, since other code may be reading CSV at the same time.
    """
    if csv.field_size_limit() < LONGEST_RECORD:
        csv.field_size_limit(LONGEST_RECORD)


def _check_header(header: Sequence[str], name: str, dialect: Dialect) -> None:
    if len(header) == 1 and (others := _DELIMITERS.findall(header[0].replace(dialect.delimiter, ""))):
        raise BluxConfigError(
            f"The header of {name} is one column that holds {others[0]!r}. Set delimiter={others[0]!r}, or name the "
            "column without it."
        )
    if "\0" in "".join(header):
        raise BluxConfigError(_not_of(dialect.encoding, f"the header of {name}"))
    check_columns(header, f"the header of {name}")


def _not_of(encoding: str, where: str) -> str:
    return (
        f"{where} is not {encoding.upper()}. Set encoding to that of the file, such as encoding='cp949', which Excel "
        "writes in Korea, or 'utf-16'; or save the file as UTF-8."
    )


def _line_ends_before(error: UnicodeError) -> int:
    """Return the number of line ends between the start of the bytes that could not be decoded, and the fault in them.

    These lines have not been counted yet, since a file is decoded in blocks.
    """
    if not isinstance(error, UnicodeDecodeError):
        return 0
    return error.object[: error.start].decode(error.encoding, "replace").count("\n")


def _is_cut_off(error: UnicodeError, file: BinaryIO) -> bool:
    """Return whether the bytes that could not be decoded are the last ones of the file."""
    return isinstance(error, UnicodeDecodeError) and error.end == len(error.object) and not file.read(1)


def _lines(text: IO[str], name: str) -> Iterator[str]:
    """Yield the lines of a file without the byte order mark at its start.

    A codec whose name tells the byte order, such as UTF-16-LE, decodes the mark to a character like any other.
    """
    lines = lines_of(text, name, "\n")
    yield next(lines, "").lstrip(_BYTE_ORDER_MARK)
    yield from lines

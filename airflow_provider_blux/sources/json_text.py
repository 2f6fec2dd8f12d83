r"""Reads records from JSON, one for each line or one for each item of an array, with the values of ``json.loads``.

Lines are parsed by ``msgspec``, which is faster than the standard library. A line that ``msgspec`` refuses is parsed
again by the standard library.

An array is read with the standard library's parser, item by item in a moving window. ``ijson`` is not used, because its
fast parser silently changes a lone surrogate (``"\ud800"``), and its exact parser is slow.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from airflow_provider_blux.exceptions import BluxError, BluxRecordError, BluxSourceError
from airflow_provider_blux.json_objects import REASON, RepeatedKeyError, check, loads, object_of
from airflow_provider_blux.sources.lines import LONGEST_RECORD, lines_of

_BLANK = re.compile(r"[ \t\r\n]*")
_WINDOW = 256 * 1024
# Length of the longest token that the parser refuses if its end is missing: an escaped surrogate pair.
_LONGEST_TOKEN = 12
_BLANKS = b" \t\r\n"
_ENDS_OF_NUMBER = frozenset(" \t\r\n,]")
# What a file may have after the last digit if it is cut off within a number.
_STARTS_OF_REST = frozenset(("", ".", "e", "e+", "e-"))


def json_lines(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield one record for each line, or an error in place of a line that is not valid; skip blank lines."""
    from msgspec import MsgspecError  # imported here, since DAG parsing does not need it
    from msgspec.json import Decoder

    decode = Decoder().decode
    for number, line in enumerate(lines_of(file, name, b"\n"), 1):
        try:
            record = decode(line)
            # The first step of `check`, repeated here to save the call.
            if type(record) is not dict or line.count(b":") != len(record):
                check(line, record)
            yield record
        except RepeatedKeyError as error:
            yield _rejected(error)
        except (MsgspecError, ValueError, RecursionError):
            # A blank line, NaN or a lone surrogate: parse the line again with the standard library.
            yield from _judged(line, number, name)


def _judged(line: bytes, number: int, name: str) -> list[Any]:
    """Parse a line with the standard library; return its record or error in a list, which is empty for a blank line.

    :raises BluxSourceError: the line holds several objects. If it were rejected, only one record would be counted.
    """
    fault = BluxRecordError(None, f"line {number} of {name} is not JSON (cut off, or not UTF-8)")
    try:
        # In a file concatenated from several files, a byte order mark may come at the start of any line.
        text = line.removeprefix(codecs.BOM_UTF8).strip(_BLANKS).decode()
    except UnicodeDecodeError:
        return [fault]
    try:
        return [loads(text)] if text else []
    except RepeatedKeyError as error:
        fault = _rejected(error)
    except (ValueError, RecursionError):
        pass
    if _holds_several(text):
        raise BluxSourceError(
            f"Line {number} of {name} holds several objects, so their number is unknown. Write each on a line of "
            "its own; Amazon Data Firehose does so with the new line delimiter.",
            retry_helps=False,
        )
    return [fault]


def _holds_several(text: str) -> bool:
    """Return whether an object follows the first value of a line, whatever keys that value has."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip(" \t\r").startswith("{")


def _rejected(error: RepeatedKeyError) -> BluxRecordError:
    return BluxRecordError(error.key, REASON)


def json_text(text: str, name: str) -> Any:
    """Parse JSON text.

    In a list, a :class:`BluxRecordError` takes the place of an item with an object that has a key twice, with different
    values.

    :param name: what the text is, for error messages.
    :raises ValueError: the text is not JSON.
    :raises BluxSourceError: the text is not a list, and an object in it has a key twice, with different values.
    """
    try:
        return loads(text)
    except RepeatedKeyError:
        return list(json_array(io.BytesIO(text.encode()), name))


def json_array(file: BinaryIO, name: str) -> Iterator[Any]:
    """Yield the items of a JSON array; only the part of the file around the current item is held in memory.

    An error takes the place of an item that has a key twice, with different values.

    :raises BluxSourceError: the file is not a JSON array.
    """
    return iter(_Array(file, name))


class _Array:
    """A JSON array during reading.

    It holds a window (a part of the text), the position in the window, and the number of characters before the window.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")()
        self._item_at = json.JSONDecoder(object_pairs_hook=self._object).raw_decode
        self._repeated: RepeatedKeyError | None = None
        self._text = ""
        self._at = 0
        self._before = 0
        self._items = 0
        self._undecodable = self._ends_undecoded = False

    def __iter__(self) -> Iterator[Any]:
        start = self._mark()
        if start and start != "[":
            raise BluxSourceError(
                f"{self._name} holds no JSON array. One object a line is file_format='jsonl'.", retry_helps=False
            )
        self._pass("[")
        if self._mark() != "]":
            yield self._item()
            while self._mark() == ",":
                self._pass(",")
                self._mark()
                yield self._item()
        self._pass("]")
        if self._mark():
            raise self._fault(self._at)

    def _mark(self) -> str:
        """Move to the next character that is not blank, and return it; return an empty text at the end of the file."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # it always matches
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def _pass(self, mark: str) -> None:
        if (found := self._mark()) != mark:
            raise self._fault(self._at, is_cut_off=not found)
        self._at += 1

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        try:
            return object_of(pairs)
        except RepeatedKeyError as error:
            self._repeated = error
            return {}

    def _item(self) -> Any:
        while True:
            self._repeated = None
            try:
                item, end = self._item_at(self._text, self._at)
            except json.JSONDecodeError as error:
                if not (may_go_on := self._may_go_on(error)) or not self._grow():
                    raise self._fault(error.pos, is_cut_off=may_go_on) from None
                continue
            except (ValueError, RecursionError):  # a number with thousands of digits, or nesting that is too deep
                raise self._fault(self._at) from None
            # A number at the end of the window may continue after it, as 1 does in `1e+5`.
            if len(self._text) - end >= len("e+5") or not self._grow():
                self._check_number(item, end)
                self._at = end
                self._items += 1
                return _rejected(self._repeated) if self._repeated else item

    def _check_number(self, item: Any, end: int) -> None:
        """Check that an item that ends at ``end`` is no number that was cut off, and so the id of another user."""
        if isinstance(item, int | float) and self._text[end : end + 1] not in _ENDS_OF_NUMBER:
            raise self._fault(end, is_cut_off=self._text[end:].lower() in _STARTS_OF_REST)

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Return whether an error of the parser may be due to the end of the window, not to wrong JSON."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _LONGEST_TOKEN

    def _grow(self) -> bool:
        """Read more text into the window, and drop the text before the position; return ``False`` at the file's end.

        The window grows as long as the current item does not fit into it.
        """
        ahead = len(self._text) - self._at
        if ahead > LONGEST_RECORD:
            raise self._fault(self._at)
        if self._undecodable:
            raise self._fault(len(self._text), "UTF-8", is_cut_off=self._ends_undecoded)
        data = self._file.read(max(_WINDOW, ahead))
        try:
            text = self._bytes.decode(data, final=not data)
        except UnicodeDecodeError as error:
            self._undecodable, self._ends_undecoded = True, not data  # raised later, after the items before the fault
            text = error.object[: error.start].decode()
        if not (text or data or self._undecodable):
            return False
        self._text = self._text[self._at :] + text
        self._before += self._at
        self._at = 0
        return True

    def _fault(self, position: int, what: str = "JSON", *, is_cut_off: bool = False) -> BluxError:
        """Return the error of a file that is not valid.

        :param position: the position of the fault in the window.
        :param what: the format or encoding that the file violates: ``JSON`` or ``UTF-8``.
        :param is_cut_off: whether the file ends too early, so that it may be complete at the next try.
        """
        return BluxSourceError(
            f"{self._name} is not {what} at character {self._before + position:,}, after {self._items:,} records (cut "
            "off, or another format; see file_format).",
            retry_helps=is_cut_off,
        )

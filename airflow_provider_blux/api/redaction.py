"""Redacts all values of a request in the API's error message.

An API may repeat the value that it refuses: whole or in part, escaped or in capitals. The message should be shown, but
no value may reach a log. If a value cannot be separated from the rest of the message, the message is not shown at all.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

LONGEST = 300
REDACTED = "***"
# At most this many characters of a message are read, even if most of them are redacted.
_MOST_READ = 8_192
# Placeholder for a redacted value until the message is checked; it cannot occur in the message, which is one line.
_MARK = "\n"

# Matches only at the start of a word. Otherwise a long word would be searched again from each of its letters.
_EMAIL = re.compile(r"(?<![^\s\"'<>@,;])[^\s\"'<>@,;]++@[^\s\"'<>@,;]+")
_DIGITS = re.compile(r"\d(?:[\s().-]?\d){4,}")
_CUT_OFF = re.compile(r"…|\.\.\.")
_WORD = re.compile(r"\w+")
_TAGS = re.compile(r"<[^<>]*>")
# JSON escapes. A character outside the first 65,536 is written as two ``\u`` escapes.
_ESCAPED = re.compile(r"\\[\"\\/bfnrt]|(?:\\u[0-9A-Fa-f]{4})+")
_ANY_ESCAPE = re.compile(r"[\\&%]")
# What is left of an escape, or of a character in UTF-8 or UTF-16, that was cut off in the middle.
_CUT_ESCAPE = re.compile(r"(?:[\ud800-\udfff\ufffd]{1,3}|\\{1,8}u?[0-9A-Fa-f]{0,3}|%[0-9A-Fa-f]?|&#?\w*)(?=…|\.\.\.)")
# Enough for JSON in JSON in an HTML page. One more pass checks that no escape is left.
_MOST_ESCAPES = 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Values of at least this length are redacted inside words, too; shorter ones only as separate words.
_LONG_ASCII, _LONG_OTHER = 4, 2


def redacted_message(answer: bytes, request: Any = None, secrets: Iterable[str] = ()) -> str:
    """Return the error message in an answer, at most 300 characters, with all values of the request redacted.

    Empty if there is no message, or if it may still contain a value.

    :param answer: the body of the answer.
    :param request: the body of the request, decoded from JSON; ``None`` for no request.
    :param secrets: more values to redact.
    """
    values = _Values([*_texts_in(request), *secrets])
    shown = _redacted(_unescaped(_text_of(answer)), values)
    if values.remain_in(shown):
        return ""
    shown = shown.replace(_MARK, REDACTED)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _redacted(text: str, values: _Values) -> str:
    """Return a text with a mark in place of each value.

    The result is cut off after about twice ``LONGEST`` characters; the caller cuts it to the exact length.
    """
    folded = text.translate(_FOLDED_LETTERS)
    cuts = [cut.start() for cut in _CUT_OFF.finditer(text)]
    shown: list[str] = []
    redacted = 0  # where the last value ends; a value that overlaps it is redacted with it
    for at in range(min(len(text), _MOST_READ)):
        is_start = at == redacted or not _continues(text, at)
        stops = cuts[bisect_left(cuts, at) :][:1]
        # The word after a value may belong to a longer value that the API has cut off without an ellipsis.
        if redacted and text[redacted:at] == " " and (word := _WORD.match(text, at)):
            stops.append(word.end())
        ends = [stop for stop in stops if values.begin_with(folded[at:stop], is_start=is_start)]
        ends += [match.end() for pattern in (_EMAIL, _DIGITS) if (match := pattern.match(text, at))]
        end = max([values.end(folded, at, is_start=is_start), *ends])
        if at >= redacted:
            shown.append(_MARK if end > at else text[at])
        if end > at:
            redacted = max(redacted, end)
        if len(shown) > 2 * LONGEST:
            return "".join(shown) + "_"  # so that half a word at the end is not taken for a value
    return "".join(shown)


class _Values:
    """An index of the values to redact and of the words in them; lookups stay fast with many values."""

    def __init__(self, texts: Iterable[str]) -> None:
        whole = {_in_one_line(text) for text in set(texts)}
        # Unescaping the answer also changes values that look like escapes, so the unescaped form is added.
        whole |= {_unescaped(value) for value in whole if _ANY_ESCAPE.search(value)}
        whole |= {_in_one_line(_TAGS.sub(" ", value)) for value in whole if "<" in value}  # as in an answer in HTML
        whole.discard("")
        words = {word for value in whole if " " in value for word in _words(value)}
        self._inside = {value for value in whole if _is_long(value)} | {word for word in words if not word.isascii()}
        self._alone = (whole | words) - self._inside
        self._anywhere = {value.translate(_FOLDED_LETTERS) for value in self._inside}
        self._as_words = {value.translate(_FOLDED_LETTERS) for value in self._alone}
        self._in_order = sorted(self._anywhere | self._as_words)
        lengths: dict[str, set[int]] = defaultdict(set)
        for value in self._in_order:
            lengths[value[0]].add(len(value))
        self._lengths = {first: sorted(several, reverse=True) for first, several in lengths.items()}

    def end(self, folded: str, at: int, *, is_start: bool) -> int:
        """Return the end of the longest value that starts at a position; the position itself if there is none.

        :param folded: the text, with each letter replaced by its case-insensitive form.
        :param at: the position.
        :param is_start: whether a word starts there. If not, values that are redacted only as whole words are ignored.
        """
        for length in self._lengths.get(folded[at], ()):
            value = folded[at : at + length]
            end = at + len(value)
            if value in self._anywhere or (is_start and value in self._as_words and not _continues(folded, end)):
                return end
        return at

    def begin_with(self, beginning: str, *, is_start: bool) -> bool:
        """Return whether a text may be the beginning of a value to redact, or of a word in one, that was cut off.

        :param beginning: the text. If it is too short to be redacted, the result is ``False``.
        :param is_start: whether the text is at the start of a word or follows a redacted value. If not, the result for
            ASCII text is ``False``: a value in ASCII is redacted only where a word starts.
        """
        if not _is_long(beginning) or (beginning.isascii() and not is_start):
            return False
        at = bisect_left(self._in_order, beginning)
        return at < len(self._in_order) and self._in_order[at].startswith(beginning)

    def remain_in(self, text: str) -> bool:
        """Return whether a text still contains a value, in capitals or not.

        Unlike :meth:`end`, this also finds a value whose length changes in capitals (``Weiß``, ``WEISS``).
        """
        folded = _folded(text)
        alone = [value for value in map(_folded, self._alone) if value in folded]
        return any(_folded(value) in folded for value in self._inside) or any(
            re.search(rf"(?<!\w){re.escape(value)}(?!\w)", folded) for value in alone
        )


class _FoldedLetters(dict[int, str]):
    """Maps each letter to its case-insensitive form if that is a single letter, and otherwise to itself.

    So the length of a text does not change.
    """

    def __missing__(self, code: int) -> str:
        folded = chr(code).upper().casefold()
        return self.setdefault(code, folded if len(folded) == 1 else chr(code))


_FOLDED_LETTERS = _FoldedLetters()


def _folded(text: str) -> str:
    """Return a case-insensitive form of a text; ``ı`` and ``i`` become equal, since their capitals are equal."""
    return unicodedata.normalize("NFC", text.upper().casefold())


def _continues(text: str, at: int) -> bool:
    """Return whether a position is inside a word. A Korean particle after a Latin word or number is a new word."""
    pair = text[at - 1 : at + 1] if at else ""
    return len(pair) == 2 and _WORD.fullmatch(pair) is not None and pair[0].isascii() == pair[1].isascii()


def _is_long(value: str) -> bool:
    return len(value) >= (_LONG_ASCII if value.isascii() else _LONG_OTHER)


def _words(value: str) -> Iterator[str]:
    for word in value.split():
        stripped = word.strip(".,;:!?()[]{}<>\"'")
        if _is_long(stripped):
            yield stripped


def _in_one_line(text: str) -> str:
    """Return a text in one line and in composed Unicode form (NFC)."""
    return unicodedata.normalize("NFC", " ".join(_CONTROL.sub(" ", text).split()))


def _unescaped(text: str) -> str:
    """Return a text in one line without JSON, HTML and URL escapes; an empty text if they cannot be resolved."""
    for _ in range(_MOST_ESCAPES + 1):
        text = _CUT_ESCAPE.sub("", text).replace("\\'", "'")  # JSON does not escape the apostrophe; Python and SQL do
        try:
            plain = unquote(html.unescape(_ESCAPED.sub(lambda escaped: json.loads(f'"{escaped[0]}"'), text)))
        except ValueError:  # a character reference with thousands of digits
            return ""
        if plain == text:
            return _in_one_line(text.encode("utf-8", "replace").decode())  # a lone surrogate becomes "?"
        text = plain
    return ""


def _text_of(answer: bytes) -> str:
    try:
        document = json.loads(answer)
        if isinstance(document, dict):
            document = next(
                (document[key] for key in ("message", "error", "detail", "errors") if document.get(key)), ""
            )
        return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = _TAGS.sub(" ", answer.decode("utf-8", "replace")).strip()
        return f"{text}…" if text.startswith(("{", "[")) else text  # truncated JSON, which may end within a value


def _texts_in(request: Any) -> Iterator[str]:
    """Yield every value in the request as text; keys are names of fields, not values."""
    if isinstance(request, dict):
        for item in request.values():
            yield from _texts_in(item)
    elif isinstance(request, list | tuple):
        for item in request:
            yield from _texts_in(item)
    elif isinstance(request, str):
        yield request
    elif isinstance(request, int | float) and not isinstance(request, bool):
        yield str(request)

"""The API's own words about a refusal, with everything blacked out that the request carried.

An API may repeat the value that it refuses, whole or in part, escaped or in capitals. Its words are worth showing, the
value must not reach a log. Where one cannot be told from the other words, none of them is shown.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

LONGEST = 300
BLACK = "***"

# Both begin where a word begins: else a long one would be searched from each of its letters to its end.
_EMAIL = re.compile(r"(?<![^\s\"'<>@,;])[^\s\"'<>@,;]+@[^\s\"'<>@,;]+")
# A word behind a blacked-out one may be the rest of its value, cut off without a sign.
_CUT_OFF = re.compile(r"(?<!\w)\w{2,}(?=…|\.\.\.)|(?<=\*\*\* )\w{2,}")
_DIGITS = re.compile(r"\d(?:[\s().-]?\d){4,}")
_TAGS = re.compile(r"<[^>]*>")
# What JSON writes for other characters; a character beyond the first 65,536 takes two of the second kind.
_ESCAPED = re.compile(r"\\[\"\\/bfnrt]|(?:\\u[0-9A-Fa-f]{4})+")
_ANY_ESCAPE = re.compile(r"[\\&%]")
# JSON in JSON in a page of HTML; deeper nobody looks.
_MOST_ESCAPES = 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# From this length on a value is looked for inside words too; below it only as a word of its own.
_LONG_ASCII, _LONG_OTHER = 4, 2


def said(answer: bytes, sent: Any = None, secrets: Iterable[str] = ()) -> str:
    """Return what an answer says, at most 300 characters, without a value of the request; nothing if that fails.

    :param answer: the body of the answer.
    :param sent: the body of the request, as the object that was encoded.
    :param secrets: more values to black out.
    """
    whole = {_composed(value) for value in (*_values(sent), *secrets)} - {""}
    # What looks like an escape in a value is taken for one in the answer, too.
    whole |= {_unescaped(value) for value in whole if _ANY_ESCAPE.search(value)} - {""}
    text = _without(_unescaped(_text_of(answer)), whole, _parts(whole))
    text = _DIGITS.sub(BLACK, _EMAIL.sub(BLACK, text))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _without(text: str, whole: set[str], parts: set[str]) -> str:
    """Return a text without the values, and without the parts that can be told from words of the API's own.

    Nothing of it where one is left.
    """
    folded = _folded(text)
    # A thousand records have more values than a pattern is fast with; hardly any of them stands in an answer.
    found = {value for value in whole if _folded(value) in folded}
    inside = {value for value in found if _is_long(value)}
    alone = {value for value in found - inside | parts if _folded(value) in folded}
    inside |= {part for part in alone & parts if not part.isascii()}
    alone -= inside
    for pattern in _patterns(inside, alone):
        text = re.sub(pattern, BLACK, text, flags=re.IGNORECASE)
    # A pattern does not know that WEISS is Weiß in capitals.
    rest = _folded(text.replace(BLACK, "\n"))
    if any(re.search(pattern, rest) for pattern in _patterns(map(_folded, inside), map(_folded, alone))):
        return ""
    is_begun = _beginnings(whole | parts)
    return _CUT_OFF.sub(lambda word: BLACK if is_begun(word[0]) else word[0], text)


def _patterns(inside: Iterable[str], alone: Iterable[str]) -> tuple[str, str]:
    return _any_of(inside), rf"(?<!\w)(?:{_any_of(alone)})(?!\w)"


def _any_of(values: Iterable[str]) -> str:
    """Return a pattern that matches any of the values, the longest first; nothing where there are none."""
    return "|".join(map(re.escape, sorted(values, key=len, reverse=True))) or "(?!)"


def _beginnings(values: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a value, or a word of it, begins like a word that may be cut off."""
    in_order = sorted(map(_folded, values))

    def is_begun(word: str) -> bool:
        beginning = _folded(word)
        at = bisect_left(in_order, beginning)
        return _is_long(word) and at < len(in_order) and in_order[at].startswith(beginning)

    return is_begun


def _composed(text: str) -> str:
    """Return a text with each letter and its accents as one character, where there is one for them."""
    return unicodedata.normalize("NFC", text)


def _folded(text: str) -> str:
    """Return a text so that its spellings in capitals are the same; those of ``ı`` and ``i`` are."""
    return _composed(text.upper().casefold())


def _is_long(value: str) -> bool:
    return len(value) >= (_LONG_ASCII if value.isascii() else _LONG_OTHER)


def _parts(values: Iterable[str]) -> set[str]:
    """Return the words of the values that are several."""
    several = (value.split() for value in values if " " in value)
    stripped = {word.strip(".,;:!?()[]{}<>\"'") for words in several for word in words}
    return {word for word in stripped if _is_long(word)}


def _unescaped(text: str) -> str:
    """Return a text in one line, without the escapes of JSON, HTML and URLs, behind which no value is recognised."""
    for _ in range(_MOST_ESCAPES):
        plain = unquote(html.unescape(_ESCAPED.sub(_meant, text)))
        if plain == text:
            break
        text = plain
    return _composed(" ".join(_CONTROL.sub(" ", text).split()))


def _meant(escaped: re.Match[str]) -> str:
    meant: str = json.loads(f'"{escaped[0]}"')
    return meant.encode("utf-8", "replace").decode()  # half a character


def _text_of(answer: bytes) -> str:
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        return _TAGS.sub(" ", answer.decode("utf-8", "replace"))
    if isinstance(document, dict):
        for key in ("message", "error", "detail", "errors"):
            if document.get(key):
                document = document[key]
                break
        else:
            return ""
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)


def _values(sent: Any) -> Iterator[str]:
    """Yield every value in the request as text; keys are names of fields, not values."""
    if isinstance(sent, dict):
        for item in sent.values():
            yield from _values(item)
    elif isinstance(sent, list | tuple):
        for item in sent:
            yield from _values(item)
    elif isinstance(sent, str):
        yield " ".join(sent.split())
    elif isinstance(sent, int | float) and not isinstance(sent, bool):
        yield str(sent)

"""The API's own words about a refusal, with everything blacked out that the request carried.

An API may repeat the value that it refuses, whole or in part, escaped or in capitals. Its words are worth showing, the
value must not reach a log.
"""

from __future__ import annotations

import html
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

LONGEST = 300
BLACK = "***"

# Both begin where a word begins: else a long one would be searched from each of its letters to its end.
_EMAIL = re.compile(r"(?<![^\s\"'<>@,;])[^\s\"'<>@,;]+@[^\s\"'<>@,;]+")
_CUT_OFF = re.compile(r"(?<!\w)(\w{2,})(?:…|\.\.\.)")
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
    """Return what an answer says, at most 300 characters, without a value of the request.

    :param answer: the body of the answer.
    :param sent: the body of the request, as the object that was encoded.
    :param secrets: more values to black out.
    """
    whole = {*_values(sent), *secrets} - {""}
    # What looks like an escape in a value is taken for one in the answer, too.
    whole |= {_unescaped(value) for value in whole if _ANY_ESCAPE.search(value)} - {""}
    text = _without(_unescaped(_text_of(answer)), whole, _parts(whole))
    text = _DIGITS.sub(BLACK, _EMAIL.sub(BLACK, text))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _without(text: str, whole: set[str], parts: set[str]) -> str:
    """Return a text without the values, and without the parts that can be told from words of the API's own."""
    folded = text.casefold()
    begun = _begun(_CUT_OFF.findall(folded), whole | parts)
    # A thousand records have more values than a pattern is fast with; hardly any of them stands in an answer.
    found = {value for value in whole if value.casefold() in folded}
    inside = {value for value in found if _is_long(value)}
    alone = {value for value in found - inside | parts if value.casefold() in folded}
    inside |= {part for part in alone & parts if not part.isascii()}
    for pattern in (
        _any_of(inside),
        rf"(?<!\w)(?:{_any_of(alone - inside)})(?!\w)",
        rf"(?:{_any_of(begun)})(?=…|\.\.\.)",
    ):
        text = re.sub(pattern, BLACK, text, flags=re.IGNORECASE)
    return text


def _any_of(values: Iterable[str]) -> str:
    """Return a pattern that matches any of the values, the longest first; nothing where there are none."""
    return "|".join(map(re.escape, sorted(values, key=len, reverse=True))) or "(?!)"


def _begun(beginnings: Iterable[str], values: set[str]) -> set[str]:
    """Return those of the beginnings that a value has, where it is cut off."""
    in_order = sorted(value.casefold() for value in values)

    def is_begun(beginning: str) -> bool:
        at = bisect_left(in_order, beginning)
        return at < len(in_order) and in_order[at].startswith(beginning)

    return {beginning for beginning in set(beginnings) if _is_long(beginning) and is_begun(beginning)}


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
    return " ".join(_CONTROL.sub(" ", text).split())


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

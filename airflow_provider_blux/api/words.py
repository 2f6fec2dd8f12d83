"""The API's own words about a refusal, with everything blacked out that the request carried.

An API may repeat the value that it refuses. Its words are worth showing, the value must not reach a log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

LONGEST = 300
BLACK = "***"

_EMAIL = re.compile(r"[^\s\"'<>@,;]+@[^\s\"'<>@,;]+")
_DIGITS = re.compile(r"\d(?:[\s().-]?\d){4,}")
_TAGS = re.compile(r"<[^>]*>")
# From this length on a value is looked for inside words too; below it only as a word of its own.
_LONG_ASCII, _LONG_OTHER = 4, 2


def said(answer: bytes, sent: Any = None, secrets: Iterable[str] = ()) -> str:
    """Return what an answer says, at most 300 characters, without a value of the request.

    :param answer: the body of the answer.
    :param sent: the body of the request, as the object that was encoded.
    :param secrets: more values to black out.
    """
    text = " ".join(_text_of(answer).split())
    values = {*_values(sent), *secrets} - {""}
    long = {value for value in values if len(value) >= (_LONG_ASCII if value.isascii() else _LONG_OTHER)}
    for pattern in (_any_of(long), rf"(?<!\w)(?:{_any_of(values - long)})(?!\w)"):
        text = re.sub(pattern, BLACK, text)
    text = _DIGITS.sub(BLACK, _EMAIL.sub(BLACK, text))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _any_of(values: Iterable[str]) -> str:
    """Return a pattern that matches any of the values, the longest first; nothing where there are none."""
    return "|".join(map(re.escape, sorted(values, key=len, reverse=True))) or "(?!)"


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

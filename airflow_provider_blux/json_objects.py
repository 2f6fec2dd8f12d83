"""JSON objects that have a key twice, with different values: one of the two would be lost, and nobody knows which.

The fast parsers keep the last one without a word. So what they have parsed is compared with the text: as many colons as
keys, and there is no second one. Only where more are found, as in times and addresses, is it looked at more closely.
"""

from __future__ import annotations

import json
from typing import Any

REASON = "is there twice in one object, with different values, and one of the two would be lost; remove one"

_MARKS: dict[type, tuple[Any, Any, Any]] = {bytes: (b"", b":", b'":'), str: ("", ":", '":')}


class RepeatedKeyError(KeyError):
    """An object has a key twice, with different values.

    :param key: the key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def loads(text: str | bytes) -> Any:
    """Parse JSON as ``json.loads`` does.

    :raises RepeatedKeyError: an object in it has a key twice, with different values.
    """
    return json.loads(text, object_pairs_hook=object_of)


def quick_loads(text: str | bytes) -> Any:
    """Parse JSON as :func:`loads` does, but quicker."""
    import msgspec  # which the parsing of DAG files does without

    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # NaN, half a character: for the standard library
        return loads(text)
    check(text, parsed)
    return parsed


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values, as a hook of ``json``.

    :raises RepeatedKeyError: it has a key twice, with different values.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if repr(value) != repr(found[key]):  # `==` would take 1 for true
                raise RepeatedKeyError(key)
    return found


def check(text: str | bytes, parsed: Any) -> None:
    """Check JSON that another parser has parsed.

    :raises RepeatedKeyError: an object in it has a key twice, with different values.
    """
    if type(parsed) is not dict and type(parsed) is not list:
        return
    nothing, colon, end_of_key = _MARKS[type(text)]
    at_top = len(parsed) if type(parsed) is dict else 0
    if text.count(colon) == at_top:
        return
    # Without blanks, which may stand before a colon. An escaped quote before one counts too, and is looked at.
    keys = nothing.join(text.split()).count(end_of_key)
    if keys != at_top and keys != _keys(parsed):
        loads(text)


def _keys(value: Any) -> int:
    """Return the number of keys, at any depth."""
    if type(value) is dict:
        return len(value) + sum([_keys(item) for item in value.values() if type(item) in (dict, list)])
    return sum([_keys(item) for item in value if type(item) in (dict, list)])

"""Finds JSON objects that have a key twice, with different values: one of the two values would be lost.

Fast parsers silently keep the last value. So this module compares their result with the text. If the text has as many
colons as the result has keys, no key is there twice. If the text has more colons, as in times and addresses, it is
examined more closely.
"""

from __future__ import annotations

import json
from typing import Any

REASON = "is there twice in one object, with different values, and one of the two would be lost; remove one"


class RepeatedKeyError(KeyError):
    """An object has a key twice, with different values.

    :param key: the key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def loads(text: str | bytes | bytearray) -> Any:
    """Parse JSON as ``json.loads`` does.

    :raises RepeatedKeyError: an object in it has a key twice, with different values.
    """
    return json.loads(text, object_pairs_hook=object_of)


def quick_loads(text: str | bytes | bytearray) -> Any:
    """Parse JSON as :func:`loads` does, with the same errors, but faster."""
    import msgspec  # imported here, since DAG parsing does not need it

    try:
        encoded = text.encode() if isinstance(text, str) else bytes(text)
        parsed = msgspec.json.decode(encoded)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # NaN or a lone surrogate, which `loads` accepts
        return loads(text)
    check(encoded, parsed)
    return parsed


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the keys and values of a JSON object as a dict; ``json.loads`` calls this as its ``object_pairs_hook``.

    :raises RepeatedKeyError: the object has a key twice, with different values.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if repr(value) != repr(found[key]):  # with `==`, 1 and true would be equal
                raise RepeatedKeyError(key)
    return found


def check(text: bytes, parsed: Any) -> None:
    """Check JSON that another parser has parsed.

    :param text: the JSON.
    :param parsed: the result of the other parser.
    :raises RepeatedKeyError: an object in the JSON has a key twice, with different values.
    """
    if type(parsed) is not dict and type(parsed) is not list:
        return
    at_top = len(parsed) if type(parsed) is dict else 0
    if text.count(b":") == at_top:
        return
    # Without blanks, which may come before a colon. An escaped quote before a colon also counts; then `loads` decides.
    keys = b"".join(text.split()).count(b'":')
    if keys != at_top and keys != _keys(parsed):
        loads(text)


def _keys(value: Any) -> int:
    """Return the number of keys of all objects in a parsed list or object, at any depth."""
    if type(value) is dict:
        return len(value) + sum([_keys(item) for item in value.values() if type(item) in (dict, list)])
    return sum([_keys(item) for item in value if type(item) in (dict, list)])

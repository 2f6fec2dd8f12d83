"""The rules for single values: text, consents, and all values that JSON can represent.

A rule is a function that returns the value to send, or raises a :class:`BluxRecordError` with the field, the reason and
the fix. The reason never contains the value.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.fields import Check
from airflow_provider_blux.scalars import missing_word, python_value

# Far deeper than any property, far below Python's recursion limit.
_DEEPEST = 32
# The largest number of the receiver (a double); Python itself writes no integer with more than 4,300 digits.
LARGEST = int(sys.float_info.max)
HALF_A_CHARACTER = "holds half a character (a lone surrogate); fix its encoding"
_WORDS = {"true": True, "false": False}
_NOT_FINITE = "is not a finite number (NaN or infinity); leave it out or send null"
# The types of property values that are sent as they are.
_PLAIN: frozenset[type] = frozenset({str, bool, NoneType})


def is_encodable(value: str) -> bool:
    """Return whether UTF-8 can represent the text; it cannot represent a lone surrogate."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def text(value: Any, field: str) -> str:
    """Return text as a plain ``str``.

    :raises BluxRecordError: the value is not text, or cannot be represented in UTF-8.
    """
    if not isinstance(value, str):
        raise BluxRecordError(field, f"is of type {type(value).__name__}; it must be text")
    if not is_encodable(value):
        raise BluxRecordError(field, HALF_A_CHARACTER)
    # A plain `str`: a `str` enumeration has another hash and another text than its value.
    return value if type(value) is str else str.__str__(value)


def consent(value: Any, field: str, meanings: Mapping[Any, bool]) -> bool:
    """Return a consent from a boolean, the words ``true`` and ``false``, or a declared value.

    :param meanings: declared text and numbers with their meaning; the text ``1`` and the number 1 are different.
    :raises BluxRecordError: for any other value.
    """
    value = python_value(value)
    if value is True or value is False:
        return value
    if isinstance(value, str):
        word = text(value, field)
        if word.lower() in _WORDS:
            return _WORDS[word.lower()]
        if word in meanings:
            return meanings[word]
    elif _is_number(value) and value in meanings:
        return meanings[value]
    raise BluxRecordError(
        field,
        f"is neither true nor false ({type(value).__name__}); a consent is never guessed: declare its values in "
        "true_values and false_values",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, Decimal) and not value.is_snan())  # sNaN has no hash


def iso(value: date | time, field: str) -> str:
    """Return a date or a time in ISO 8601.

    :raises BluxRecordError: the value is ``NaT``, the missing timestamp of pandas.
    """
    written = value.isoformat()
    if written == "NaT":  # a missing timestamp of pandas has the type datetime
        raise BluxRecordError(field, "is not a time (NaT); leave it out or send null")
    return written


def json_value(value: Any, field: str, depth: int = 0) -> Any:
    """Return a property value in a form that JSON can represent.

    Text is not checked for lone surrogates: they are found later, when the record is encoded.

    :param field: the path of the value, for errors.
    :param depth: the number of objects and lists around the value.
    :raises BluxRecordError: JSON cannot represent the value, or it is nested too deeply.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if check := PROPERTY_CHECKS.get(kind):
        return check(value, field)
    if isinstance(value, float):  # numpy has a subclass
        return _finite(value, field)
    if depth >= _DEEPEST:
        raise BluxRecordError(field, f"is nested more than {_DEEPEST} levels deep")
    # The path of an item is only built if it is needed.
    if kind is dict or isinstance(value, Mapping):
        return {
            _key(key, field): item if type(item) in _PLAIN else json_value(item, f"{field}.{key}", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            item if type(item) in _PLAIN else json_value(item, f"{field}[{index}]", depth + 1)
            for index, item in enumerate(value)
        ]
    return _converted(value, field, depth)


def _key(key: Any, field: str) -> str:
    if type(key) is str and key.isascii():
        return key
    if not isinstance(key, str):
        raise BluxRecordError(field, f"has a key of type {type(key).__name__}; keys are text")
    return text(key, field)


def _converted(value: Any, field: str, depth: int) -> Any:
    """Convert a value of a subclass or of numpy to the plain Python type."""
    if (plain := python_value(value)) is not value:
        return json_value(plain, field, depth)
    for kind, convert in _CONVERSIONS.items():
        if isinstance(value, kind):
            return convert(value, field)
    if isinstance(value, str):  # an enumeration of text
        return text(value, field)
    if isinstance(value, int):
        return _whole(int(value), field)
    if word := missing_word(value):
        raise BluxRecordError(field, f"is a missing value ({word}); leave it out or send null")
    way_out = (
        "decode them to text first" if isinstance(value, bytes | bytearray) else "send text, a number or an object"
    )
    raise BluxRecordError(field, f"is of type {type(value).__name__}, which JSON cannot carry; {way_out}")


def _whole(value: int, field: str) -> int:
    if -LARGEST <= value <= LARGEST:
        return value
    raise BluxRecordError(field, "is larger than a JSON number may be; send it as text")


def _finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise BluxRecordError(field, _NOT_FINITE)
    return value if type(value) is float else float(value)


def _number(value: Decimal, field: str) -> int | float:
    if not value.is_finite():
        raise BluxRecordError(field, _NOT_FINITE)
    written = str(value)
    number = float(written)
    # A double keeps every number of so few digits.
    if len(written) <= sys.float_info.dig and "E" not in written:
        return int(number) if number.is_integer() else number
    if Decimal(repr(number)) == value and not number.is_integer():
        return number
    if value != value.to_integral_value():
        raise BluxRecordError(field, "has more digits than a JSON number keeps; send it as text")
    # A number with a huge exponent is not converted to an int, which would need a digit for each zero.
    return _whole(int(value) if value.adjusted() <= sys.float_info.max_10_exp else LARGEST + 1, field)


# Conversions of types that JSON does not have: to ISO 8601 text, numbers or text.
_CONVERSIONS: dict[type, Check] = {
    datetime: iso,
    date: iso,
    time: iso,
    Decimal: _number,
    UUID: lambda value, _field: str(value),
}
PROPERTY_CHECKS: dict[type, Check | None] = {**_CONVERSIONS, int: _whole, float: _finite, **dict.fromkeys(_PLAIN)}
"""For each type: the check of property values; ``None`` if they need none. All others need :func:`json_value`."""

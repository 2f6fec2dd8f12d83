"""Validates ids: an id is sent as it is, or rejected if it looks damaged or missing, or holds invisible characters."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any
from unicodedata import category
from uuid import UUID

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.values import LARGEST, text
from airflow_provider_blux.scalars import missing_word, python_value

# Nearly every id: digits alone, a letter followed by anything with a digit, or a UUID; all of it visible ASCII. No such
# text looks damaged or missing.
_is_fine = re.compile(
    r"[0-9]+|[A-Za-z][!-~]*[0-9][!-~]*|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
).fullmatch
# An integer that became a float (`123.0`) or went through a spreadsheet (`1.2E+11`); `1E5` may be an id.
_DAMAGED_NUMBER = re.compile(r"[+-]?\d+\.0*|[+-]?\d+([.,]\d+)?[eE]\+\d+|[+-]?\d[.,]\d+[eE]\d+", re.ASCII)
# Text that data frames, databases, spreadsheets and JavaScript write for a missing value, in lower case.
_MISSING = frozenset(
    {
        *("nan", "-nan", "snan", "none", "null", "(null)", "<null>", "[null]", "\\n", "nat", "<na>", "n/a"),
        *("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "[object object]", "undefined"),
        *("#n/a", "#na", "#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!", "#error!", "#spill!", "#calc!"),
    }
)
_REPLACEMENT = "\ufffd"
# Text of a list, a tuple or an object, in the notation of Python or JSON.
_MANY = re.compile(r"""\[[\d\s,]*\]|[\[(]\s*["'{].*[\])]|\{(\s*["'].*)?\}""")
# Marks that make digits text in a spreadsheet, as in ="00123" and '00123, or quotes left over from a cell.
_MARKS_OF_TEXT = ('"', "'", '="')
# Characters that look empty: the Hangul fillers and the blank Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
_JOINER = "\u200d"
# Unicode categories next to which a joiner is part of an emoji: pictographs and skin tones; and the emoji selector.
_JOINED = frozenset({"So", "Sk"})
_PICTURE = "\ufe0f"


def identifier(value: Any, field: str, *, check: bool = True, needed: bool = True) -> str:
    """Return an id as text. Integers and UUIDs become text.

    :param field: the name of the field, for the error.
    :param check: whether text that looks damaged or missing is rejected.
    :param needed: whether every record needs this id; the error for a missing one says so, or how to leave it out.
    :raises BluxRecordError: the value is null or of another type, such as a float; or it is text that is empty, has
        whitespace around it, holds an invisible character, or is rejected because of ``check``.
    """
    if type(value) is str and _is_fine(value):
        return value
    written = _checked_text(python_value(value), field, "every record needs one" if needed else "make it null")
    if check and (damage := damage_of(written)):
        raise BluxRecordError(field, damage)
    return written


def damage_of(written: str) -> str | None:
    """Return the reason and the fix if text looks like a damaged or missing id or telephone number; else ``None``."""
    if _DAMAGED_NUMBER.fullmatch(written):
        return (
            "looks like a damaged whole number, with a decimal point or an exponent; read the column as "
            "text at the source (check_ids=False sends it as it is)"
        )
    if missing := missing_in(written):
        return missing
    if written.startswith(_MARKS_OF_TEXT):
        return (
            'begins with a quote, an apostrophe or =", by which spreadsheets mark text; export it without that '
            "(check_ids=False sends it as it is)"
        )
    if _MANY.fullmatch(written):
        return (
            "is the text of a list or an object, which may hold several; parse it, and send each as a record "
            "(check_ids=False sends it as it is)"
        )
    if _REPLACEMENT in written:
        return (
            "holds U+FFFD, which stands for a character that could not be decoded; read the source in its encoding "
            "(check_ids=False sends it as it is)"
        )
    return None


def missing_in(written: str) -> str | None:
    """Return the reason and the fix if text stands for a missing value, such as ``null``; else ``None``."""
    is_word = written == "NA" or written.lower() in _MISSING
    if is_word or (written.startswith("#") and not written.strip("#")):  # "####": a spreadsheet column was too narrow
        return (
            "is text that stands for a missing value; make it null at the source, or leave the record out "
            "(check_ids=False sends it as it is)"
        )
    return None


def present_text(value: Any, field: str, *, check: bool = True) -> str:
    """Return text as a plain ``str``.

    :param check: whether text that stands for a missing value is rejected.
    :raises BluxRecordError: the value is not text, cannot be represented in UTF-8, or is rejected because of ``check``.
    """
    written = text(value, field)
    if check and (missing := missing_in(written)):
        raise BluxRecordError(field, missing)
    return written


def invisible_in(written: str) -> str | None:
    """Return the code point of the first invisible character; ``None`` without one. Joiners in emoji do not count."""
    if written.isascii() and written.isprintable():
        return None
    for index, character in enumerate(written):
        if character in _BLANKS or (category(character) in _INVISIBLE and not _joins(written, index)):
            return f"U+{ord(character):04X}"
    return None


def _checked_text(value: Any, field: str, way_out: str) -> str:
    if not isinstance(value, str):
        if (type(value) is int and -LARGEST <= value <= LARGEST) or isinstance(value, UUID):
            return str(value)
        raise BluxRecordError(field, _why_no_identifier(value, way_out))
    written = text(value, field)
    if not written:
        raise BluxRecordError(field, f"is empty; {way_out}")
    if written != written.strip():
        raise BluxRecordError(
            field, "has whitespace around it, which would make it another user; trim it at the source"
        )
    if code := invisible_in(written):
        raise BluxRecordError(
            field, f"holds an invisible character ({code}), which would make it another user; remove it at the source"
        )
    return written


def _why_no_identifier(value: Any, way_out: str) -> str:
    if value is None:
        return f"is missing (null); {way_out}"
    if word := "NaN" if isinstance(value, float) and math.isnan(value) else missing_word(value):
        return f"is missing ({word}); {way_out}"
    if isinstance(value, bool):
        return "is a boolean; an id is text"
    if isinstance(value, float | Decimal):
        return "is a decimal number, which is what a damaged integer id looks like; read the column as text"
    return f"is of type {type(value).__name__}; an id is text"


def _joins(written: str, index: int) -> bool:
    if written[index] != _JOINER or index in (0, len(written) - 1):
        return False
    before, after = written[index - 1], written[index + 1]
    return (before == _PICTURE or category(before) in _JOINED) and category(after) in _JOINED

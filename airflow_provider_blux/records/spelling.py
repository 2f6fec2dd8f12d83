"""Compares names with field names: finds other spellings, typos and common synonyms of a field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from unicodedata import normalize

from airflow_provider_blux.records.fields import MOST_NAMES

_SEPARATORS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
# In a typo, at least nine tenths of the letters match, and at most two letters of either name have no match.
_ALIKE = 0.9
_MOST_LETTERS = 2
# Common words in column names, with the word in field names. _ALONE: words that identify a field without a second one.
_SYNONYMS = {
    **dict.fromkeys(("mobile", "tel", "telephone", "cellphone"), "phone"),
    **dict.fromkeys(("no", "num"), "number"),
    **dict.fromkeys(("agree", "agreed", "agreement", "optin"), "consent"),
    "mail": "email",
    "addr": "address",
    "night": "nighttime",
    "noti": "notification",
}
_AFTER_PREFIX = {"time": "timestamp"}
_ALONE = frozenset({"phone", "email"})
_IN_KOREAN = {
    **dict.fromkeys(
        ("전화번호", "휴대폰", "휴대폰번호", "휴대전화", "휴대전화번호", "핸드폰", "핸드폰번호"), "phone_number"
    ),
    **dict.fromkeys(("이메일", "이메일주소", "메일주소"), "email_address"),
}


@lru_cache(maxsize=MOST_NAMES)
def letters_of(name: str) -> str:
    """Return a name reduced to its letters and digits, so that two spellings of the name are equal.

    Case, blanks, dashes, underscores, invisible characters and Unicode forms (full-width letters) make no difference.
    """
    return _SEPARATORS.sub("", normalize("NFKC", name).casefold())


def meant_by(name: str, fields: Iterable[str], *, loosely: bool = False) -> str | None:
    """Return the field that a name is probably meant for; ``None`` if there is none, or the name is a field itself.

    The name may be another spelling of the field, have a typo of at most two letters, or consist of some of the field's
    words only.

    :param loosely: whether synonyms match as well (``sms_agree``, ``mobile``).
    """
    fields = sorted(fields)
    if name in fields or not letters_of(name):
        return None
    if loosely and (found := _IN_KOREAN.get(letters_of(name))) in fields:
        return found
    similar = [(likeness, field) for field in fields if (likeness := _likeness(name, field, loosely=loosely))]
    return max(similar, key=lambda found: found[0])[1] if similar else None


def _likeness(name: str, field: str, *, loosely: bool) -> float:
    """Return the similarity of a name and a field from 0 to 1; 0 if it is too small for a suggestion.

    :param loosely: whether a part of the field's name, or another word for it, is enough.
    """
    one, other = letters_of(name), letters_of(field)
    if one == other:
        return 1
    if _DIGITS.findall(one) != _DIGITS.findall(other):  # a second telephone number is no typo
        return 0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    shared = sum(block.size for block in matcher.get_matching_blocks())
    is_typo = matcher.ratio() >= _ALIKE and max(len(one), len(other)) - shared <= _MOST_LETTERS
    if is_typo or (len(one) > _MOST_LETTERS and sorted(one) == sorted(other)):
        return max(matcher.ratio(), _ALIKE)
    words, all_words = (_called(name) if loosely else _words(name)), _words(field)
    is_part = words <= all_words and (len(words) > 1 or (loosely and words <= _ALONE))
    return max(matcher.ratio(), 1 - _ALIKE) * _ALIKE if is_part else 0


def _words(name: str) -> frozenset[str]:
    parted = _SEPARATORS.sub(" ", normalize("NFKC", name).casefold())
    return frozenset(word.rstrip("s") for word in parted.split())


def _parted(name: str) -> str:
    """Return a name in lower case, with its words parted by underscores: ``event_time`` for ``eventTime``."""
    return _SEPARATORS.sub("_", _CAMEL_CASE.sub("_", name)).casefold()


def _called(name: str) -> frozenset[str]:
    """Return the words of a column name, each synonym replaced by the word that is used in the names of fields."""
    words = _words(_parted(name).replace("opt_in", "optin").replace("e_mail", "email"))
    return frozenset(_SYNONYMS.get(word, word) for word in words)


def meant_by_column(column: str, fields: Collection[str], prefixes: Collection[str]) -> str | None:
    """Return the field that a column, itself not a field, is probably meant for; ``None`` if there is none.

    The name may have a prefix, as in ``customer_email``, ``eventTime`` and ``Device Token``.

    :param prefixes: words for the kind of record that a column name may start with.
    """
    prefix, _, rest = _parted(column).partition("_")
    if prefix in prefixes and rest:
        rest = _AFTER_PREFIX.get(rest, rest)
        return rest if rest in fields else meant_by(rest, fields, loosely=True)
    return meant_by(column, fields, loosely=True)

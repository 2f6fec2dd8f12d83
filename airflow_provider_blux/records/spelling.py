"""Names that are a field's but for their spelling, and names that are probably meant to be a field's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from unicodedata import normalize

_SEPARATORS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")
# A typo leaves nine tenths of the letters, and at most two on either side without a partner.
_ALIKE = 0.9
_MOST_LETTERS = 2


@lru_cache(maxsize=4096)
def letters_of(name: str) -> str:
    """Return a name's letters and digits, as two spellings of one name have them in common.

    Case, blanks, dashes and underscores, invisible characters and Unicode's forms (full-width letters) are left out.
    """
    return _SEPARATORS.sub("", normalize("NFKC", name).casefold())


def meant_by(name: str, fields: Iterable[str]) -> str | None:
    """Return the field that a name is probably meant for, although it is none of them; ``None`` for any other name.

    That is another spelling, a typo of at most two letters, or some of a field's words (``marketing_consent``).
    """
    fields = sorted(fields)
    if name in fields or not letters_of(name):
        return None
    similar = [(likeness, field) for field in fields if (likeness := _likeness(name, field))]
    return max(similar, key=lambda found: found[0])[1] if similar else None


def _likeness(name: str, field: str) -> float:
    """Return how like a field a name is: 0 for not enough."""
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
    words, all_words = _words(name), _words(field)
    return matcher.ratio() * _ALIKE if len(words) > 1 and words <= all_words else 0


def _words(name: str) -> frozenset[str]:
    return frozenset(word.rstrip("s") for word in re.split(r"[\W_]+", normalize("NFKC", name).casefold()) if word)

"""Counts why records were rejected or have an unknown outcome, in bounded memory, without values of single records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

#: Maximum number of reasons in a report.
SHOWN = 20
# This many different reasons are counted separately; further ones are counted together as "other reasons".
_TOLD_APART = 50
_LONGEST = 200
_OTHERS: tuple[str | None, str] = (None, "other reasons")
# Parts of a reason that differ between records: an index, a position, the request id of a server.
_INDEX = re.compile(r"\[\d+\]")
_POSITION = re.compile(r"\b(line|record|row|item|index|column|character|byte|position) [\d,]+", re.IGNORECASE)
_NUMBER_OF_CELLS = re.compile(r"\b\d+ cells")
_REQUEST_ID = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", re.IGNORECASE)


class Reasons:
    """Counts records that were rejected or have an unknown outcome, by field and reason.

    The numbers always add up to the number of all counted records.

    :param counted: counts of an earlier try, as :meth:`counted` returns them.
    """

    def __init__(self, counted: Iterable[tuple[str | None, str, int]] = ()) -> None:
        self._numbers: Counter[tuple[str | None, str]] = Counter()
        for field, reason, number in counted:
            self.add(field, reason, number)

    def add(self, field: str | None, reason: str, number: int = 1) -> None:
        """Count records by field and reason.

        Reasons that differ only in positions, indexes or request ids count as one. After fifty different reasons, new
        ones are counted together as "other reasons".
        """
        found = field and _INDEX.sub("[…]", field), _general(reason)
        if found not in self._numbers and len(self._numbers) >= _TOLD_APART:
            found = _OTHERS
        self._numbers[found] += number

    def counted(self) -> list[list[Any]]:
        """Return all counts in a form that JSON can represent: lists of field, reason and number."""
        return [[*found, number] for found, number in self._numbers.items()]

    def most_frequent(self) -> list[dict[str, Any]] | None:
        """Return at most twenty reasons, the most frequent first; ``None`` if there are none.

        The last entry may stand for all other reasons.
        """
        named = [(number, found) for found, number in self._numbers.items() if found != _OTHERS]
        named.sort(key=lambda item: (-item[0], item[1][0] or "", item[1][1]))
        others = self._numbers[_OTHERS]
        if len(named) + bool(others) > SHOWN:
            others += sum(number for number, _ in named[SHOWN - 1 :])
            del named[SHOWN - 1 :]
        if others:
            named.append((others, _OTHERS))
        return [{"field": field, "reason": reason, "number": number} for number, (field, reason) in named] or None


def in_words(reasons: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line of text for each reason of a report, such as ``phone_number: is a number ... 812 times``."""
    return [
        f"{one['field'] + ': ' if one['field'] else ''}{one['reason']} ... {one['number']:,} "
        f"{'time' if one['number'] == 1 else 'times'}"
        for one in reasons
    ]


def _general(reason: str) -> str:
    reason = _REQUEST_ID.sub("…", _NUMBER_OF_CELLS.sub("… cells", _POSITION.sub(r"\1 …", _INDEX.sub("[…]", reason))))
    return reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"

"""Warns of valid but suspicious values of users, if ``validate_only`` is set. The warnings do not show the values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_blux.records.fields import CONSENTS, MARKETING, NIGHTTIME

# Number of different telephone numbers that are kept, as hashes, to find users who share a number; about 60 MB.
# Further numbers are not compared.
REMEMBERED = 100_000
# A family may share a telephone number; this many users probably do not.
MANY_USERS = 10
_SHOWN = 5
_NO_DIGIT = re.compile(r"\D+")

Place = Callable[[int], str | None]


class _Seen:
    """The count of suspicious records, and the record numbers of the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []

    def add(self, number: int) -> None:
        self.count += 1
        if len(self._first) < _SHOWN:
            self._first.append(number)

    def in_words(self, place_of: Place) -> str:
        more = " and more" if self.count > len(self._first) else ""
        places = ((number, place_of(number)) for number in self._first)
        named = (f"{number} ({place})" if place else str(number) for number, place in places)
        return f"record{'s' if self.count > 1 else ''} {', '.join(named)}{more}"


class Suspicions:
    """Counts values of users that an API accepts but that are probably unintended.

    The users may be records of the Application API or of the Open API.
    """

    def __init__(self) -> None:
        self._users = 0
        self._with_consent = 0
        self._only_at_night = _Seen()
        # For the hash of each telephone number: the hashes of its first users, and its records.
        self._phones: dict[int, tuple[set[int], _Seen]] = {}

    def look(self, number: int, user: Mapping[str, Any]) -> None:
        """Check a user for suspicious values. Users are looked at in the order of the source.

        :param number: the number of the user's record in the source.
        :param user: the record as it would be sent.
        """
        properties = user.get("user_properties") or user.get("properties") or {}
        phone_number = properties.get("phone_number")
        self._users += 1
        self._with_consent += any(properties.get(name) is not None for name in CONSENTS)
        if properties.get(NIGHTTIME) is True and properties.get(MARKETING) is not True:
            self._only_at_night.add(number)
        if isinstance(phone_number, str) and (digits := _NO_DIGIT.sub("", phone_number)):
            self._compare(number, hash(digits), hash(user["user_id"]))

    def found(self, place_of: Place = lambda _number: None) -> list[str]:
        """Return the warnings, one sentence each.

        :param place_of: takes the number of a record; returns its position in the source, ``None`` if unknown.
        """
        warnings = []
        if seen := self._only_at_night.count:
            warnings.append(
                f"Users who consent to messages at night ({NIGHTTIME}) but not, or not in the same record, to messages "
                f"at all ({MARKETING}): {seen:,} ({self._only_at_night.in_words(place_of)})."
            )
        if shared := [seen for users, seen in self._phones.values() if len(users) == MANY_USERS]:
            most = max(shared, key=lambda seen: seen.count)
            full = len(self._phones) >= REMEMBERED
            warnings.append(
                f"Telephone numbers shared by {MANY_USERS} users or more: {len(shared):,}; the one that occurs "
                f"most stands in {most.count:,} records ({most.in_words(place_of)})."
                f"{f' Only the first {REMEMBERED:,} different numbers were compared.' if full else ''}"
            )
        if self._users and not self._with_consent:
            warnings.append(
                f"No consent in any of {self._users:,} users: existing consents do not change, and new users have "
                "none. Is the column missing, or has it another name (field_mapping)?"
            )
        return warnings

    def _compare(self, number: int, phone: int, user: int) -> None:
        if phone not in self._phones and len(self._phones) >= REMEMBERED:
            return
        users, seen = self._phones.setdefault(phone, (set(), _Seen()))
        seen.add(number)
        if len(users) < MANY_USERS:
            users.add(user)

"""Warns of valid but suspicious values of users, if ``validate_only`` is set. The warnings do not show the values."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from airflow_provider_blux.records.fields import CONSENTS, MARKETING, NIGHTTIME

# Number of different telephone numbers that are kept, as digests, to find users who share a number; about 40 MB.
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
        self._key = secrets.token_bytes(16)
        self._users = 0
        self._with_consent = 0
        self._only_at_night = _Seen()
        # The keys are digests of telephone numbers. The values: the first users of a number, each with the number of
        # its first record; the records of a number that many users share.
        self._users_of: dict[int, dict[int, int]] = {}
        self._shared: dict[int, _Seen] = {}

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
            self._compare(number, self._digest(digits), self._digest(str(user["user_id"])))

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
        if self._shared:
            most = max(self._shared.values(), key=lambda seen: seen.count)
            full = len(self._users_of) >= REMEMBERED
            warnings.append(
                f"Telephone numbers shared by {MANY_USERS} users or more: {len(self._shared):,}; the one that occurs "
                f"most stands in {most.count:,} records ({most.in_words(place_of)})."
                f"{f' Only the first {REMEMBERED:,} different numbers were compared.' if full else ''}"
            )
        if self._users and not self._with_consent:
            warnings.append(
                f"No consent in any of {self._users:,} users: existing consents do not change, and new users have "
                "none. Is the column missing, or has it another name (field_mapping)?"
            )
        return warnings

    def _digest(self, text: str) -> int:
        return int.from_bytes(blake2b(text.encode(), digest_size=8, key=self._key).digest())

    def _compare(self, number: int, phone: int, user: int) -> None:
        if phone in self._shared:
            self._shared[phone].add(number)
            return
        if phone not in self._users_of and len(self._users_of) >= REMEMBERED:
            return
        users = self._users_of.setdefault(phone, {})
        users.setdefault(user, number)
        if len(users) >= MANY_USERS:
            self._shared[phone] = seen = _Seen()
            for first in users.values():
                seen.add(first)

"""The users of a soak: files with repetitions, what a CRM must hold after it, and how the two are compared.

Nothing here uses the package: what is expected must not repeat its mistakes.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Every so many users one is repeated with other values: mostly within its batch or from long ago; rarely from a batch
# that is still on its way, because the later batch then has to wait for it.
_REPEAT_EVERY = 100
_DISTANCES, _WEIGHTS = (2, 3_000, 1_000_000_000), (50, 1, 49)
_GROUPS = ("user_properties", "custom_user_properties")


def write_source(path: Path, numbers: range, rng: random.Random) -> tuple[dict[str, bytes], int]:
    """Write users of these numbers; return what each must be in the end, as JSON, and the number of records."""
    expected: dict[str, bytes] = {}
    lines = 0
    with path.open("w", encoding="utf-8") as file:
        for number in numbers:
            is_repeated = number % _REPEAT_EVERY == _REPEAT_EVERY - 1
            repeated = [_repeated(number, numbers.start, rng)] if is_repeated else []
            for record in (_first(number, rng), *repeated):
                file.write(json.dumps(_flat(record), ensure_ascii=False) + "\n")
                _expect(expected, record)
                lines += 1
    return expected, lines


def differences(expected: dict[str, bytes], held: Iterable[tuple[str, dict[str, Any]]]) -> Counter[str]:
    """Compare user by user, and return how many are wrong in which way; ``expected`` is used up."""
    wrong: Counter[str] = Counter()
    missing = len(expected)
    for user_id, user in held:
        should_be = expected.get(user_id)
        if should_be is None:
            wrong["are held that the source does not have"] += 1
            continue
        missing -= 1
        if user != json.loads(should_be):
            wrong["differ from the source"] += 1
    if missing:
        wrong["are missing"] = missing
    return wrong


def _first(number: int, rng: random.Random) -> dict[str, Any]:
    known: dict[str, Any] = {"email_address": f"user{number}@example.com"}
    if number % 2:
        known["phone_number"] = f"010{number:08d}"
    consent = rng.choice((True, False, None))
    if consent is not None:
        known["marketing_notification_consent"] = consent
    custom = {"grade": rng.choice(("bronze", "silver", "gold")), "points": rng.randrange(10_000), "city": "서울"}
    return {"user_id": f"user-{number:08d}", "user_properties": known, "custom_user_properties": custom}


def _repeated(number: int, first: int, rng: random.Random) -> dict[str, Any]:
    """Return another record of an earlier user of this file: some values new, some changed, the rest not said."""
    (distance,) = rng.choices(_DISTANCES, _WEIGHTS)
    earlier = rng.randrange(max(first, number - distance), number + 1)
    return {
        "user_id": f"user-{earlier:08d}",
        "user_properties": {"marketing_notification_email_consent": rng.random() < 0.5},
        "custom_user_properties": {"points": rng.randrange(10_000), "visits": {"last": number, "tags": ["a", "b"]}},
    }


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return the row that an export has: one level, a null where nothing is known."""
    row = {"user_id": record["user_id"], "marketing_notification_consent": None}
    return {**row, **record["user_properties"], **record["custom_user_properties"]}


def _expect(expected: dict[str, bytes], record: dict[str, Any]) -> None:
    earlier = expected.get(record["user_id"])
    user = json.loads(earlier) if earlier else {"user_id": record["user_id"], **{group: {} for group in _GROUPS}}
    for group in _GROUPS:
        user[group].update(record[group])
    expected[record["user_id"]] = json.dumps(user, ensure_ascii=False).encode()

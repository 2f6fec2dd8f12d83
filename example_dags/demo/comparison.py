"""Compare the emulator's records and the shop's deletion requests with the expected ones, one by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_blux.emulator import Emulator
    from example_dags.demo.expected import Expected

MOST_SHOWN = 5


def differences(expected: Expected, blux: Emulator) -> list[str]:
    """Return a text for each difference between the emulator's records and the expected ones.

    For more than five differences: five texts, and one with the number of the others.
    """
    events = list(blux.all_events())
    deleted = dict.fromkeys(expected.deleted, "deleted")
    found = [
        *_different("user", expected.users, {user_id: _properties(user) for user_id, user in blux.users()}),
        *_different("profile", expected.profiles, {user_id: _properties(user) for user_id, user in blux.profiles()}),
        *_different("event", expected.events, {event["id"]: event for event in events}),
        *_different("device", expected.devices, dict(blux.devices())),
        *_different("deletion of user", deleted, dict.fromkeys(blux.deleted_users(), "deleted")),
        *_different("deletion of profile", deleted, dict.fromkeys(blux.deleted_profiles(), "deleted")),
    ]
    if len(events) != len(expected.events):
        found.append(f"{len(events):,} events arrived instead of {len(expected.events):,}")
    return found if len(found) <= MOST_SHOWN else [*found[:MOST_SHOWN], f"... and {len(found) - MOST_SHOWN:,} more"]


def requests_differing(expected: Expected, shop: Path) -> list[str]:
    """Return a text for each deletion request that is open but should be done, or done but should be open.

    At most five texts are returned, and none if the expected state of the requests is not known.
    """
    if expected.open_requests is None:
        return []
    with closing(sqlite3.connect(shop)) as database:
        found = {
            number for (number,) in database.execute("SELECT request_no FROM deletion_requests WHERE done_at IS NULL")
        }
    return [
        *(f"request {number}: should be done" for number in sorted(found - expected.open_requests)),
        *(f"request {number}: should be open" for number in sorted(expected.open_requests - found)),
    ][:MOST_SHOWN]


def _properties(user: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in user.items() if field != "user_id"}


def _different(kind: str, expected: dict[str, Any], held: dict[str, Any]) -> Iterator[str]:
    yield from (f"{kind} {key}: missing" for key in expected.keys() - held.keys())
    yield from (f"{kind} {key}: should not be there" for key in held.keys() - expected.keys())
    for key in expected.keys() & held.keys():
        if expected[key] != held[key]:
            yield f"{kind} {key}: holds {held[key]} instead of {expected[key]}"

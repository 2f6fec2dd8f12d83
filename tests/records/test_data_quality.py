"""What ``validate_only`` warns of: valid but probably unintended."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.records.data_quality import MANY_USERS, REMEMBERED, Suspicions
from tests.delivery.pushing import push

NIGHT, MESSAGES = "nighttime_notification_consent", "marketing_notification_consent"


def user(number: int, **properties: Any) -> dict[str, Any]:
    return {"user_id": f"u-{number}", "user_properties": properties}


def suspicions(users: Iterable[dict[str, Any]]) -> list[str]:
    looking = Suspicions()
    for number, one in enumerate(users, 1):
        looking.look(number, one)
    return looking.found()


def test_night_messages_without_messages_are_suspicious() -> None:
    found = suspicions(
        [
            user(1, **{NIGHT: True, MESSAGES: False}),
            user(2, **{NIGHT: True, MESSAGES: True}),
            user(3, **{NIGHT: True}),
            user(4, **{NIGHT: True, MESSAGES: None}),
            user(5, **{NIGHT: False, MESSAGES: False}),
            user(6, **{MESSAGES: False}),
        ]
    )

    (said,) = found
    assert said == (
        f"Users who consent to messages at night ({NIGHT}) but not, or not in the same record, to messages at all "
        f"({MESSAGES}): 3 (records 1, 3, 4)."
    )


@pytest.mark.parametrize(("properties", "is_known"), [({}, False), ({NIGHT: None}, False), ({NIGHT: False}, True)])
def test_no_consent_in_any_user_is_suspicious(properties: dict[str, Any], is_known: bool) -> None:
    found = suspicions([user(1), {"user_id": "u-2"}, user(3, **properties)])

    assert found == ([] if is_known else [found[0]])
    assert is_known or found[0].startswith("No consent in any of 3 users: ")


def test_no_users_are_not_suspicious() -> None:
    assert suspicions([]) == []


def test_a_number_of_many_users_is_suspicious() -> None:
    same = [user(n, phone_number=number) for n, number in enumerate(["010-0000-0000", "01000000000"] * MANY_USERS)]
    few = [user(100 + n, phone_number="01058267341") for n in range(MANY_USERS - 1)]
    other = [user(200 + n, phone_number=f"0108000{n:04}", **{MESSAGES: True}) for n in range(50)]

    (said,) = suspicions([*few, *other, *same])
    assert said == (
        "Telephone numbers shared by 10 users or more: 1; the one that occurs most stands in 20 records (records 60, "
        "61, 62, 63, 64 and more)."
    )


def test_one_user_with_many_records_shares_no_number() -> None:
    assert suspicions(user(1, phone_number="01058267341", **{MESSAGES: True}) for _ in range(50)) == []


def test_a_number_without_digits_is_no_number() -> None:
    assert suspicions(user(n, phone_number=" - ", **{MESSAGES: True}) for n in range(50)) == []


def test_what_is_remembered_is_bounded() -> None:
    users = [user(n, phone_number=f"010{n:08}", **{MESSAGES: True}) for n in range(REMEMBERED + 10)]
    looking = Suspicions()
    for number, one in enumerate(users):
        looking.look(number, one)
    for number in range(REMEMBERED + 100, REMEMBERED + 120):
        looking.look(number, user(number, phone_number=f"010{REMEMBERED + 9:08}"))  # came too late
        looking.look(number, user(number, phone_number=f"010{3:08}"))

    (found,) = looking.found()
    assert "stands in 21 records" in found
    assert found.endswith(f"Only the first {REMEMBERED:,} different numbers were compared.")


def test_the_first_records_are_named() -> None:
    looking = Suspicions()
    for number in range(1, 801):
        looking.look(number, user(number, **{NIGHT: True}))

    assert looking.found()[0].endswith(": 800 (records 1, 2, 3, 4, 5 and more).")


ROWS = [
    *({"user_id": f"u-{n}", "phone_number": "01058267341", NIGHT: True} for n in range(1, 21)),
    {"user_id": "u-1", MESSAGES: True},
    {"user_id": " u-22"},
]


@pytest.mark.parametrize("api", ["application", "open"])
def test_validate_only_says_what_is_suspicious(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture, api: Any
) -> None:
    caplog.set_level(logging.WARNING)
    report = push(blux_emulator, "upsert_users", ROWS[:-1], api=api, validate_only=True)

    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert (report.valid, report.merged) == (20, 1)
    assert len(said) == 2
    assert said[0].startswith("Suspicious: Users who consent to messages at night ")
    assert said[0].endswith(": 19 (records 2, 3, 4, 5, 6 and more).")
    assert said[1].startswith("Suspicious: Telephone numbers shared by 10 users or more: 1; ")
    assert "5826" not in caplog.text
    assert "u-1" not in caplog.text
    assert blux_emulator.requests() == []


def test_suspicions_are_said_before_the_task_fails_for_its_rejects(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Exception, match="record 22, user_id: has whitespace around it"):
        push(blux_emulator, "upsert_users", ROWS, validate_only=True)

    assert "19 (records 2, 3," in caplog.text


def test_nothing_is_suspicious_of_what_is_sent_or_is_no_user(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    push(blux_emulator, "upsert_users", ROWS[:-1])
    push(blux_emulator, "delete_users", ["u-1"], validate_only=True)
    push(blux_emulator, "send_events", [{"user_id": "u", "name": "n"}], validate_only=True)

    assert "Suspicious" not in caplog.text

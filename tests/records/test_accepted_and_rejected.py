"""Tables of values, each with the value that is sent, or with the field and the reason of the reject."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records import values
from airflow_provider_blux.records.devices import device
from airflow_provider_blux.records.events import event
from airflow_provider_blux.records.fields import CONSENTS
from airflow_provider_blux.records.users import deletion, profile, user
from tests.records.outcomes import HALF, Rejected, check, kind, outcome

NAN, INF = float("nan"), float("inf")
SEOUL = timezone(timedelta(hours=9))
AN_UUID = UUID("6f1c3d2e-8b4a-4c5d-9e7f-0a1b2c3d4e5f")


class Tier(str, enum.Enum):  # noqa: UP042 - of the older kind, whose text is not its value
    GOLD = "gold"


class Level(enum.IntEnum):
    HIGH = 3


class MissingTimestamp(datetime):
    """A missing timestamp like that of pandas: its type is datetime, its text is a word, and it has no offset."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "NaT"

    def utcoffset(self) -> timedelta | None:
        raise ValueError("NaTType does not support utcoffset")


def missing(field: str) -> Rejected:
    return Rejected(field, "is missing (null)")


def nested(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = [value]
    return value


def nested_objects(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = {"k": value}
    return value


IDS = [
    ("u-1", "u-1"),
    ("00123", "00123"),
    ("1.5", "1.5"),
    ("a b", "a b"),
    ("a/b?c=d&e#f%20", "a/b?c=d&e#f%20"),
    ("고객-1", "고객-1"),
    ("😀", "😀"),
    ("0", "0"),
    (0, "0"),
    (42, "42"),
    (-7, "-7"),
    (2**63, "9223372036854775808"),
    (AN_UUID, str(AN_UUID)),
    (Tier.GOLD, "gold"),
    (None, missing("user_id")),
    ("", Rejected("user_id", "is empty")),
    (" ", Rejected("user_id", "whitespace around it")),
    (" u-1", Rejected("user_id", "whitespace around it")),
    ("u-1\n", Rejected("user_id", "whitespace around it")),
    ("\u3000u-1", Rejected("user_id", "whitespace around it")),
    ("u-1\u00a0", Rejected("user_id", "whitespace around it")),
    (True, Rejected("user_id", "is a boolean")),
    (False, Rejected("user_id", "is a boolean")),
    (123.0, Rejected("user_id", "damaged integer id")),
    (NAN, Rejected("user_id", "is missing (NaN); every record needs one")),
    (INF, Rejected("user_id", "damaged integer id")),
    (Decimal(123), Rejected("user_id", "damaged integer id")),
    (b"u-1", Rejected("user_id", "is of type bytes")),
    (["u-1"], Rejected("user_id", "is of type list")),
    ({"id": "u-1"}, Rejected("user_id", "is of type dict")),
    (date(2026, 1, 31), Rejected("user_id", "is of type date")),
    (Level.HIGH, Rejected("user_id", "is of type Level")),
    (10**5000, Rejected("user_id", "is of type int")),
    (f"u{HALF}", Rejected("user_id", "half a character")),
]


@pytest.mark.parametrize(("value", "expected"), IDS, ids=kind)
def test_ids_of_users_are_text_or_rejected(value: Any, expected: Any) -> None:
    row = {"user_id": value}
    check(user, row, expected if isinstance(expected, Rejected) else (expected, {"user_id": expected}))
    check(
        profile,
        row,
        expected if isinstance(expected, Rejected) else (expected, {"user_id": expected, "properties": {}}),
    )
    check(deletion, row, expected if isinstance(expected, Rejected) else (expected, expected))


@pytest.mark.parametrize(("value", "expected"), [case for case in IDS if not isinstance(case[0], dict)], ids=kind)
def test_ids_to_delete_need_no_row_around_them(value: Any, expected: Any) -> None:
    check(deletion, value, expected if isinstance(expected, Rejected) else (expected, expected))


CONSENT_VALUES = [
    (True, True),
    (False, False),
    ("true", True),
    ("false", False),
    ("TRUE", True),
    ("False", False),
    ("tRuE", True),
    *(
        (value, Rejected("marketing_notification_consent", "a consent is never guessed"))
        for value in (
            *(0, 1, -1, 1.0, 0.0, NAN, Decimal(1), Level.HIGH),
            *("Y", "N", "y", "yes", "no", "1", "0", "t", "f", "on", "off", "", " ", " true", "true ", "예", "null"),
            *([], [True], {}, {"value": True}, b"true", datetime(2026, 1, 31, tzinfo=UTC)),
        )
    ),
]


@pytest.mark.parametrize(("value", "expected"), CONSENT_VALUES, ids=kind)
def test_consents_are_true_false_or_rejected(value: Any, expected: Any) -> None:
    row = {"user_id": "u", "marketing_notification_consent": value}
    accepted = {"marketing_notification_consent": expected}
    if isinstance(expected, Rejected):
        check(user, row, expected)
        check(profile, row, expected)
    else:
        check(user, row, ("u", {"user_id": "u", "user_properties": accepted}))
        check(profile, row, ("u", {"user_id": "u", "properties": accepted}))


@pytest.mark.parametrize("name", CONSENTS)
def test_a_null_consent_is_left_out_and_never_defaulted(name: str) -> None:
    check(user, {"user_id": "u", name: None}, ("u", {"user_id": "u"}))
    check(user, {"user_id": "u", "user_properties": {name: None}}, ("u", {"user_id": "u"}))
    check(user, {"user_id": "u", name: "Y"}, Rejected(name, "never guessed"))
    field = f"user_properties.{name}"
    check(user, {"user_id": "u", "user_properties": {name: 1}}, Rejected(field, "never guessed"))


PHONE_NUMBERS = [
    ("01012345678", "01012345678"),
    ("+82 10-1234-5678", "+82 10-1234-5678"),
    (1012345678, Rejected("phone_number", "has already lost its leading zero")),
    (1012345678.0, Rejected("phone_number", "has already lost its leading zero")),
    (Decimal(1012345678), Rejected("phone_number", "has already lost its leading zero")),
    (NAN, Rejected("phone_number", "is a number")),
    (True, Rejected("phone_number", "is of type bool; it must be text")),
    (b"01012345678", Rejected("phone_number", "is of type bytes; it must be text")),
    (["01012345678"], Rejected("phone_number", "is of type list; it must be text")),
    (f"010{HALF}", Rejected("phone_number", "half a character")),
]


@pytest.mark.parametrize(("value", "expected"), PHONE_NUMBERS, ids=kind)
def test_phone_numbers_are_text_or_rejected(value: Any, expected: Any) -> None:
    found = outcome(user, {"user_id": "u", "phone_number": value})
    if isinstance(expected, Rejected):
        check(user, {"user_id": "u", "phone_number": value}, expected)
        inside = Rejected(f"user_properties.{expected.field}", expected.words)
        check(user, {"user_id": "u", "user_properties": {"phone_number": value}}, inside)
    else:
        assert found == ("u", {"user_id": "u", "user_properties": {"phone_number": expected}})


PROPERTIES = [
    ("text", "text"),
    ("", ""),
    ("한글 😀", "한글 😀"),
    ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    (0, 0),
    (2**64, 2**64),
    (10**308, 10**308),
    (10**309, Rejected("p", "larger than a JSON number")),
    (-(10**5000), Rejected("p", "larger than a JSON number")),
    (1.5, 1.5),
    (-0.0, -0.0),
    (NAN, Rejected("p", "is not a finite number")),
    (INF, Rejected("p", "is not a finite number")),
    (-INF, Rejected("p", "is not a finite number")),
    (True, True),
    (False, False),
    (Tier.GOLD, "gold"),
    (Level.HIGH, 3),
    (Decimal("19.90"), 19.9),
    (Decimal("20.00"), 20),
    (Decimal("-3"), -3),
    (Decimal("0.1"), 0.1),
    (Decimal("-123456789.1234567"), -123456789.1234567),
    (Decimal("1E+3"), 1000),
    (Decimal("12345678901234567890"), 12345678901234567890),
    (Decimal("0.12345678901234567890"), Rejected("p", "more digits than a JSON number keeps")),
    (Decimal("1E-400"), Rejected("p", "more digits than a JSON number keeps")),
    (Decimal("1E+400"), Rejected("p", "larger than a JSON number")),
    (Decimal("-1E+999999"), Rejected("p", "larger than a JSON number")),
    (Decimal("NaN"), Rejected("p", "is not a finite number")),
    (Decimal("sNaN"), Rejected("p", "is not a finite number")),
    (Decimal("-Infinity"), Rejected("p", "is not a finite number")),
    (AN_UUID, str(AN_UUID)),
    (date(2026, 1, 31), "2026-01-31"),
    (time(9, 30), "09:30:00"),
    (time(9, 30, tzinfo=SEOUL), "09:30:00+09:00"),
    (datetime(2026, 1, 31, 9, 0, tzinfo=SEOUL), "2026-01-31T09:00:00+09:00"),
    (datetime(2026, 1, 31, 9, 0), "2026-01-31T09:00:00"),  # noqa: DTZ001 - a local time is a property like any other
    (MissingTimestamp(2026, 1, 31, tzinfo=UTC), Rejected("p", "is not a time (NaT)")),
    (timedelta(hours=1), Rejected("p", "is of type timedelta, which JSON cannot carry")),
    (b"bytes", Rejected("p", "decode them to text first")),
    (bytearray(b"bytes"), Rejected("p", "decode them to text first")),
    (memoryview(b"bytes"), Rejected("p", "is of type bytes, which JSON cannot carry; decode them to text first")),
    ({1, 2}, Rejected("p", "is of type set, which JSON cannot carry")),
    (1 + 2j, Rejected("p", "is of type complex")),
    (object(), Rejected("p", "is of type object")),
    (iter([1]), Rejected("p", "is of type list_iterator")),
    (range(3), Rejected("p", "is of type range")),
    ([], []),
    ({}, {}),
    ([1, "a", None, True], [1, "a", None, True]),
    ((1, (2, 3)), [1, [2, 3]]),
    ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None}]}}),
    ([Decimal("1.5"), AN_UUID, date(2026, 1, 31)], [1.5, str(AN_UUID), "2026-01-31"]),
    ([1, NAN], Rejected("p[1]", "is not a finite number")),
    ({"a": [{"b": INF}]}, Rejected("p.a[0].b", "is not a finite number")),
    ({"a": {1: "one"}}, Rejected("p.a", "has a key of type int; keys are text")),
    ({None: 1}, Rejected("p", "has a key of type NoneType; keys are text")),
    ({b"k": 1}, Rejected("p", "has a key of type bytes; keys are text")),
    ({("a", "b"): 1}, Rejected("p", "has a key of type tuple; keys are text")),
    ({HALF: 1}, Rejected("p", "half a character")),
    (nested(32), nested(32)),
    (nested(33), Rejected("p" + "[0]" * 32, "is nested more than 32 levels deep")),
    (nested_objects(32), nested_objects(32)),
    (nested_objects(33), Rejected("p" + ".k" * 32, "is nested more than 32 levels deep")),
    (nested(900), Rejected("p" + "[0]" * 32, "is nested more than 32 levels deep")),
]


@pytest.mark.parametrize(("value", "expected"), PROPERTIES, ids=kind)
@pytest.mark.parametrize(
    ("shape", "around", "group"),
    [
        (user, {"user_id": "u"}, "custom_user_properties"),
        (profile, {"user_id": "u"}, "properties"),
        (event, {"user_id": "u", "name": "n"}, "properties"),
        (device, {"device_id": "u"}, "properties"),
    ],
    ids=["user", "profile", "event", "device"],
)
def test_properties_are_what_json_can_carry_or_rejected(
    shape: Callable[[Any], Any], around: dict[str, Any], group: str, value: Any, expected: Any
) -> None:
    check(
        shape,
        {**around, "p": value},
        expected if isinstance(expected, Rejected) else ("u", {**around, group: {"p": expected}}),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-31T09:00:00Z", "2026-01-31T09:00:00Z"),
        ("2026-01-31T09:00:00+09:00", "2026-01-31T09:00:00+09:00"),
        ("2026-01-31 09:00:00+09:00", "2026-01-31T09:00:00+09:00"),
        ("2026-01-31T09:00:00.123456789+0900", "2026-01-31T09:00:00.123456789+0900"),
        ("20260131T090000Z", "20260131T090000Z"),
        ("2026-01-31T09:00:00,5-03:00", "2026-01-31T09:00:00,5-03:00"),
        ("2026-W05-6T09:00:00Z", "2026-W05-6T09:00:00Z"),
        (datetime(2026, 1, 31, 9, 0, tzinfo=SEOUL), "2026-01-31T09:00:00+09:00"),
        (datetime(2026, 1, 31, 9, 0, 0, 5, tzinfo=UTC), "2026-01-31T09:00:00.000005+00:00"),
        ("2026-01-31T09:00:00", Rejected("timestamp", "has no zone")),
        (datetime(2026, 1, 31, 9, 0), Rejected("timestamp", "has no zone")),  # noqa: DTZ001 - that is the point
        ("2026-01-31", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("yesterday", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("31.01.2026 09:00", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("2026-02-30T09:00:00Z", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("2026-01-31x09:00:00Z", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("2026-01-31T09:00:00 KST", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        ("2026-01-31T09:00:00Z\n", Rejected("timestamp", "is not an ISO 8601 timestamp")),
        (f"2026-01-31{HALF}09:00:00Z", Rejected("timestamp", "half a character")),
        (MissingTimestamp(2026, 1, 31, tzinfo=UTC), Rejected("timestamp", "is not a time (NaT)")),
        (1769817600, Rejected("timestamp", "is a number; say in timestamp_unit")),
        (1769817600.5, Rejected("timestamp", "is a number; say in timestamp_unit")),
        ("1769817600", Rejected("timestamp", "is a number; say in timestamp_unit")),
        (date(2026, 1, 31), Rejected("timestamp", "is of type date")),
        (True, Rejected("timestamp", "is of type bool")),
    ],
    ids=kind,
)
def test_timestamps_have_a_zone_or_are_rejected(value: Any, expected: Any) -> None:
    for shape, row in (
        (event, {"user_id": "u", "name": "n"}),
        (profile, {"user_id": "u", "properties": {}}),
    ):
        accepted = ("u", {**row, "timestamp": expected})
        check(shape, {**row, "timestamp": value}, expected if isinstance(expected, Rejected) else accepted)


def test_every_reason_says_a_way_out_in_a_line() -> None:
    for value, _ in PROPERTIES:
        found = outcome(lambda it: values.json_value(it, "p"), value)
        if isinstance(found, BluxRecordError):
            assert "\n" not in found.reason
            assert ";" in found.reason or "nested" in found.reason


def test_what_is_accepted_decodes_to_itself() -> None:
    for value, expected in PROPERTIES:
        if not isinstance(expected, Rejected):
            sent = values.json_value(value, "p")
            assert json.loads(json.dumps(sent, allow_nan=False)) == sent


@pytest.mark.parametrize("written", ["5", "5.0", "5.00", "5E+0", "-0.0", "12345678901234567890"])
def test_a_whole_decimal_is_a_whole_number_whatever_its_digits(written):
    number = values.json_value(Decimal(written), "n")

    assert type(number) is int
    assert number == Decimal(written)


@pytest.mark.parametrize("name", [5, None, HALF])
def test_a_null_in_a_column_that_cannot_be_sent_costs_no_other_column(name: Any) -> None:
    row = {"user_id": "u", name: None, "phone_number": "010", "grade": "gold"}

    assert user(row)[1] == {
        "user_id": "u",
        "user_properties": {"phone_number": "010"},
        "custom_user_properties": {"grade": "gold"},
    }
    assert isinstance(outcome(user, {**row, name: 1}), BluxRecordError)

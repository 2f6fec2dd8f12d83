"""The effect of declared values, a zone for naive timestamps, and ``send_nulls`` on a record."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.devices import device
from airflow_provider_blux.records.events import event
from airflow_provider_blux.records.fields import CONSENTS
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.users import profile, user
from tests.records.outcomes import HALF, Rejected, check, kind, outcome
from tests.records.test_invariants import repeatable, scalars

CONSENT = CONSENTS[1]
NEVER = Rejected(CONSENT, "a consent is never guessed: declare its values in true_values and false_values")
DECLARED = Shaping(true_values=["Y", "yes", "예", 1, "t"], false_values=["N", "no", 0, 2.5, "-"])


class Answer(str, enum.Enum):  # noqa: UP042 - of the older kind, whose text is not its value
    YES = "Y"


class Level(enum.IntEnum):
    ONE = 1
    SEVEN = 7


MEANINGS: list[tuple[Any, Any]] = [
    (True, True),
    (False, False),
    ("true", True),
    ("FALSE", False),
    ("Y", True),
    ("yes", True),
    ("예", True),
    ("t", True),
    ("N", False),
    ("no", False),
    ("-", False),
    (1, True),
    (1.0, True),
    (Decimal(1), True),
    (Decimal("1.00"), True),
    (Level.ONE, True),
    (0, False),
    (0.0, False),
    (-0.0, False),
    (Decimal(0), False),
    (2.5, False),
    (Decimal("2.5"), False),
    (Answer.YES, True),
    *(
        (value, NEVER)
        for value in (
            *("y", "n", "Yes", "NO", " Y", "Y ", "", "1", "0", "1.0", "아니오", "T", "null", "None"),
            *(2, -1, 0.5, 1e308, float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("1.01")),
            *(Level.SEVEN, 10**400, b"Y", ["Y"], [1], {}, {"Y": 1}, {"Y"}, object(), 1 + 0j, UTC),
        )
    ),
    (f"Y{HALF}", Rejected(CONSENT, "half a character")),
]


@pytest.mark.parametrize(("value", "expected"), MEANINGS, ids=kind)
@pytest.mark.parametrize(
    ("shape", "group"), [(user, "user_properties"), (profile, "properties")], ids=["user", "profile"]
)
def test_a_consent_is_what_was_declared_or_rejected(shape: Any, group: str, value: Any, expected: Any) -> None:
    row = {"user_id": "u", CONSENT: value}
    accepted = ("u", {"user_id": "u", group: {CONSENT: expected}})
    check(partial(shape, shaping=DECLARED), row, expected if isinstance(expected, Rejected) else accepted)


def test_declared_values_are_for_the_six_consents_alone() -> None:
    row = {"user_id": "u", "grade": "Y", "paid": 1, "phone_number": "N", **dict.fromkeys(CONSENTS, "Y")}

    _, record = user(row, DECLARED)

    assert record["custom_user_properties"] == {"grade": "Y", "paid": 1}
    assert record["user_properties"] == {"phone_number": "N", **dict.fromkeys(CONSENTS, True)}


def test_zero_that_means_true_does_not_turn_false_round() -> None:
    turned = Shaping(true_values=[0], false_values=[1])

    for value in (True, False):
        assert user({"user_id": "u", CONSENT: value}, turned)[1]["user_properties"] == {CONSENT: value}


@given(value=scalars)
@repeatable
def test_no_value_becomes_a_consent_that_was_not_declared(value: Any) -> None:
    found = outcome(partial(user, shaping=DECLARED), {"user_id": "u", CONSENT: value})

    if isinstance(found, BluxRecordError):
        assert found.field == CONSENT
    elif value is None:
        assert found[1] == {"user_id": "u"}
    else:
        sent = found[1]["user_properties"][CONSENT]
        words = {"true": True, "false": False}
        assert sent is (DECLARED.meanings[value] if value in DECLARED.meanings else words[str(value).lower()])


SEOUL, BERLIN = "Asia/Seoul", "Europe/Berlin"
KST = timezone(timedelta(hours=9))
TWICE, SKIPPED = Rejected("timestamp", "happens twice in naive"), Rejected("timestamp", "is skipped in naive_timezone")
END = Rejected("timestamp", "is at a limit of the calendar")
NO_TIME = Rejected("timestamp", "is not an ISO 8601 timestamp")


def at(*numbers: int, fold: int = 0) -> datetime:
    return datetime(*numbers, fold=fold)  # type: ignore[misc,arg-type]  # noqa: DTZ001 - naive ones are the subject


LOCAL_TIMES: list[tuple[Any, Any, Any]] = [
    (SEOUL, "2026-01-31T09:00:00", "2026-01-31T09:00:00+09:00"),
    (SEOUL, "2026-01-31 09:00:00", "2026-01-31T09:00:00+09:00"),
    (SEOUL, "2026-01-31T09:00", "2026-01-31T09:00+09:00"),
    (SEOUL, "2026-01-31T09:00:00.5", "2026-01-31T09:00:00.5+09:00"),
    (SEOUL, "2026-01-31T09:00:00.123456789", "2026-01-31T09:00:00.123456789+09:00"),
    (SEOUL, "20260131T090000", "20260131T090000+0900"),
    (SEOUL, "2026-01-31T09:00:00Z", "2026-01-31T09:00:00Z"),
    (SEOUL, "2026-01-31T09:00:00-05:00", "2026-01-31T09:00:00-05:00"),
    (SEOUL, at(2026, 1, 31, 9), "2026-01-31T09:00:00+09:00"),
    (SEOUL, at(2026, 1, 31, 9, 0, 0, 5), "2026-01-31T09:00:00.000005+09:00"),
    (SEOUL, datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
    (KST, at(2026, 1, 31, 9), "2026-01-31T09:00:00+09:00"),
    (UTC, "2026-01-31T09:00:00", "2026-01-31T09:00:00+00:00"),
    ("UTC", at(2026, 1, 31, 9), "2026-01-31T09:00:00+00:00"),
    ("America/St_Johns", "2026-01-31T09:00:00", "2026-01-31T09:00:00-03:30"),
    (BERLIN, "2026-01-31T09:00:00", "2026-01-31T09:00:00+01:00"),
    (BERLIN, "2026-07-31T09:00:00", "2026-07-31T09:00:00+02:00"),
    (BERLIN, "2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"),
    (BERLIN, "2026-03-29T02:00:00", SKIPPED),
    (BERLIN, "2026-03-29T02:59:59.999999", SKIPPED),
    (BERLIN, at(2026, 3, 29, 2, 30), SKIPPED),
    (BERLIN, "2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"),
    (BERLIN, "2026-10-25T01:59:59", "2026-10-25T01:59:59+02:00"),
    (BERLIN, "2026-10-25T02:00:00", TWICE),
    (BERLIN, at(2026, 10, 25, 2, 30), TWICE),
    (BERLIN, at(2026, 10, 25, 2, 30, fold=1), TWICE),
    (BERLIN, "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+02:00"),
    (BERLIN, "2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
    (SEOUL, "1988-05-08T02:30:00", SKIPPED),
    ("Pacific/Apia", "2011-12-30T12:00:00", SKIPPED),
    (SEOUL, "0001-01-01T00:00:00", END),
    ("America/New_York", "9999-12-31T23:59:59", END),
    (SEOUL, "2026-01-31", NO_TIME),
    (SEOUL, "2026-02-30T09:00:00", NO_TIME),
    (SEOUL, "", NO_TIME),
    (SEOUL, 1769817600, Rejected("timestamp", "is a number; say in timestamp_unit")),
    (None, at(2026, 1, 31, 9), Rejected("timestamp", "or set naive_timezone")),
]


@pytest.mark.parametrize(("zone", "value", "expected"), LOCAL_TIMES, ids=str)
def test_a_timestamp_without_a_zone_is_placed_or_rejected(zone: Any, value: Any, expected: Any) -> None:
    shaping = Shaping(naive_timezone=zone)
    for shape, row in ((event, {"user_id": "u", "name": "n"}), (profile, {"user_id": "u", "properties": {}})):
        accepted = ("u", {**row, "timestamp": expected})
        check(
            partial(shape, shaping=shaping),
            {**row, "timestamp": value},
            expected if isinstance(expected, Rejected) else accepted,
        )


@given(
    moment=st.datetimes(),
    name=st.sampled_from(["Asia/Seoul", "Europe/Berlin", "America/St_Johns", "Africa/Monrovia", "Pacific/Apia", "UTC"]),
    as_text=st.booleans(),
)
@repeatable
def test_a_placed_timestamp_is_that_local_time_in_its_zone(moment: datetime, name: str, as_text: bool) -> None:
    shaping = Shaping(naive_timezone=name)
    row = {"user_id": "u", "name": "n", "timestamp": moment.isoformat() if as_text else moment}
    found = outcome(partial(event, shaping=shaping), row)

    if isinstance(found, BluxRecordError):
        assert found.field == "timestamp"
    else:
        sent = datetime.fromisoformat(found[1]["timestamp"])
        assert sent.replace(tzinfo=None) == moment
        assert sent.astimezone(shaping.zone).replace(tzinfo=None) == moment


def test_a_naive_time_among_the_properties_stays_as_it_is() -> None:
    shaping = Shaping(naive_timezone=SEOUL)
    for shape in (user, profile, event, device):
        row = {"user_id": "u", "device_id": "d", "name": "n", "at": at(2026, 1, 31, 9)}
        assert "'at': '2026-01-31T09:00:00'" in str(shape(row, shaping))


NULLS = Shaping(send_nulls=True)
EVENT = {"user_id": "u", "name": "n"}
SENT_NULLS: list[tuple[Any, dict[str, Any], Any]] = [
    (user, {"user_id": "u", "grade": None}, {"user_id": "u", "custom_user_properties": {"grade": None}}),
    (user, {"user_id": "u", "phone_number": None}, {"user_id": "u", "user_properties": {"phone_number": None}}),
    (user, {"user_id": "u", CONSENT: None}, {"user_id": "u", "user_properties": {CONSENT: None}}),
    (
        user,
        {"user_id": "u", "user_properties": {CONSENT: None}, "custom_user_properties": {"a": None, "b": 1}},
        {"user_id": "u", "user_properties": {CONSENT: None}, "custom_user_properties": {"a": None, "b": 1}},
    ),
    (user, {"user_id": "u", "user_properties": None, "custom_user_properties": None}, {"user_id": "u"}),
    (
        user,
        {"user_id": "u", "user_properties": {"grade": None}},
        Rejected("user_properties.grade", "not one of the eight"),
    ),
    (user, {"user_id": None, "grade": None}, Rejected("user_id", "is missing (null)")),
    (user, {"user_id": "u", "grade": None, "custom_user_properties": {"grade": 1}}, Rejected("grade", "given twice")),
    (user, {"user_id": "u", 5: None}, Rejected("a column name", "is of type int")),
    (user, {"user_id": "u", "custom_user_properties": {5: None}}, Rejected("a key of custom_user_properties", "int")),
    (
        profile,
        {"user_id": "u", "grade": None, CONSENT: None},
        {"user_id": "u", "properties": {"grade": None, CONSENT: None}},
    ),
    (profile, {"user_id": "u", "properties": {"grade": None}}, {"user_id": "u", "properties": {"grade": None}}),
    (profile, {"user_id": "u", "properties": None}, {"user_id": "u", "properties": {}}),
    (profile, {"user_id": "u", "properties": {}, "timestamp": None}, {"user_id": "u", "properties": {}}),
    (profile, {"user_id": "u", "properties": {}, "user_properties": None}, {"user_id": "u", "properties": {}}),
    (profile, {"user_id": "u", "properties": {}, "grade": None}, Rejected("grade", "is beside 'properties'")),
    (event, {**EVENT, "total": None}, {**EVENT, "properties": {"total": None}}),
    (event, {**EVENT, "properties": {"total": None}}, {**EVENT, "properties": {"total": None}}),
    (event, {**EVENT, "properties": None, "timestamp": None, "id": None}, EVENT),
    (event, {**EVENT, "name": None}, Rejected("name", "is missing or empty")),
    (event, {**EVENT, "user_id": None}, Rejected("user_id", "is missing (null)")),
    (device, {"device_id": "d", "x": None}, {"device_id": "d", "properties": {"x": None}}),
    (
        device,
        {"device_id": "d", **dict.fromkeys(("user_id", "platform", "token", "app_local_id", "properties"))},
        {"device_id": "d"},
    ),
    (device, {"device_id": None}, Rejected("device_id", "is missing (null)")),
]


@pytest.mark.parametrize(("shape", "row", "expected"), SENT_NULLS)
def test_with_send_nulls_a_null_property_is_sent_as_null(shape: Any, row: dict[str, Any], expected: Any) -> None:
    key = row.get("device_id") or row.get("user_id")
    check(partial(shape, shaping=NULLS), row, expected if isinstance(expected, Rejected) else (key, expected))

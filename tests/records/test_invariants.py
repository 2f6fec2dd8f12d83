"""Invariants that hold for every row, tested with hypothesis."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_blux.delivery.filters import Freshness
from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRecordError
from airflow_provider_blux.records.devices import device
from airflow_provider_blux.records.events import event
from airflow_provider_blux.records.fields import CONSENTS
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import FIELDS as KIND_FIELDS
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.records.spelling import letters_of
from airflow_provider_blux.records.users import deletion, is_older, merged, profile, user
from airflow_provider_blux.sources.rows import TableRow
from tests.records.outcomes import outcome

KINDS = list(KIND_FIELDS)
SHAPES = [user, profile, event, device, deletion]
FIELDS = [
    *("user_id", "device_id", "name", "timestamp", "id", "token", "platform", "properties"),
    *("user_properties", "custom_user_properties", "phone_number", "email_address", CONSENTS[0], "grade"),
]

# Fields as people write them.
SPELLED = sorted(
    {
        spelled
        for name in FIELDS
        for spelled in (
            *(name.upper(), name.title(), name.replace("_", "-"), name.replace("_", " "), f" {name}", f"{name} "),
            *(name.title().replace("_", ""), f"\ufeff{name}", "".join(chr(ord(letter) + 0xFEE0) for letter in name)),
        )
    }
)
MOMENTS = [
    end.replace(tzinfo=zone)
    for end in (datetime.min, datetime.max)  # noqa: DTZ901 - that is the point
    for zone in (None, timezone(timedelta(hours=-12)), timezone(timedelta(hours=14)))
]
ENDS = [*MOMENTS, date.min, date.max, time.min, time.max]

# The same rows in every run: a test that fails does so for everyone.
repeatable = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# For tests of every kind of record.
fewer = settings(repeatable, max_examples=50)

any_text = st.text(st.characters(codec=None), max_size=8)  # lone surrogates included
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=9)), timezone(timedelta(seconds=-30_061))])
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), any_text, st.floats(), st.decimals(), st.binary(max_size=4), st.uuids()),
    *(st.complex_numbers(), st.fractions(), st.timedeltas(), st.just(object()), st.just(int), st.just(10**400)),
    *(st.dates(), st.times(timezones=zones), st.datetimes(timezones=zones)),
    st.sampled_from(ENDS),
    st.sampled_from([Decimal("1E+999999"), Decimal("-1E-999999"), Decimal("sNaN"), "u-1", "true", "2026-01-31T09:00Z"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(any_text, st.integers(), st.none()), inner, max_size=3),
        st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
        st.frozensets(st.integers(), max_size=2),
    ),
    max_leaves=8,
)
rows = st.one_of(
    st.fixed_dictionaries(
        {"user_id": st.just("u"), "device_id": st.just("d"), "name": st.just("n")},
        optional=dict.fromkeys(FIELDS[3:], anything),
    ),
    st.dictionaries(st.sampled_from(FIELDS), anything, max_size=5),
    st.dictionaries(st.sampled_from([*FIELDS, *SPELLED]), anything, max_size=4),
    anything,
)
shapings = st.builds(
    Shaping,
    lowercase_columns=st.booleans(),
    send_nulls=st.booleans(),
    check_ids=st.booleans(),
    timestamp_unit=st.sampled_from([None, "s", "ms", "us"]),
    phone_region=st.sampled_from([None, "KR"]),
    json_columns=st.lists(st.sampled_from(["grade", "properties", "custom_user_properties"]), max_size=2),
    naive_timezone=st.sampled_from([None, "Asia/Seoul"]),
)


@pytest.mark.parametrize("shape", SHAPES)
@given(row=rows)
@repeatable
def test_any_row_is_accepted_as_json_or_rejected_with_a_reason(shape: Callable[[Any], Any], row: Any) -> None:
    found = outcome(shape, row)

    if isinstance(found, BluxRecordError):
        assert found.reason
        assert str(found).encode()  # fit for a log and for the file of rejects
    else:
        key, record = found
        assert type(key) is str
        # As it is sent, by another parser than the writer's; repr tells 1 from 1.0 and from true.
        assert repr(json.loads(msgspec.json.encode(record))) == repr(record)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(row=rows, shaping=shapings, is_table=st.booleans())
@fewer
def test_no_field_becomes_a_property_by_its_spelling(
    kind: tuple[str, str], row: Any, shaping: Shaping, is_table: bool
) -> None:
    if is_table and isinstance(row, dict):
        row = TableRow({str(column): value for column, value in row.items()})
    try:
        found = outcome(RowShape(*kind, shaping), row)
    except BluxConfigError as error:
        assert is_table
        found = error

    if isinstance(found, BluxError):
        assert str(found).encode()
        return
    assert repr(json.loads(msgspec.json.encode(found[1]))) == repr(found[1])
    if isinstance(row, Mapping) and isinstance(found[1], dict):
        fields = KIND_FIELDS[kind].names
        inside = [found[1].get(group) or {} for group in ("properties", "custom_user_properties")]
        nested = {name for group in ("properties", "custom_user_properties") for name in row.get(group) or ()}
        own = {name for group in inside for name in group} - fields - nested
        if not shaping.json_columns:
            assert not {letters_of(name) for name in own} & {letters_of(field) for field in fields}


@given(number=st.one_of(st.floats(), st.integers().map(float), st.floats(1e15, 1e300)))
@repeatable
def test_a_whole_number_that_became_a_float_and_text_is_no_id(number: float) -> None:
    found = outcome(user, {"user_id": str(number)})

    if not math.isfinite(number) or number.is_integer():
        assert isinstance(found, BluxRecordError)
    else:
        assert found == (str(number), {"user_id": str(number)})


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(shared=anything, shaping=shapings, number=st.integers(1, 3))
@fewer
def test_rows_may_share_objects(kind: tuple[str, str], shared: Any, shaping: Shaping, number: int) -> None:
    row = {"user_id": "u", "device_id": "d", "name": "n", "grade": shared, "properties": shared}
    apart, together = RowShape(*kind, shaping), RowShape(*kind, shaping)
    before = repr(shared)

    expected = [repr(outcome(apart, dict(row))) for _ in range(number)]
    assert [repr(outcome(together, same)) for same in [row] * number] == expected
    assert repr(shared) == before


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_moment_at_an_end_of_the_calendar_is_taken_or_rejected(moment: datetime) -> None:
    shape = RowShape("upsert_users", "application")
    freshness = Freshness("at", Shaping(naive_timezone="Asia/Seoul"), shape.header.lowered)
    row = {"user_id": "u", "at": moment}

    found = outcome(lambda it: freshness.check(shape(it)[0], it), row)
    assert found is None or found.field == "at"
    assert outcome(event, {"user_id": "u", "name": "n", "timestamp": moment})


SECRET = "Xq7-0158267341-qX"
carriers = st.sampled_from(
    [
        SECRET,
        f" {SECRET}",
        f"{SECRET}\ud800",
        SECRET.encode(),
        {SECRET},
        [SECRET, float("nan")],
        {"k": (SECRET, b"")},
        [[SECRET, object()]],
        Decimal("0.10158267341015826734101582"),
        1058267341015826.5,
    ]
)


@pytest.mark.parametrize("shape", SHAPES)
@given(row=st.dictionaries(st.sampled_from(FIELDS), carriers, max_size=4))
@repeatable
def test_no_error_shows_a_value(shape: Callable[[Any], Any], row: dict[str, Any]) -> None:
    found = outcome(shape, row)

    if isinstance(found, BluxRecordError):
        assert "158267341" not in f"{found} {found!r} {found.field} {found.__cause__!r}"


json_scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("ab", max_size=2))
properties = st.dictionaries(st.sampled_from(["a", "b", "c"]), json_scalars, max_size=3)
consents = st.dictionaries(st.sampled_from(CONSENTS[:2]), st.one_of(st.none(), st.booleans()), max_size=2)
users_of_one = st.fixed_dictionaries({"user_id": st.just("u")}, optional={"user_properties": consents}).flatmap(
    lambda row: properties.map(lambda custom: {**row, **custom})
)
profiles_of_one = st.fixed_dictionaries(
    {"user_id": st.just("u"), "properties": properties},
    optional={"timestamp": st.sampled_from(["2026-01-31T09:00:00Z", "2026-02-01T09:00:00Z"])},
)
devices_of_one = st.fixed_dictionaries(
    {"device_id": st.just("d")},
    optional={"token": st.text("t", max_size=2), "user_id": st.sampled_from(["u", "v"]), "properties": properties},
)


def applied(crm: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Return the user in a CRM after an update: objects are merged by key, other values are replaced.

    The timestamp is that of the update; without one, the update is of now.
    """
    after = deepcopy(crm) | {"timestamp": None}
    for field, value in record.items():
        after[field] = {**after.get(field, {}), **value} if isinstance(value, dict) else value
    return after


@pytest.mark.parametrize(
    ("shape", "several"),
    [(user, users_of_one), (profile, profiles_of_one), (device, devices_of_one)],
    ids=["users", "profiles", "devices"],
)
@given(data=st.data())
@repeatable
def test_sending_the_merged_record_equals_sending_one_after_the_other(
    shape: Callable[[Any], Any], several: st.SearchStrategy[dict[str, Any]], data: st.DataObject
) -> None:
    first, *others = records = [shape(row)[1] for row in data.draw(st.lists(several, min_size=2, max_size=4))]
    known = applied({}, shape(data.draw(several))[1])
    together = [first]
    for record in others:
        if is_older(record, together[-1]):
            together.append(record)
        else:
            together[-1] = merged(together[-1], record)

    assert reduce(applied, together, known) == reduce(applied, records, known)


@given(moment=st.one_of(st.dates(), st.times(), st.datetimes(timezones=zones)))
@repeatable
def test_dates_and_times_lose_nothing(moment: date | time) -> None:
    _, record = user({"user_id": "u", "p": moment})

    assert type(moment).fromisoformat(record["custom_user_properties"]["p"]) == moment


@given(moment=st.datetimes(timezones=zones.filter(bool)))
@repeatable
def test_a_timestamp_with_a_zone_is_the_same_moment_as_text(moment: datetime) -> None:
    _, record = event({"user_id": "u", "name": "n", "timestamp": moment})
    _, again = event({"user_id": "u", "name": "n", "timestamp": record["timestamp"]})

    assert datetime.fromisoformat(record["timestamp"]) == moment
    assert again == record


@given(number=st.decimals(allow_nan=False, allow_infinity=False))
@repeatable
def test_a_decimal_is_sent_exactly_or_rejected(number: Decimal) -> None:
    found = outcome(user, {"user_id": "u", "p": number})

    if isinstance(found, BluxRecordError):
        assert found.field == "p"
    else:
        assert Decimal(repr(found[1]["custom_user_properties"]["p"])) == number

"""Columns with other names: the fields for their values, and their names in errors."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRecordError
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import FIELDS, RowShape
from airflow_provider_blux.sources.rows import TableRow
from tests.records.outcomes import Rejected, check, outcome
from tests.records.test_invariants import anything, repeatable

CONSENT = "marketing_notification_sms_consent"
USER = ("upsert_users", "application")
PROFILE = ("upsert_users", "open")
EVENT = ("send_events", "open")
DEVICE = ("update_devices", "open")
DELETION = ("delete_users", "application")
TWICE = "is given twice, by its own name and by field_mapping; remove one"

CASES: list[tuple[tuple[str, str], dict[str, str], Any, Any]] = [
    (
        USER,
        {"id": "user_id"},
        {"id": 7, "grade": "gold"},
        {"user_id": "7", "custom_user_properties": {"grade": "gold"}},
    ),
    (
        USER,
        {"no": "user_id", "tel": "user_properties.phone_number", "sms": CONSENT, "lv": "custom_user_properties.grade"},
        {"no": "u", "tel": "010", "sms": "true", "lv": 3, "city": "Seoul"},
        {
            "user_id": "u",
            "user_properties": {"phone_number": "010", CONSENT: True},
            "custom_user_properties": {"grade": 3, "city": "Seoul"},
        },
    ),
    (
        USER,
        {"tel": "user_properties.phone_number"},
        {"user_id": "u", "tel": "010", "user_properties": {"email_address": "a@b"}},
        {"user_id": "u", "user_properties": {"phone_number": "010", "email_address": "a@b"}},
    ),
    (
        USER,
        {"tel": "user_properties.phone_number"},
        {"user_id": "u", "tel": "010", "user_properties": None},
        {"user_id": "u", "user_properties": {"phone_number": "010"}},
    ),
    (
        USER,
        {"props": "custom_user_properties"},
        {"user_id": "u", "props": {"a": 1}},
        {"user_id": "u", "custom_user_properties": {"a": 1}},
    ),
    (
        USER,
        {"props": "custom_user_properties", "g": "custom_user_properties.grade"},
        {"user_id": "u", "g": 2, "props": {"a": 1}},
        {"user_id": "u", "custom_user_properties": {"a": 1, "grade": 2}},
    ),
    (
        USER,
        {"g": "custom_user_properties.a.b"},
        {"user_id": "u", "g": 2},
        {"user_id": "u", "custom_user_properties": {"a.b": 2}},
    ),
    (
        USER,
        {"user_id": "custom_user_properties.number", "login": "user_id"},
        {"user_id": 5, "login": "u"},
        {"user_id": "u", "custom_user_properties": {"number": 5}},
    ),
    (USER, {"user_id": "user_id"}, {"user_id": "u"}, {"user_id": "u"}),
    (
        USER,
        {"a": "b", "b": "a"},
        {"user_id": "u", "a": 1, "b": 2},
        {"user_id": "u", "custom_user_properties": {"b": 1, "a": 2}},
    ),
    (USER, {"tel": "phone_number"}, {"user_id": "u"}, {"user_id": "u"}),
    (USER, {"tel": "phone_number"}, {"user_id": "u", "tel": None}, {"user_id": "u"}),
    (
        USER,
        {"phone_number": "custom_user_properties.phone_number"},
        {"user_id": "u", "phone_number": 5},
        {"user_id": "u", "custom_user_properties": {"phone_number": 5}},
    ),
    (USER, {"id": "user_id"}, {"grade": 1}, Rejected("user_id", "is missing (null)")),
    (USER, {"id": "user_id"}, {"id": 1.0}, Rejected("user_id", "read the column as text (column 'id')")),
    (USER, {"tel": "phone_number"}, {"user_id": "u", "tel": 10}, Rejected("phone_number", "(column 'tel')")),
    (
        USER,
        {"tel": "user_properties.phone_number"},
        {"user_id": "u", "tel": 10},
        Rejected("user_properties.phone_number", "(column 'tel')"),
    ),
    (
        USER,
        {"x": "tags"},
        {"user_id": "u", "x": [1, b""]},
        Rejected("tags[1]", "decode them to text first (column 'x')"),
    ),
    (USER, {"x": "tags"}, {"user_id": "u", "x": {"a": b""}}, Rejected("tags.a", "(column 'x')")),
    (
        USER,
        {"x": "user_properties"},
        {"user_id": "u", "x": {"phone_number": 1}},
        Rejected("user_properties.phone_number", "(column 'x')"),
    ),
    (USER, {"tel": "phone_number"}, {"user_id": "u", "tel": "1", "phone_number": "2"}, Rejected("phone_number", TWICE)),
    (
        USER,
        {"tel": "phone_number"},
        {"user_id": "u", "phone_number": None, "tel": "1"},
        Rejected("phone_number", TWICE),
    ),
    (USER, {"id": "user_id"}, {"id": "u", "user_id": "v"}, Rejected("user_id", f"{TWICE} (column 'id')")),
    (
        USER,
        {"tel": "phone_number"},
        {"user_id": "u", "phone_number": "1"},
        Rejected("phone_number", "is given by its own name, but field_mapping takes it from another column"),
    ),
    (
        USER,
        {"tel": "user_properties.phone_number"},
        {"user_id": "u", "tel": "1", "user_properties": {"phone_number": "2"}},
        Rejected("user_properties.phone_number", TWICE),
    ),
    (
        USER,
        {"tel": "user_properties.phone_number"},
        {"user_id": "u", "tel": "1", "phone_number": "2"},
        Rejected("phone_number", "is given twice, flat and nested"),
    ),
    (
        USER,
        {"tel": "user_properties.phone_number"},
        {"user_id": "u", "tel": "1", "user_properties": "x"},
        Rejected("user_properties", "is of type str; it must be an object. Name the column in json_columns if it"),
    ),
    (USER, {"id": "user_id"}, ["u"], Rejected(None, "the record is of type list")),
    (USER, {"id": "user_id"}, MappingProxyType({"id": "u"}), {"user_id": "u"}),
    (
        PROFILE,
        {
            "no": "user_id",
            "tel": "user_properties.phone_number",
            "lv": "properties.grade",
            "c": "custom_user_properties.city",
        },
        {"no": "u", "tel": "010", "lv": 3, "c": "Seoul", "age": 5},
        {"user_id": "u", "properties": {"phone_number": "010", "grade": 3, "city": "Seoul", "age": 5}},
    ),
    (
        PROFILE,
        {"lv": "properties.grade", "tel": "user_properties.phone_number"},
        {"user_id": "u", "lv": 3, "tel": "010", "properties": {"age": 5}},
        {"user_id": "u", "properties": {"phone_number": "010", "grade": 3, "age": 5}},
    ),
    (
        PROFILE,
        {"tel": "properties.phone_number"},
        {"user_id": "u", "tel": 10},
        Rejected("phone_number", "(column 'tel')"),
    ),
    (
        PROFILE,
        {"tel": "properties.phone_number"},
        {"user_id": "u", "tel": 10, "properties": {}},
        Rejected("phone_number", "(column 'tel')"),
    ),
    (
        PROFILE,
        {"lv": "custom_user_properties.grade"},
        {"user_id": "u", "lv": 3, "properties": {"grade": 5}},
        Rejected("properties.grade", f"{TWICE} (column 'lv')"),
    ),
    (
        PROFILE,
        {"lv": "grade"},
        {"user_id": "u", "lv": 3, "properties": {}},
        Rejected("grade", "put it inside, or send all rows without 'properties' (column 'lv')"),
    ),
    (
        PROFILE,
        {"at": "timestamp"},
        {"user_id": "u", "at": "2026-01-31T09:00:00Z", "a": 1},
        {"user_id": "u", "properties": {"a": 1}, "timestamp": "2026-01-31T09:00:00Z"},
    ),
    (PROFILE, {"at": "timestamp"}, {"user_id": "u", "at": None}, {"user_id": "u", "properties": {}}),
    (PROFILE, {"at": "timestamp"}, {"user_id": "u", "at": "today"}, Rejected("timestamp", "(column 'at')")),
    (PROFILE, {"at": "timestamp"}, {"user_id": "u", "at": "x", "timestamp": "y"}, Rejected("timestamp", TWICE)),
    (
        PROFILE,
        {"timestamp": "timestamp"},
        {"user_id": "u", "timestamp": "2026-01-31T09:00:00Z"},
        {"user_id": "u", "properties": {}, "timestamp": "2026-01-31T09:00:00Z"},
    ),
    (
        PROFILE,
        {"at": "properties.timestamp"},
        {"user_id": "u", "at": "today"},
        {"user_id": "u", "properties": {"timestamp": "today"}},
    ),
    (
        EVENT,
        {"type": "name", "customer": "user_id", "at": "timestamp", "no": "id", "sum": "properties.total"},
        {"type": "order", "customer": 7, "at": "2026-01-31T09:00:00Z", "no": 5, "sum": 9, "sku": "s"},
        {
            "name": "order",
            "user_id": "7",
            "timestamp": "2026-01-31T09:00:00Z",
            "id": "5",
            "properties": {"total": 9, "sku": "s"},
        },
    ),
    (
        EVENT,
        {"name": "properties.name", "type": "name"},
        {"user_id": "u", "type": "order", "name": "John"},
        {"user_id": "u", "name": "order", "properties": {"name": "John"}},
    ),
    (
        EVENT,
        {"type": "name"},
        {"user_id": "u", "type": 5},
        Rejected("name", "is of type int; it must be text (column 'type')"),
    ),
    (DEVICE, {"id": "device_id", "fcm": "token"}, {"id": "d", "fcm": "t"}, {"device_id": "d", "token": "t"}),
    (DEVICE, {"fcm": "token"}, {"device_id": "d", "fcm": 5}, Rejected("token", "(column 'fcm')")),
    (DELETION, {"customer": "user_id"}, {"customer": 7, "reason": "left"}, "7"),
    (DELETION, {"customer": "user_id"}, "u-7", "u-7"),
    (
        DELETION,
        {"customer": "user_id"},
        {"customer": None},
        Rejected("user_id", "every record needs one (column 'customer')"),
    ),
]


@pytest.mark.parametrize(("kind", "mapping", "row", "expected"), CASES)
def test_mapped_columns_go_where_they_are_sent(kind: tuple[str, str], mapping: Any, row: Any, expected: Any) -> None:
    shape = RowShape(*kind, Shaping(field_mapping=mapping))
    if isinstance(expected, str):
        expected = (expected, expected)
    elif isinstance(expected, dict):
        expected = (expected.get("device_id") or expected["user_id"], expected)

    check(shape, row, expected)


@pytest.mark.parametrize(("kind", "mapping", "row", "expected"), CASES)
def test_a_mapped_row_itself_is_not_changed(kind: tuple[str, str], mapping: Any, row: Any, expected: Any) -> None:
    before = repr(row)
    outcome(RowShape(*kind, Shaping(field_mapping=mapping)), row)

    assert repr(row) == before


@pytest.mark.parametrize("kind", [USER, PROFILE])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"first": b"", "second": "x", "email_address": "a@b.kr"}, "decode them to text first (column 'first')"),
        ({"first": "x", "second": b"", "email_address": "a@b.kr"}, "decode them to text first (column 'second')"),
        ({"first": "x", "second": "x", "email_address": b""}, "it must be text"),
    ],
)
def test_a_reject_names_its_own_column_and_no_other_mapped_one(
    kind: tuple[str, str], values: dict[str, Any], words: str
) -> None:
    shape = RowShape(*kind, Shaping(field_mapping={"first": "custom_user_properties.a", "second": "b"}))

    with pytest.raises(BluxRecordError) as raised:
        shape({"user_id": "u", **values})
    assert raised.value.reason.endswith(words)


def test_with_send_nulls_a_mapped_null_is_sent_as_null() -> None:
    shaping = Shaping(field_mapping={"tel": "user_properties.phone_number", "lv": "grade"}, send_nulls=True)

    assert RowShape(*USER, shaping)({"user_id": "u", "tel": None, "lv": None})[1] == {
        "user_id": "u",
        "user_properties": {"phone_number": None},
        "custom_user_properties": {"grade": None},
    }


columns = st.sampled_from(["user_id", "a", "b", "c", "name", "device_id", "properties", "timestamp", "user_properties"])
targets = st.sampled_from(
    [
        *("user_id", "device_id", "name", "timestamp", "grade", "phone_number", CONSENT, "properties", "properties.x"),
        *("properties.user_id", "user_properties", "user_properties.phone_number", "custom_user_properties"),
        *("custom_user_properties.phone_number", "custom_user_properties.user_id"),
    ]
)


@pytest.mark.parametrize("kind", FIELDS, ids=str)
@given(
    mapping=st.dictionaries(columns, targets, max_size=4),
    row=st.dictionaries(st.one_of(columns, st.integers(), st.none()), anything, max_size=5),
    is_table=st.booleans(),
    nulls=st.booleans(),
)
@repeatable
def test_any_row_under_any_mapping_is_accepted_or_refused_in_our_own_words(
    kind: tuple[str, str], mapping: dict[str, str], row: dict[str, Any], is_table: bool, nulls: bool
) -> None:
    def shaped(row: Any) -> Any:
        shaping = Shaping(field_mapping=mapping, naive_timezone="Europe/Berlin", send_nulls=nulls)
        return RowShape(*kind, shaping)(TableRow(row) if is_table else row)

    try:
        found = outcome(shaped, row)
    except BluxConfigError as error:
        found = error

    if isinstance(found, BluxError):
        assert str(found).encode()
    else:
        assert type(found[0]) is str

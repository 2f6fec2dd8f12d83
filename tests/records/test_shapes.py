"""Nested, flat and mixed rows, and the records for both APIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_blux.api.endpoints import OPERATIONS, apis_of
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.devices import device
from airflow_provider_blux.records.encoding import decode, merge_of
from airflow_provider_blux.records.events import event
from airflow_provider_blux.records.fields import STANDARD_FIELDS
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.records.users import deletion, merged, profile, user
from tests.records.outcomes import HALF, Rejected, check

EMAIL = "john.doe@example.com"
NESTED = {
    "user_id": "u",
    "user_properties": {"email_address": EMAIL, "marketing_notification_consent": False},
    "custom_user_properties": {"grade": "gold"},
}
FLAT = {"user_id": "u", "email_address": EMAIL, "marketing_notification_consent": False, "grade": "gold"}
AS_PROFILE = {
    "user_id": "u",
    "properties": {"email_address": EMAIL, "marketing_notification_consent": False, "grade": "gold"},
}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (NESTED, NESTED),
        (FLAT, NESTED),
        ({**FLAT, "user_properties": None, "custom_user_properties": None}, NESTED),
        ({"user_id": "u", "grade": "gold", "user_properties": NESTED["user_properties"]}, NESTED),
        ({"user_id": "u", "custom_user_properties": {"grade": "gold"}, **NESTED["user_properties"]}, NESTED),
        (MappingProxyType(FLAT), NESTED),
        ({"user_id": "u"}, {"user_id": "u"}),
        ({"user_id": "u", "user_properties": {}, "custom_user_properties": {}}, {"user_id": "u"}),
        ({"user_id": "u", "grade": None, "email_address": None}, {"user_id": "u"}),
        ({"user_id": "u", "custom_user_properties": {"grade": None}}, {"user_id": "u"}),
        ({"user_id": "u", "a": {"b": None}}, {"user_id": "u", "custom_user_properties": {"a": {"b": None}}}),
        ({"user_id": "u", "a.b": 1}, {"user_id": "u", "custom_user_properties": {"a.b": 1}}),
        ({"user_id": "u", "": 1}, {"user_id": "u", "custom_user_properties": {"": 1}}),
        ({"user_id": "u", "timestamp": "x"}, {"user_id": "u", "custom_user_properties": {"timestamp": "x"}}),
        ({**FLAT, "user_properties": {"email_address": EMAIL}}, Rejected("email_address", "is given twice")),
        ({**FLAT, "custom_user_properties": {"grade": "gold"}}, Rejected("grade", "is given twice")),
        (
            {"user_id": "u", "user_properties": EMAIL},
            Rejected("user_properties", "is of type str; it must be an object"),
        ),
        ({"user_id": "u", "user_properties": []}, Rejected("user_properties", "is of type list")),
        ({"user_id": "u", "custom_user_properties": 1}, Rejected("custom_user_properties", "is of type int")),
        (
            {"user_id": "u", "user_properties": {"grade": 1}},
            Rejected("user_properties.grade", "put it in custom_user_properties"),
        ),
        ({"user_id": "u", "user_properties": {1: 1}}, Rejected("a key of user_properties", "is of type int")),
        (
            {"user_id": "u", "custom_user_properties": {None: 1}},
            Rejected("a key of custom_user_properties", "NoneType"),
        ),
        ({"user_id": "u", 5: "x"}, Rejected("a column name", "is of type int; it must be text")),
        ({"user_id": "u", HALF: "x"}, Rejected("a column name", "half a character")),
        ({"email_address": EMAIL}, Rejected("user_id", "is missing (null)")),
        ({}, Rejected("user_id", "is missing (null)")),
        (None, Rejected(None, "the record is of type NoneType; it must be an object with named fields")),
        ("u", Rejected(None, "the record is of type str")),
        (["u"], Rejected(None, "the record is of type list")),
        (1, Rejected(None, "the record is of type int")),
    ],
)
def test_a_user_is_nested_or_flat(row: Any, expected: Any) -> None:
    check(user, row, expected if isinstance(expected, Rejected) else ("u", expected))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (NESTED, AS_PROFILE),
        (FLAT, AS_PROFILE),
        (AS_PROFILE, AS_PROFILE),
        ({**AS_PROFILE, "timestamp": "2026-01-31T09:00:00Z"}, {**AS_PROFILE, "timestamp": "2026-01-31T09:00:00Z"}),
        ({**AS_PROFILE, "timestamp": None}, AS_PROFILE),
        ({**AS_PROFILE, "grade": None}, AS_PROFILE),
        ({"user_id": "u"}, {"user_id": "u", "properties": {}}),
        ({"user_id": "u", "properties": {"a": None, "b": 1}}, {"user_id": "u", "properties": {"b": 1}}),
        ({"user_id": "u", "properties": '{"a": 1}'}, Rejected("properties", "Name the column in json_columns")),
        ({"user_id": "u", "properties": ["a"], "grade": 1}, Rejected("properties", "is of type list")),
        ({"user_id": "u", "properties": {"properties": "x"}}, {"user_id": "u", "properties": {"properties": "x"}}),
        ({**AS_PROFILE, "grade": 1}, Rejected("grade", "is beside 'properties'")),
        ({**AS_PROFILE, 5: 1}, Rejected("a column name", "is of type int")),
        ({**AS_PROFILE, HALF: 1}, Rejected("a column name", "half a character")),
        (
            {"user_id": "u", "properties": {"user_id": "v"}},
            Rejected("properties.user_id", "put it beside 'properties'"),
        ),
        ({"properties": {"user_id": "u"}}, Rejected("properties.user_id", "put it beside 'properties'")),
        ({"properties": {}}, Rejected("user_id", "is missing (null)")),
        ({"user_id": "u", "properties": {1: 1}}, Rejected("a column name", "is of type int")),
        ({"user_id": "u", "properties": {"phone_number": 10}}, Rejected("phone_number", "leading zero")),
        (
            {"user_id": "u", "email_address": EMAIL, "custom_user_properties": {"email_address": EMAIL}},
            Rejected("email_address", "as a standard field and as a custom property"),
        ),
        (
            {"user_id": "u", "custom_user_properties": {"marketing_notification_consent": "Y"}},
            Rejected("marketing_notification_consent", "a consent is never guessed"),
        ),
        (
            {"user_id": "u", "custom_user_properties": {"marketing_notification_consent": "TRUE"}},
            {"user_id": "u", "properties": {"marketing_notification_consent": True}},
        ),
        ("u", Rejected(None, "the record is of type str")),
    ],
)
def test_for_the_open_api_all_properties_are_of_one_kind(row: Any, expected: Any) -> None:
    check(profile, row, expected if isinstance(expected, Rejected) else ("u", expected))


@pytest.mark.parametrize(
    "beside",
    [{"updated_at": "2026-01-31"}, {"grade": None}, {"user_properties": {"phone_number": 10}}, {"email_address": 5}],
)
@pytest.mark.parametrize("nulls", [False, True])
def test_what_exclude_fields_leaves_out_may_stand_beside_the_properties_of_a_profile(
    beside: dict[str, Any], nulls: bool
) -> None:
    shape = partial(
        profile, shaping=Shaping(exclude_fields=["updated_at", "grade", "user_properties"], send_nulls=nulls)
    )
    row = {"user_id": "u", "properties": {"level": 1}, **beside}

    check(shape, row, ("u", {"user_id": "u", "properties": {"level": 1}}))
    check(shape, {**row, "x": 1}, Rejected("x", "is beside 'properties'"))


EVENT = {"name": "order", "user_id": "u"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (EVENT, EVENT),
        ({**EVENT, "timestamp": None, "id": None, "properties": None}, EVENT),
        ({**EVENT, "properties": {}}, EVENT),
        ({**EVENT, "properties": {"total": 5}, "id": "e-1"}, {**EVENT, "properties": {"total": 5}, "id": "e-1"}),
        ({**EVENT, "total": 5}, {**EVENT, "properties": {"total": 5}}),
        ({**EVENT, "total": 5, "properties": {"sku": "s"}}, {**EVENT, "properties": {"total": 5, "sku": "s"}}),
        ({**EVENT, "properties": {"name": "inner"}}, {**EVENT, "properties": {"name": "inner"}}),
        ({**EVENT, "id": 7}, {**EVENT, "id": "7"}),
        ({**EVENT, "name": " order "}, {**EVENT, "name": " order "}),
        ({**EVENT, "total": 5, "properties": {"total": 5}}, Rejected("total", "is given twice")),
        (
            {**EVENT, "properties": "total"},
            Rejected("properties", "is of type str; it must be an object. Name the column in json_columns if it"),
        ),
        ({**EVENT, "properties": {1: 1}}, Rejected("a key of properties", "is of type int")),
        ({**EVENT, 1: 1}, Rejected("a column name", "is of type int")),
        ({**EVENT, "id": 1.0}, Rejected("id", "damaged integer id")),
        ({**EVENT, "id": ""}, Rejected("id", "is empty")),
        ({**EVENT, "name": None}, Rejected("name", "is missing or empty")),
        ({**EVENT, "name": ""}, Rejected("name", "is missing or empty")),
        ({**EVENT, "name": " \t"}, Rejected("name", "is missing or empty")),
        ({**EVENT, "name": 5}, Rejected("name", "is of type int; it must be text")),
        ({**EVENT, "name": f"x{HALF}"}, Rejected("name", "half a character")),
        ({"name": "order"}, Rejected("user_id", "is missing (null)")),
        ({"user_id": "u"}, Rejected("name", "is missing or empty")),
        (["order", "u"], Rejected(None, "the record is of type list")),
    ],
)
def test_an_event_has_a_name_and_a_user(row: Any, expected: Any) -> None:
    check(event, row, expected if isinstance(expected, Rejected) else ("u", expected))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"device_id": "d"}, {"device_id": "d"}),
        ({"device_id": 5}, {"device_id": "5"}),
        (
            {"device_id": "d", "user_id": 1, "platform": "ios", "token": "t", "app_local_id": "a", "version": 3},
            {
                "device_id": "d",
                "user_id": "1",
                "platform": "ios",
                "token": "t",
                "app_local_id": "a",
                "properties": {"version": 3},
            },
        ),
        ({"device_id": "d", "user_id": None, "token": None, "properties": None, "x": None}, {"device_id": "d"}),
        ({"device_id": "d", "properties": {"x": 1}}, {"device_id": "d", "properties": {"x": 1}}),
        ({"user_id": "u"}, Rejected("device_id", "is missing (null)")),
        ({"device_id": ""}, Rejected("device_id", "is empty")),
        ({"device_id": "d", "user_id": float("nan")}, Rejected("user_id", "is missing (NaN); make it null")),
        ({"device_id": float("nan")}, Rejected("device_id", "is missing (NaN); every record needs one")),
        ({"device_id": 1.5}, Rejected("device_id", "damaged integer id")),
        ({"device_id": "d", "user_id": " u"}, Rejected("user_id", "whitespace around it")),
        ({"device_id": "d", "token": 5}, Rejected("token", "is of type int; it must be text")),
        ({"device_id": "d", "platform": True}, Rejected("platform", "is of type bool; it must be text")),
        ({"device_id": "d", "x": 1, "properties": {"x": 1}}, Rejected("x", "is given twice")),
        ({"device_id": "d", "properties": [1]}, Rejected("properties", "is of type list")),
        ("d", Rejected(None, "the record is of type str")),
    ],
)
def test_a_device_has_an_id(row: Any, expected: Any) -> None:
    check(device, row, expected if isinstance(expected, Rejected) else (expected["device_id"], expected))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"user_id": "u", "email_address": EMAIL}, "u"),
        ({"user_id": 7}, "7"),
        ({"id": "u"}, Rejected("user_id", "is missing (null)")),
        ({}, Rejected("user_id", "is missing (null)")),
        ({"user_id": None}, Rejected("user_id", "is missing (null)")),
    ],
)
def test_of_a_row_only_the_id_is_deleted(row: Any, expected: Any) -> None:
    check(deletion, row, expected if isinstance(expected, Rejected) else (expected, expected))


@pytest.mark.parametrize("shape", [user, profile, event, device])
def test_the_row_itself_is_not_changed(shape: Callable[[Any], Any]) -> None:
    row = {"user_id": 1, "device_id": 2, "name": "n", "a": {"b": [1, None]}, "c": None}
    before = {**row, "a": {"b": [1, None]}}

    shape(row)

    assert row == before


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        (user, {"user_id": "u", "phone_number": 1058267341}),
        (user, {"user_id": "u", "marketing_notification_consent": "1058267341"}),
        (user, {"user_id": " 1058267341"}),
        (user, {"user_id": "u", "p": b"1058267341"}),
        (user, {"user_id": "u", "user_properties": "1058267341"}),
        (event, {"user_id": "u", "name": "n", "timestamp": "1058267341"}),
        (event, {"user_id": "u", "name": 1058267341}),
        (device, {"device_id": "d", "token": 1058267341}),
        (deletion, 1058267341.0),
        (user, "1058267341"),
    ],
)
def test_no_reason_repeats_the_value(shape: Callable[[Any], Any], row: Any) -> None:
    with pytest.raises(BluxRecordError) as raised:
        shape(row)

    assert "1058267341" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_every_operation_of_every_api_has_a_shape() -> None:
    for operation in OPERATIONS:
        for api in apis_of(operation):
            assert callable(RowShape(operation, api))


def test_the_later_value_of_each_property_wins() -> None:
    _, earlier = user({"user_id": "u", "grade": "silver", "city": "Seoul", "email_address": EMAIL})
    _, later = user({"user_id": "u", "grade": "gold", "marketing_notification_consent": False})

    assert merged(earlier, later) == {
        "user_id": "u",
        "user_properties": {"email_address": EMAIL, "marketing_notification_consent": False},
        "custom_user_properties": {"grade": "gold", "city": "Seoul"},
    }


def test_merging_changes_neither_of_the_two() -> None:
    earlier: Mapping[str, Any] = {"user_id": "u", "user_properties": {"email_address": EMAIL}}
    later: Mapping[str, Any] = {"user_id": "u", "user_properties": {"email_address": "new@example.com"}}

    merged(dict(earlier), dict(later))

    assert earlier["user_properties"] == {"email_address": EMAIL}
    assert later["user_properties"] == {"email_address": "new@example.com"}


def test_a_repeated_deletion_is_one_and_events_are_never_merged() -> None:
    merge = merge_of("delete_users")

    assert merge is not None
    assert merge(b'"u"', b'"u"') == b'"u"'
    assert merge_of("send_events") is None


@pytest.mark.parametrize("operation", ["upsert_users", "update_devices"])
def test_records_of_users_and_devices_are_merged_as_they_are_encoded(operation: str) -> None:
    merge = merge_of(operation)

    assert merge is not None
    content = merge(b'{"properties":{"a":1,"b":1}}', b'{"properties":{"b":2}}')
    assert decode(content or b"") == {"properties": {"a": 1, "b": 2}}


@pytest.mark.parametrize("field", STANDARD_FIELDS)
def test_a_standard_field_among_the_custom_properties_is_rejected(field: str) -> None:
    own, target = {"user_id": "u", "custom_user_properties": {field: None, "a": 1}}, f"custom_user_properties.{field}"

    check(partial(user, shaping=Shaping(send_nulls=True)), own, Rejected(target, "put it in user_properties"))
    mapped = RowShape("upsert_users", "application", Shaping(field_mapping={"x": target}))
    check(mapped, {"user_id": "u", "x": "y"}, ("u", {"user_id": "u", "custom_user_properties": {field: "y"}}))

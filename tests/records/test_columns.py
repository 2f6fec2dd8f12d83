"""A table without a column that every record needs fails at once, and the error names its columns."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import pytest

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.sources.rows import LineRow, TableRow

USER = ("upsert_users", "application")
PROFILE = ("upsert_users", "open")
KINDS = [
    (USER, "user_id"),
    (("upsert_users", "open"), "user_id"),
    (("delete_users", "application"), "user_id"),
    (("delete_users", "open"), "user_id"),
    (("send_events", "open"), "user_id"),
    (("send_events", "open"), "name"),
    (("update_devices", "open"), "device_id"),
]


def table_row(*columns: str) -> TableRow:
    return TableRow.fromkeys(columns, "x")


def refusal(kind: tuple[str, str], row: Any, mapping: dict[str, str] | None = None) -> str:
    with pytest.raises(BluxConfigError) as raised:
        RowShape(*kind, Shaping(field_mapping=mapping or {}))(row)
    return str(raised.value)


@pytest.mark.parametrize(("kind", "field"), KINDS)
def test_a_missing_column_fails_at_once(kind: tuple[str, str], field: str) -> None:
    row = table_row(*sorted({"user_id", "name", "device_id"} - {field}), "city")

    mappings = [{}] if kind[0] == "delete_users" else [{}, {"city": "town"}]
    for words in (refusal(kind, row, mapping) for mapping in mappings):
        assert words.startswith(f"There is no column {field}, and every record needs one. The columns are ")
        assert ", city. " in words
        assert words.endswith(f": {field!r}}}.")


@pytest.mark.parametrize(("kind", "field"), KINDS)
def test_an_object_without_the_field_is_one_rejected_record(kind: tuple[str, str], field: str) -> None:
    row = {"user_id": "u", "name": "n", "device_id": "d"}
    del row[field]

    with pytest.raises(BluxRecordError) as raised:
        RowShape(*kind)(row)
    assert raised.value.field == field


@pytest.mark.parametrize(("kind", "field"), KINDS)
def test_a_null_in_a_column_that_is_there_is_one_rejected_record(kind: tuple[str, str], field: str) -> None:
    row = TableRow({"user_id": "u", "name": "n", "device_id": "d", field: None})

    with pytest.raises(BluxRecordError) as raised:
        RowShape(*kind)(row)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("columns", "nearest"),
    [
        (["User ID", "grade"], "User ID"),
        (["userId", "grade"], "userId"),
        (["USER-ID", "grade"], "USER-ID"),
        (["uid", "grade"], "uid"),
        (["customer_id", "grade"], "customer_id"),
        (["user id ", "users", "user"], "user id "),
        (["grade", "city"], None),
        (["회원번호", "등급"], None),
    ],
)
def test_the_nearest_column_is_offered(columns: list[str], nearest: str | None) -> None:
    words = refusal(USER, table_row(*columns))

    assert words.startswith(
        f"There is no column user_id, and every record needs one. The columns are {', '.join(columns)}. "
    )
    if nearest is None:
        assert words.endswith("Say which one it is with field_mapping={'<column>': 'user_id'}.")
    else:
        assert words.endswith(f"Is it {nearest!r}? Then set field_mapping={{{nearest!r}: 'user_id'}}.")


def test_at_most_twenty_columns_are_listed() -> None:
    names = [f"col_{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]

    assert "col_s, col_t and 6 more." in refusal(USER, table_row(*names))
    assert "col_s, col_t. " in refusal(USER, table_row(*names[:20]))


def test_a_column_with_a_long_name_is_cut() -> None:
    assert f"The columns are {'x' * 59}…." in refusal(USER, table_row("x" * 500))


@pytest.mark.parametrize(
    "first_line",
    [
        ["u-1", "01058267341", "seoul"],
        ["u-1", "+82 10-5826-7341"],
        ["u-1", "john.doe@example.com"],
        ["u-1", "2026-01-31T09:00:00Z"],
        ["u-1", "2026-01-31"],
        ["u-1", "true"],
        ["u-1", '{"city": "seoul"}'],
        ["u-1", '[{"city": "seoul"}]'],
        ["u-1", "<city>seoul</city>"],
        ["7341", "seoul"],
        ["u-1", ""],
    ],
)
def test_values_in_place_of_names_are_not_shown(first_line: list[str]) -> None:
    words = refusal(USER, table_row(*first_line))

    assert (
        "The columns are not shown, because they may be values: is the first line missing, which should name them?"
        in words
    )
    assert not [value for value in first_line if value and value in words]


@pytest.mark.parametrize(
    ("kind", "first_line", "mapping"),
    [
        (USER, ["user123", "김영희"], {}),
        (("update_devices", "open"), ["device7", "김영희"], {}),
        (USER, ["member7", "김영희"], {"member_no": "user_id"}),
    ],
)
def test_an_id_that_is_like_the_name_of_its_field_is_not_shown(
    kind: tuple[str, str], first_line: list[str], mapping: dict[str, str]
) -> None:
    words = refusal(kind, LineRow.fromkeys(first_line), mapping)

    assert "The columns are not shown" in words
    assert not [value for value in first_line if value in words]


def test_a_long_number_in_a_name_is_not_shown() -> None:
    assert "The columns are u-***, seoul." in refusal(USER, table_row("u-0158267341", "seoul"))


def test_a_column_that_only_the_mapping_names_fails_at_once() -> None:
    words = refusal(USER, table_row("user_id", "phone_no", "city"), {"phone": "phone_number"})

    assert words == (
        "field_mapping names a column 'phone', which is not there. The columns are user_id, phone_no, city. Is "
        "'phone_no' meant? Correct field_mapping, or the source."
    )


@pytest.mark.parametrize("missing", ["적립금", "user_id"])
def test_a_first_line_with_a_mapped_column_is_a_header(missing: str) -> None:
    mapping = {"이름": "name", **({} if missing == "user_id" else {missing: "point", "번호": "user_id"})}

    assert "The columns are 번호, 이름, 등급." in refusal(
        USER, LineRow.fromkeys(["번호", "이름", "등급"], "x"), mapping
    )
    assert "The columns are not shown" in refusal(USER, LineRow.fromkeys(["u-1", "김영희", "골드"], "x"), mapping)


def test_a_mapping_that_is_the_wrong_way_round_is_named() -> None:
    words = refusal(USER, table_row("customer_no", "mobile"), {"user_id": "customer_no", "phone_number": "mobile"})

    assert words == (
        "field_mapping names a column 'user_id', which is not there, but 'customer_no' is a column. Exchange the two "
        "names: field_mapping={'customer_no': 'user_id'}."
    )


FLATTENED = [
    (USER, "custom_user_properties.grade", "custom_user_properties.grade"),
    (USER, "user_properties.grade", "custom_user_properties.grade"),
    (USER, "properties.grade", "custom_user_properties.grade"),
    (USER, "Custom_User_Properties.Grade", "custom_user_properties.Grade"),
    (("upsert_users", "open"), "properties.grade", "properties.grade"),
    (("upsert_users", "open"), "custom_user_properties.grade", "custom_user_properties.grade"),
    (("send_events", "open"), "properties.price", "properties.price"),
    (("send_events", "open"), "properties.cart.price", "properties.cart.price"),
    (("update_devices", "open"), "properties.model", "properties.model"),
]


@pytest.mark.parametrize(("kind", "column", "target"), FLATTENED)
def test_a_column_of_a_flattened_group_is_no_property_of_its_whole_name(
    kind: tuple[str, str], column: str, target: str
) -> None:
    row = {"user_id": "u", "name": "n", "device_id": "d", column: 3}

    words = refusal(kind, TableRow(row))
    with pytest.raises(BluxRecordError) as raised:
        RowShape(*kind)(row)

    mapping = {column: target}
    assert words.startswith("These columns are named as parts of an object, and would be sent as properties of their ")
    assert words.endswith(f"Set field_mapping={mapping}.")
    assert raised.value.field == column
    assert raised.value.reason.endswith(f"set field_mapping={mapping}")
    _, record = RowShape(*kind, Shaping(field_mapping=mapping))(row)
    group, name = target.split(".", 1)
    held = record[group if group in record else "properties"]
    assert held[name] == 3
    assert column not in held


@pytest.mark.parametrize("name", ["010-1234-5678", "kim@example.com"])
def test_a_personal_value_in_the_name_of_a_flattened_column_is_not_shown(name: str) -> None:
    row = {"user_id": "u", f"properties.{name}": 3}

    with pytest.raises(BluxRecordError) as raised:
        RowShape(*USER)(row)

    for words in (refusal(USER, TableRow(row)), str(raised.value)):
        assert name not in words
        assert words.count("***") >= 2


@pytest.mark.parametrize("column", ["address.street", "properties.", ".grade", "my_properties.grade"])
def test_other_names_with_a_dot_are_properties(column: str) -> None:
    _, record = RowShape(*USER)(TableRow({"user_id": "u", column: 3}))

    assert record["custom_user_properties"] == {column: 3}


def test_a_flattened_column_that_is_never_sent_is_no_error() -> None:
    shape = RowShape(*USER, Shaping(exclude_fields=["custom_user_properties.grade"]))

    assert shape(TableRow({"user_id": "u", "custom_user_properties.grade": 3}))[1] == {"user_id": "u"}


@pytest.mark.parametrize("target", ["phone_number", "custom_user_properties.tel"])
def test_a_mapping_to_a_field_or_to_no_column_is_not_called_the_wrong_way_round(target: str) -> None:
    words = refusal(USER, table_row("user_id", "phone_number", "name"), {"email_address": target})

    assert "Correct field_mapping, or the source." in words


def test_an_object_may_lack_a_mapped_column() -> None:
    shape = RowShape(*USER, Shaping(field_mapping={"phone": "phone_number"}))

    assert shape({"user_id": "u"}) == ("u", {"user_id": "u"})


def test_a_table_with_two_columns_for_one_field_fails_at_once() -> None:
    words = refusal(USER, table_row("user_id", "phone", "phone_number"), {"phone": "phone_number"})

    assert words == (
        "The column 'phone_number' and, by field_mapping, the column 'phone' are both phone_number; one of the two "
        "would be lost. Take one of them out of the source, or map 'phone_number' to another field."
    )


def test_a_table_with_all_columns_is_taken_like_any_object() -> None:
    row = {"no": "u", "tel": "010", "city": None}
    shape = RowShape(*USER, Shaping(field_mapping={"no": "user_id", "tel": "phone_number"}))

    assert shape(TableRow(row)) == shape(row) == ("u", {"user_id": "u", "user_properties": {"phone_number": "010"}})


class Name(str):
    """A name that can be counted as long as something refers to it."""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "group"), [(USER, None), (PROFILE, "properties")])
def test_objects_that_all_have_other_keys_are_not_all_remembered(kind: tuple[str, str], group: str | None) -> None:
    shape = RowShape(*kind)
    kept: WeakSet[Name] = WeakSet()
    for number in range(60):
        properties = dict.fromkeys((Name(f"{number}_{key}") for key in range(2500)), 1)
        kept.update(properties)
        shape({"user_id": "u", group: properties} if group else {"user_id": "u", **properties})
    del properties

    assert 0 < len(kept) < 120_000  # of 150,000

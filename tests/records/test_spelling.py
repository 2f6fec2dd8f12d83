"""Columns with other spellings of field names, column names in lower case, and names similar to a field name."""

from __future__ import annotations

import json
from collections import defaultdict
from types import MappingProxyType
from typing import Any
from unicodedata import normalize

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.records.fields import CONSENTS, STANDARD_FIELDS
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape, check_mapping, never_sent
from airflow_provider_blux.sources.rows import TableRow
from tests.delivery.pushing import push
from tests.records.outcomes import Rejected, check

USER, PROFILE = ("upsert_users", "application"), ("upsert_users", "open")
EVENT, DEVICE, DELETION = ("send_events", "open"), ("update_devices", "open"), ("delete_users", "application")
WHOLE = {"user_id": "u", "device_id": "d", "name": "n"}
FULL_WIDTH = str.maketrans({**{chr(code): chr(code + 0xFEE0) for code in range(ord("a"), ord("z") + 1)}})
SPELLINGS = [
    str.upper,
    str.title,
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", " "),
    lambda name: f" {name}",
    lambda name: f"{name}\t",
    lambda name: f"\ufeff{name}",
    lambda name: name.replace("_", "\u00a0"),
    lambda name: name.translate(FULL_WIDTH),
    lambda name: "".join([name[0], *name.title().replace("_", "")[1:]]),
]


def refusal(kind: tuple[str, str], row: Any, **shaping: Any) -> str:
    with pytest.raises(BluxConfigError) as raised:
        RowShape(*kind, Shaping(**shaping))(TableRow(row))
    return str(raised.value)


@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (USER, [*STANDARD_FIELDS, "user_properties", "custom_user_properties"]),
        (PROFILE, [*STANDARD_FIELDS, "user_properties", "custom_user_properties", "properties"]),
        (EVENT, ["timestamp", "id", "properties"]),
        (DEVICE, ["user_id", "platform", "token", "app_local_id", "properties"]),
    ],
)
def test_a_column_that_is_a_field_but_for_its_spelling_is_never_a_property(
    kind: tuple[str, str], fields: list[str], spelled: Any
) -> None:
    needed = {name: "x" for name in ("user_id", "name", "device_id") if name not in fields}
    for field in fields:
        column = spelled(field)
        if column == field:
            continue
        words = refusal(kind, {**needed, column: None})
        assert f"({field})" in words
        assert f"field_mapping={{{column!r}: {field!r}}}" in words
        check(RowShape(*kind), {**needed, column: None}, Rejected(column, f"is {field} in another spelling"))
        mapped = RowShape(*kind, Shaping(field_mapping={column: field}))
        assert mapped(TableRow({**needed, column: None}))


def test_the_advice_to_map_the_id_names_the_other_columns_as_well() -> None:
    columns = {"USER_ID": "1", "PHONE_NUMBER": "010", "MARKETING_NOTIFICATION_CONSENT": "false", "GRADE": "gold"}

    words = refusal(USER, columns)
    assert words.endswith(
        "Then set field_mapping={'USER_ID': 'user_id', 'PHONE_NUMBER': 'phone_number', "
        "'MARKETING_NOTIFICATION_CONSENT': 'marketing_notification_consent'} or lowercase_columns=True."
    )
    words = refusal(USER, columns, field_mapping={"USER_ID": "user_id"})
    assert words == (
        "These columns have the name of a field in another spelling, and would not be sent as that field: "
        "'PHONE_NUMBER' (phone_number), "
        "'MARKETING_NOTIFICATION_CONSENT' (marketing_notification_consent). Set field_mapping={'PHONE_NUMBER': "
        "'phone_number', 'MARKETING_NOTIFICATION_CONSENT': 'marketing_notification_consent'} or "
        "lowercase_columns=True. "
        "(To send it as a custom property of that name, map it to custom_user_properties.<name>.)"
    )


def test_nothing_of_a_table_with_such_a_column_is_sent(blux_emulator: Emulator) -> None:
    rows = [TableRow({"user_id": "u", "Marketing Notification Consent": "false"})]

    with pytest.raises(BluxConfigError, match="would not be sent as that field"):
        push(blux_emulator, "upsert_users", rows)
    assert blux_emulator.counts()["users"] == 0


def test_the_columns_of_every_table_of_a_source_are_checked(blux_emulator: Emulator) -> None:
    rows = [TableRow({"user_id": "u", "grade": 1}), TableRow({"user_id": "v", "GRADE": 1, "Phone_Number": "010"})]

    with pytest.raises(BluxConfigError, match="Phone_Number"):
        push(blux_emulator, "upsert_users", rows)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"user_id": "u", "properties": {"PHONE_NUMBER": "0"}}, Rejected("properties.PHONE_NUMBER", "rename it")),
        (
            {"user_id": "u", "custom_user_properties": {"Marketing-Notification-Consent": False}},
            Rejected("custom_user_properties.Marketing-Notification-Consent", "in another spelling"),
        ),
        ({"user_id": "u", "Timestamp": "x"}, ("u", {"user_id": "u", "properties": {"Timestamp": "x"}})),
    ],
)
def test_where_all_properties_are_of_one_kind_those_in_a_group_are_checked(row: Any, expected: Any) -> None:
    check(RowShape(*PROFILE), row, expected)


@pytest.mark.parametrize(
    "shaping",
    [
        {"field_mapping": {"props": "properties"}},
        {"json_columns": ["props"], "field_mapping": {"props": "custom_user_properties"}},
    ],
)
def test_a_group_that_is_mapped_or_comes_as_json_is_checked_as_well(shaping: Any) -> None:
    group = {"Phone_Number": "0"}
    row = {"user_id": "u", "props": json.dumps(group) if "json_columns" in shaping else group}
    field = f"{shaping['field_mapping']['props']}.Phone_Number"

    check(RowShape(*PROFILE, Shaping(**shaping)), row, Rejected(field, "is phone_number in another spelling"))


def test_a_name_inside_a_group_is_no_column_that_field_mapping_renames() -> None:
    shape = RowShape(*PROFILE, Shaping(field_mapping={"Marketing_Notification_Consent": CONSENTS[1]}))
    group = {"Marketing_Notification_Consent": False}

    check(shape, {"user_id": "u", **group}, ("u", {"user_id": "u", "properties": {CONSENTS[1]: False}}))
    for name in ("properties", "custom_user_properties"):
        field = f"{name}.Marketing_Notification_Consent"
        check(shape, {"user_id": "u", name: group}, Rejected(field, f"is {CONSENTS[1]} in another spelling"))


@pytest.mark.parametrize("kind", [USER, PROFILE])
def test_a_column_that_is_mapped_may_be_called_anything(kind: tuple[str, str]) -> None:
    shaping = Shaping(field_mapping={"PHONE_NUMBER": "custom_user_properties.PHONE_NUMBER"})
    for row in ({"user_id": "u", "PHONE_NUMBER": "0"}, TableRow({"user_id": "u", "PHONE_NUMBER": "0"})):
        assert (
            "PHONE_NUMBER"
            in RowShape(*kind, shaping)(row)[1][(kind == USER and "custom_user_properties") or "properties"]
        )


def test_a_name_in_the_group_of_known_fields_is_compared_with_them() -> None:
    for name in ("Phone_Number", "phone_numbr"):
        row = {"user_id": "u", "user_properties": {name: "0"}}
        check(RowShape(*USER), row, Rejected(f"user_properties.{name}", "did you mean phone_number?"))


@pytest.mark.parametrize(
    ("kind", "row", "record"),
    [
        (
            USER,
            {"user_id": "u", "custom_user_properties": {"PHONE_NUMBER": "0"}},
            {"user_id": "u", "custom_user_properties": {"PHONE_NUMBER": "0"}},
        ),
        (EVENT, {"user_id": "u", "name": "n", "properties": {"Name": "x"}}, None),
        (USER, {"user_id": "u", "phone_number_2": "0", "e-mail": "x", "name": "y", "ID": 1, "Token": "t"}, None),
        (EVENT, {"user_id": "u", "name": "n", "Phone_Number": "0"}, None),
        (DELETION, {"user_id": "u", "USER_ID": "v"}, "u"),
    ],
)
def test_these_names_are_properties_or_unread(kind: tuple[str, str], row: Any, record: Any) -> None:
    found = RowShape(*kind)(row)[1]

    assert record is None or found == record


def test_two_columns_for_one_field_are_not_guessed_about() -> None:
    words = refusal(USER, {"user_id": "u", "phone_number": "1", "PHONE_NUMBER": "2"})

    assert words.startswith("The columns 'phone_number' and 'PHONE_NUMBER' are read as the same")
    assert "'tel' and 'Phone Number'" in refusal(
        USER, {"user_id": "u", "tel": "1", "Phone Number": "2"}, field_mapping={"tel": "phone_number"}
    )
    twice = {"user_id": "u", "phone_number": "1", "PHONE_NUMBER": "2"}
    check(RowShape(*USER), twice, Rejected("PHONE_NUMBER", "are read as the same"))


def test_an_id_by_another_name_is_named_in_the_reason() -> None:
    check(RowShape(*DELETION), {"USER_ID": "u"}, Rejected("USER_ID", "is user_id in another spelling"))


CAPITALS = {"USER_ID": "u", " Phone_Number ": "010", "MARKETING_NOTIFICATION_CONSENT": False, "GRADE": {"A": 1}}
AS_SENT = {
    "user_id": "u",
    "user_properties": {"phone_number": "010", "marketing_notification_consent": False},
    "custom_user_properties": {"grade": {"A": 1}},
}


@pytest.mark.parametrize(
    "row", [CAPITALS, TableRow(CAPITALS), MappingProxyType(CAPITALS), defaultdict(str, CAPITALS)], ids=type
)
def test_column_names_are_taken_in_lower_case(row: Any) -> None:
    assert RowShape(*USER, Shaping(lowercase_columns=True))(row) == ("u", AS_SENT)


@pytest.mark.parametrize("column", ["tel", "TEL", " Tel"])
def test_arguments_name_columns_in_either_case(column: str) -> None:
    shaping = Shaping(
        lowercase_columns=True,
        field_mapping={column: "phone_number"},
        exclude_fields=["GRADE", "Level"],
        json_columns=["TAGS"],
    )

    assert RowShape(*USER, shaping)(
        TableRow({"USER_ID": "u", "TEL": "010", "GRADE": 1, "LEVEL": 2, "TAGS": '["a"]'})
    ) == ("u", {"user_id": "u", "user_properties": {"phone_number": "010"}, "custom_user_properties": {"tags": ["a"]}})


def test_a_target_keeps_its_case() -> None:
    shaping = Shaping(lowercase_columns=True, field_mapping={"LV": "Level", "X": "Grade"}, exclude_fields=["Grade"])

    row = {"USER_ID": "u", "LV": 1, "X": 2}
    assert RowShape(*USER, shaping)(row)[1] == {"user_id": "u", "custom_user_properties": {"Level": 1}}


def test_two_columns_that_become_the_same_are_an_error() -> None:
    row = {"user_id": "u", "Grade": 1, "GRADE ": 2}

    assert "The columns 'Grade' and 'GRADE ' are read as the same" in refusal(USER, row, lowercase_columns=True)
    check(RowShape(*USER, Shaping(lowercase_columns=True)), row, Rejected("grade", "are read as the same"))
    with pytest.raises(BluxConfigError, match="field_mapping names a column twice"):
        Shaping(lowercase_columns=True, field_mapping={"A": "x", "a": "y"})


def test_a_full_width_name_is_still_no_property_in_lower_case() -> None:
    assert "phone_number" in refusal(USER, {"user_id": "u", "ＰＨＯＮＥ＿ＮＵＭＢＥＲ": "0"}, lowercase_columns=True)


@pytest.mark.parametrize("column", ["UPDATED_AT", "updated_at"])
def test_the_column_of_the_update_may_be_in_capitals(blux_emulator: Emulator, column: str) -> None:
    rows = [TableRow({"USER_ID": "u", "UPDATED_AT": "2026-01-31T09:00:00Z"})]

    report = push(blux_emulator, "upsert_users", rows, lowercase_columns=True, updated_at_field=column)
    assert report.delivered == 1


NEARLY = [
    ("consent", "consents"),
    ("Consents", "consents"),
    ("marketing_consent", "marketing_notification_consent"),
    ("sms_consent", "marketing_notification_sms_consent"),
    ("consent_email_marketing", "marketing_notification_email_consent"),
    ("marketing_notifcation_consent", "marketing_notification_consent"),
    ("phone_numbr", "phone_number"),
    ("phone_nubmer", "phone_number"),
    ("PHONE_NUMBER", "phone_number"),
    ("phoneNumber", "phone_number"),
    ("email_adress", "email_address"),
    ("custom_user_propertie", "custom_user_properties"),
]
OWN = [
    *("grade", "city", "name", "tags", "contents", "address", "number", "consented_at", "marketing"),
    *("phone_number_2", "phone_number2", "work_email_address", "Grade", "등급", "-", "home city"),
    *("marketing_notification_line_consent", "marketing_notification_app_consent"),
]


@pytest.mark.parametrize(("name", "meant"), NEARLY)
def test_an_excluded_name_that_is_nearly_a_field_is_an_error(name: str, meant: str) -> None:
    with pytest.raises(BluxConfigError, match=f"exclude_fields: '{name}'.* Did you mean '{meant}'"):
        Shaping(exclude_fields=name)
    with pytest.raises(BluxConfigError, match="exclude_fields"):
        Shaping(exclude_fields=["grade", name])
    assert Shaping(exclude_fields=[f"custom_user_properties.{name}"]).excluded == {name}


@pytest.mark.parametrize("name", [*OWN, *STANDARD_FIELDS, "custom_user_properties"])
def test_any_other_name_can_be_excluded_and_mapped_to(name: str) -> None:
    assert Shaping(exclude_fields=[name]).excluded == {name}
    check_mapping("upsert_users", None, {"a": name})


def test_the_consents_are_excluded_by_one_word() -> None:
    assert Shaping(exclude_fields="consents").excluded == set(CONSENTS)


def test_a_property_that_is_an_object_but_no_dict_is_sent_as_an_object() -> None:
    row = {"user_id": "a", "address": MappingProxyType({"zip": 1}), "list": [MappingProxyType({"b": 2})]}

    _, record = RowShape("upsert_users", "application")(row)

    assert record["custom_user_properties"] == {"address": {"zip": 1}, "list": [{"b": 2}]}


def test_a_group_that_is_no_object_is_rejected_also_where_properties_are_excluded() -> None:
    shape = RowShape("upsert_users", "application", Shaping(exclude_fields="consents"))

    with pytest.raises(BluxRecordError, match=r"^user_properties: "):
        shape({"user_id": "a", "user_properties": "text"})


def test_a_column_that_is_sent_by_another_name_is_excluded_by_that() -> None:
    with pytest.raises(BluxConfigError, match="'HP', which field_mapping sends as 'phone_number'"):
        Shaping(field_mapping={"HP": "phone_number"}, exclude_fields=["HP"])
    assert Shaping(field_mapping={"a": "sms_consent"}, exclude_fields=["sms_consent"]).excluded == {"sms_consent"}


@pytest.mark.parametrize(("name", "meant"), [case for case in NEARLY if case[1] != "consents"])
@pytest.mark.parametrize("api", ["application", "open", None])
def test_a_target_that_is_nearly_a_field_is_an_error(name: str, meant: str, api: str | None) -> None:
    with pytest.raises(BluxConfigError, match=f"Did you mean '{meant}'"):
        check_mapping("upsert_users", api, {"a": name})
    check_mapping("upsert_users", api, {"a": f"custom_user_properties.{name}"})


@pytest.mark.parametrize(
    ("operation", "target", "meant"),
    [
        ("upsert_users", "user_propertis.phone_number", "user_properties"),
        ("upsert_users", "User_Properties.phone_number", "user_properties"),
        ("upsert_users", "user_properties.phone_numbr", "phone_number"),
        ("upsert_users", "userid", "user_id"),
        ("send_events", "timestmp", "timestamp"),
        ("send_events", "Name", "name"),
        ("update_devices", "app_localid", "app_local_id"),
        ("update_devices", "deviceId", "device_id"),
    ],
)
def test_dotted_targets_and_those_of_other_records_are_compared_as_well(
    operation: str, target: str, meant: str
) -> None:
    with pytest.raises(BluxConfigError, match=f"Did you mean '{meant}'"):
        check_mapping(operation, None, {"a": target})


def test_where_all_properties_are_of_one_kind_a_dotted_target_is_compared_as_well() -> None:
    with pytest.raises(BluxConfigError, match=r"'properties.phone_numbr' .* Did you mean 'phone_number'"):
        check_mapping("upsert_users", "open", {"a": "properties.phone_numbr"})
    check_mapping("upsert_users", "open", {"a": "properties.phone_number"})
    check_mapping("send_events", "open", {"a": "properties.timestmp"})


@pytest.mark.parametrize("kind", [USER, PROFILE])
@pytest.mark.parametrize("group", ["user_properties.", "custom_user_properties.", "properties.", ""])
def test_a_property_is_excluded_by_its_name_with_or_without_its_group(kind: tuple[str, str], group: str) -> None:
    name = "email_address" if group in ("", "user_properties.") else "grade"
    shape = RowShape(*kind, Shaping(exclude_fields=[f"{group}{name}"]))

    assert f"'{name}'" not in repr(shape({"user_id": "u", "email_address": "a@b.kr", "grade": 1, "city": "x"}))
    assert shape.unused() == {}


@pytest.mark.parametrize("kind", [USER, PROFILE])
def test_a_mapped_column_is_excluded_by_what_field_mapping_calls_it(kind: tuple[str, str]) -> None:
    target = "user_properties.email_address" if kind == USER else "properties.email_address"
    for name in (target, "email_address"):
        shape = RowShape(*kind, Shaping(field_mapping={"mail": target}, exclude_fields=[name], lowercase_columns=True))
        assert "a@b.kr" not in repr(shape({"USER_ID": "u", "MAIL": "a@b.kr"}))


def test_a_mapped_name_in_capitals_is_excluded_with_its_group() -> None:
    target = "custom_user_properties.Grade"
    shape = RowShape(*USER, Shaping(field_mapping={"g": target}, exclude_fields=[target], lowercase_columns=True))

    assert shape({"USER_ID": "u", "G": 1})[1] == {"user_id": "u"}


@pytest.mark.parametrize("name", ["secret", "properties.secret"])
def test_a_property_is_excluded_from_an_object_called_properties_too(name: str) -> None:
    shape = RowShape(*USER, Shaping(exclude_fields=[name, "consents"]))

    row = {"user_id": "u", "properties": {"secret": 1, "city": "x", CONSENTS[0]: True}}
    assert shape(row)[1] == {"user_id": "u", "custom_user_properties": {"properties": {"city": "x"}}}


@pytest.mark.parametrize("kind", [USER, PROFILE])
@pytest.mark.parametrize("name", ["Grade", "GRADE", "custom_user_properties.Grade"])
def test_a_property_inside_of_an_object_is_excluded_in_either_case(kind: tuple[str, str], name: str) -> None:
    shape = RowShape(*kind, Shaping(exclude_fields=[name], lowercase_columns=True))

    assert "Grade" not in repr(shape({"USER_ID": "u", "CUSTOM_USER_PROPERTIES": {"Grade": 1, "City": "x"}}))
    assert shape.unused() == {}


def test_an_excluded_name_in_capitals_is_another_one_than_a_mapped_name() -> None:
    shaping = Shaping(field_mapping={"lv": "Level"}, exclude_fields=["LEVEL"], lowercase_columns=True)

    row = {"USER_ID": "u", "LV": 1, "LEVEL": 2}
    assert RowShape(*USER, shaping)(row)[1] == {"user_id": "u", "custom_user_properties": {"Level": 1}}


FLAT = {"user_id": "u", "email_address": "a@b.kr", "grade": 1}
NESTED = {"user_id": "u", "user_properties": {"email_address": "a@b.kr"}, "custom_user_properties": {"grade": 1}}
OF_OPEN = {"user_id": "u", "properties": {"email_address": "a@b.kr", "grade": 1}}


@pytest.mark.parametrize(("kind", "row"), [(USER, FLAT), (USER, NESTED), (PROFILE, FLAT), (PROFILE, OF_OPEN)])
def test_an_excluded_group_is_left_out_however_its_properties_are_given(kind: tuple[str, str], row: Any) -> None:
    for group, left_out, kept in (
        ("user_properties", "email_address", "grade"),
        ("custom_user_properties", "grade", "email_address"),
    ):
        shape = RowShape(*kind, Shaping(exclude_fields=[group]))
        record = repr(shape(row))
        assert left_out not in record
        assert kept in record
        assert shape.unused() == {}


@pytest.mark.parametrize("kind", [USER, PROFILE])
@pytest.mark.parametrize(
    ("column", "excluded", "mapping"),
    [
        ("x", "x", {}),
        ("x", "custom_user_properties", {}),
        ("x", "y", {"x": "custom_user_properties.y"}),
        ("user_properties", "user_properties", {}),
        ("email_address", "user_properties", {}),
    ],
)
def test_an_excluded_column_need_not_be_json(
    kind: tuple[str, str], column: str, excluded: str, mapping: dict[str, str]
) -> None:
    given: dict[str, Any] = {"json_columns": [column], "field_mapping": mapping}
    row = {"user_id": "u", column: "{cut off"}

    _, record = RowShape(*kind, Shaping(exclude_fields=[excluded], **given))(row)
    assert record == RowShape(*kind)({"user_id": "u"})[1]
    with pytest.raises(BluxRecordError, match="is not JSON although json_columns names it"):
        RowShape(*kind, Shaping(**given))(row)


def test_an_object_is_parsed_if_only_some_of_its_properties_are_excluded() -> None:
    shaping = Shaping(json_columns=["properties", "user_id"], exclude_fields=["custom_user_properties"])
    row = {"user_id": "1", "properties": '{"email_address": "a@example.com", "grade": "gold"}'}

    assert RowShape(*PROFILE, shaping)(row)[1] == {"user_id": "1", "properties": {"email_address": "a@example.com"}}


def test_the_timestamp_of_a_profile_can_be_excluded() -> None:
    moment = "2026-01-31T09:00:00Z"
    nested = {"user_id": "u", "properties": {"grade": "gold", "timestamp": moment}, "timestamp": moment}
    mapped = {"user_id": "u", "grade": "gold", "at": moment}
    expected = {"user_id": "u", "properties": {"grade": "gold"}}

    assert RowShape(*PROFILE, Shaping(exclude_fields=["timestamp"]))(nested)[1] == expected
    shaping = Shaping(exclude_fields=["timestamp"], field_mapping={"at": "timestamp"})
    assert RowShape(*PROFILE, shaping)(mapped)[1] == expected
    assert never_sent(*PROFILE, shaping) == {"timestamp"}


def test_an_excluded_object_of_the_open_api_is_not_sent() -> None:
    assert RowShape(*PROFILE, Shaping(exclude_fields=["properties"]))(OF_OPEN)[1] == {"user_id": "u", "properties": {}}


@pytest.mark.parametrize("name", ["address.street", "User_Properties.email_address", "user_properties."])
def test_a_part_of_a_property_cannot_be_excluded(name: str) -> None:
    with pytest.raises(
        BluxConfigError, match=f"'{name}' does not begin with a group .*'custom_user_properties.{name}'"
    ):
        Shaping(exclude_fields=[name])
    shape = RowShape(*USER, Shaping(exclude_fields=[f"custom_user_properties.{name}"]))
    assert shape({"user_id": "u", "custom_user_properties": {name: 1}})[1] == {"user_id": "u"}


def test_a_custom_property_that_is_called_as_a_field_is_not_excluded_alone() -> None:
    with pytest.raises(BluxConfigError, match=rf"left out of all groups. If that is meant, write '{CONSENTS[1]}'"):
        Shaping(exclude_fields=[f"custom_user_properties.{CONSENTS[1]}"])


def test_a_property_that_user_properties_does_not_have_is_an_error() -> None:
    with pytest.raises(BluxConfigError, match=r"user_properties has no field 'grade', only .*'custom_user_pr"):
        Shaping(exclude_fields=["user_properties.grade"])


@pytest.mark.parametrize(
    ("name", "column"), [("ssn", "SSN"), ("home_address", "home-address"), ("주민번호", normalize("NFD", "주민번호"))]
)
@pytest.mark.parametrize("kind", [USER, PROFILE])
def test_a_column_that_is_excluded_but_for_its_spelling_is_not_sent(
    kind: tuple[str, str], name: str, column: str
) -> None:
    row = {"user_id": "u", column: "secret", "grade": 1}
    shaping = Shaping(exclude_fields=[name])

    said = refusal(kind, row, exclude_fields=[f"custom_user_properties.{name}"])
    assert said.startswith(f"exclude_fields names {name!r}, and the column {column!r} is the same in another spelling")
    check(RowShape(*kind, shaping), row, Rejected(column, "Write the name as the column has it."))
    for group in ("custom_user_properties", "properties"):
        nested = {"user_id": "u", group: {column: "secret"}}
        check(RowShape(*kind, shaping), nested, Rejected(f"{group}.{column}", "so it would be sent"))
    for kept in (
        Shaping(exclude_fields=[name], field_mapping={column: "custom_user_properties.kept"}),
        Shaping(exclude_fields=[f"custom_user_properties.{column}"]),
    ):
        assert RowShape(*kind, kept)(TableRow(row))[0] == "u"


@pytest.mark.parametrize("kind", [USER, PROFILE])
def test_a_name_inside_a_group_is_excluded_although_a_column_of_that_name_is_mapped(kind: tuple[str, str]) -> None:
    shape = RowShape(*kind, Shaping(exclude_fields=["ssn"], field_mapping={"SSN": "custom_user_properties.kept"}))

    for group in ("custom_user_properties", "properties"):
        row = {"user_id": "u", group: {"SSN": "secret"}}
        check(shape, row, Rejected(f"{group}.SSN", "so it would be sent"))


def test_a_column_beside_the_excluded_one_is_another() -> None:
    row = TableRow({"user_id": "u", "home_address": "secret", "home-address": "x"})

    assert RowShape(*USER, Shaping(exclude_fields=["home_address"]))(row)[1] == {
        "user_id": "u",
        "custom_user_properties": {"home-address": "x"},
    }


def test_names_without_a_letter_are_not_the_same() -> None:
    assert RowShape(*USER, Shaping(exclude_fields=["#"]))(TableRow({"user_id": "u", "@": 1}))[1] == {
        "user_id": "u",
        "custom_user_properties": {"@": 1},
    }


def test_a_field_is_not_mapped_into_a_group_that_is_left_out() -> None:
    mapping = {"ok": f"properties.{CONSENTS[1]}", "lv": "properties.grade"}

    with pytest.raises(BluxConfigError, match=f"Map it to 'user_properties.{CONSENTS[1]}'"):
        Shaping(exclude_fields=["custom_user_properties"], field_mapping=mapping)
    mapping["ok"] = f"user_properties.{CONSENTS[1]}"
    shape = RowShape(*PROFILE, Shaping(exclude_fields=["custom_user_properties"], field_mapping=mapping))
    check(shape, {"user_id": "u", "ok": False, "lv": 3}, ("u", {"user_id": "u", "properties": {CONSENTS[1]: False}}))


def excluded_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "exclude_fields" in record.getMessage()]


@pytest.mark.parametrize("operation_api", ["application", "open"])
def test_an_excluded_name_that_no_record_has_is_named_at_the_end(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture, operation_api: Any
) -> None:
    rows = [
        {"user_id": "u", "grade": None, "user_properties": {"phone_number": "010"}},
        {"user_id": "v", "custom_user_properties": {"tier": 1}},
    ]
    names = ["grade", "phone_number", "tier", "level", "consents"]

    push(blux_emulator, "upsert_users", rows, api=operation_api, exclude_fields=names)
    absent = ", ".join(sorted(["level", *CONSENTS]))
    assert excluded_warnings(caplog) == [f"exclude_fields names what no record has: {absent}. Check the spelling."]


@pytest.mark.parametrize("lowercase_columns", [False, True])
def test_a_column_that_no_object_has_is_named_at_the_end(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture, lowercase_columns: bool
) -> None:
    rows = [{"user_id": "u", "mobil": "010", "profile": "{}"}, {"user_id": "v", "mail": "v@example.com"}]
    push(
        blux_emulator,
        "upsert_users",
        rows,
        field_mapping={"mobile": "phone_number", "mail": "email_address"},
        json_columns=["profil", "profile"],
        lowercase_columns=lowercase_columns,
    )

    said = [record.getMessage() for record in caplog.records if "Check the spelling" in record.getMessage()]
    assert said == [
        "field_mapping names what no record has: mobile. Check the spelling.",
        "json_columns names what no record has: profil. Check the spelling.",
    ]


@pytest.mark.parametrize("rows", [[], [{"user_id": "u", "x": 1, CONSENTS[2]: True}]])
def test_no_name_is_missed_in_vain(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture, rows: list[dict[str, Any]]
) -> None:
    push(blux_emulator, "upsert_users", rows, exclude_fields=["consents", "tel"], field_mapping={"x": "tel"})

    assert excluded_warnings(caplog) == []


def test_the_column_in_a_reason_is_bounded_and_redacted() -> None:
    column = f"a 01058267341 {'x' * 500}"

    with pytest.raises(Exception, match="column 'a") as raised:
        RowShape(*USER, Shaping(field_mapping={column: "phone_number"}))({"user_id": "u", column: 5})
    assert "58267341" not in str(raised.value)
    assert "x" * 61 not in str(raised.value)


@pytest.mark.parametrize("field", [*STANDARD_FIELDS, "Phone_Number", "marketing-notification-consent"])
def test_a_user_of_the_open_api_is_no_property_of_the_application_api(field: str) -> None:
    row = {"user_id": "u", "properties": {"grade": "gold", field: False}}

    check(RowShape(*USER), row, Rejected("properties", "as in the Open API"))
    assert RowShape(*USER)({"user_id": "u", "properties": {"grade": "gold"}})[1]["custom_user_properties"]
    if field in STANDARD_FIELDS:
        for written in (json.dumps(row["properties"]), f"\n {json.dumps(row['properties'])}"):
            check(RowShape(*USER), {**row, "properties": written}, Rejected("properties", field))
            leaving_out = RowShape(*USER, Shaping(exclude_fields=["properties"]))
            assert leaving_out({**row, "properties": written})[1] == {"user_id": "u"}
    for written in ('{"grade": "gold"}', f'about "{field}"'):
        own = RowShape(*USER)({"user_id": "u", "properties": written})
        assert own[1]["custom_user_properties"] == {"properties": written}
    assert RowShape(*USER, Shaping(exclude_fields=["properties"]))(row)[1] == {"user_id": "u"}
    own = RowShape(*USER, Shaping(field_mapping={"properties": "custom_user_properties.properties"}))(row)
    assert own[1]["custom_user_properties"] == {"properties": row["properties"]}


@pytest.mark.parametrize("column", [f"user_properties.{CONSENTS[1]}", f"properties.{CONSENTS[1]}"])
@pytest.mark.parametrize("kind", [USER, PROFILE])
def test_a_field_of_a_flattened_object_is_no_property(kind: tuple[str, str], column: str) -> None:
    row = {"user_id": "u", column: False}

    assert f"field_mapping={{'{column}': '{CONSENTS[1]}'}}" in refusal(kind, row)
    check(RowShape(*kind), row, Rejected(column, f"is {CONSENTS[1]} in another spelling"))
    assert CONSENTS[1] in repr(RowShape(*kind, Shaping(field_mapping={column: CONSENTS[1]}))(TableRow(row)))


def test_of_two_spellings_of_a_field_one_may_be_mapped() -> None:
    row = {"user_id": "u", "userid": "kim"}

    assert "or map them to custom_user_properties.<name> with field_mapping" in refusal(USER, row)
    shape = RowShape(*USER, Shaping(field_mapping={"userid": "custom_user_properties.userid"}))
    assert shape(TableRow(row))[1] == {"user_id": "u", "custom_user_properties": {"userid": "kim"}}


NEAR = {
    "marketing_consent": "marketing_notification_consent",
    "marketing_notification_consents": "marketing_notification_consent",
    "marketing_agree": "marketing_notification_consent",
    "sms_agree": "marketing_notification_sms_consent",
    "smsAgree": "marketing_notification_sms_consent",
    "email_opt_in": "marketing_notification_email_consent",
    "night_consent": "nighttime_notification_consent",
    "phone": "phone_number",
    "mobile": "phone_number",
    "tel_no": "phone_number",
    "휴대폰번호": "phone_number",
    "email": "email_address",
    "E-Mail": "email_address",
    "customer_email": "email_address",
    "customerEmail": "email_address",
    "Customer Phone": "phone_number",
    "user_phone_number": "phone_number",
}
FAR = [
    *(
        "phone2",
        "phone_model",
        "email_verified",
        "home_phone",
        "sms",
        "agree",
        "consent",
        "marketing",
        "number",
        "city",
    ),
    *("address", "name", "user_grade", "customer_", "joined_on"),
]


def warnings_of(caplog: pytest.LogCaptureFixture, kind: tuple[str, str], rows: list[Any], **shaping: Any) -> list[str]:
    caplog.clear()
    shape = RowShape(*kind, Shaping(**shaping))
    for row in rows:
        shape(row)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("column", "field"), NEAR.items())
@pytest.mark.parametrize("kind", [USER, PROFILE])
@pytest.mark.parametrize("of_table", [TableRow, dict])
def test_a_column_that_is_nearly_a_field_is_sent_and_warned_of_once(
    caplog: pytest.LogCaptureFixture, column: str, field: str, kind: tuple[str, str], of_table: Any
) -> None:
    rows = [of_table({"user_id": "u", column: "secret"}), of_table({"user_id": "u", column: "secret", "grade": 1})]

    (warning,) = warnings_of(caplog, kind, rows)
    assert f"{column!r} ({field}?)" in warning
    assert f"field_mapping={{{column!r}: {field!r}}}" in warning
    assert warning.endswith(f"If not, set field_mapping={{{column!r}: 'custom_user_properties.<name>'}}.")
    assert "secret" not in warning
    assert not warnings_of(caplog, kind, [{"user_id": "u", column: "x", field: None}]), "the field itself is there"
    assert not warnings_of(caplog, kind, [{"user_id": "u", column: "x", "user_properties": {field: None}}])
    assert not warnings_of(caplog, kind, rows, field_mapping={column: f"custom_user_properties.{column}"})
    assert not warnings_of(caplog, kind, rows, exclude_fields=[f"custom_user_properties.{column}"])


def test_other_columns_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert not warnings_of(caplog, USER, [{"user_id": "u", **dict.fromkeys(FAR, "x")}])
    assert not warnings_of(caplog, DELETION, [TableRow({"user_id": "u", "phone": "x"})])
    assert not warnings_of(caplog, EVENT, [{**WHOLE, "phone": "x", "marketing_consent": "x"}])


@pytest.mark.parametrize(
    ("kind", "column", "field"),
    [
        *((EVENT, "event_time", "timestamp"), (EVENT, "eventTime", "timestamp"), (EVENT, "event_id", "id")),
        *((DEVICE, "device_token", "token"), (DEVICE, "deviceToken", "token")),
    ],
)
def test_a_column_of_an_event_or_a_device_may_be_nearly_a_field_too(
    caplog: pytest.LogCaptureFixture, kind: tuple[str, str], column: str, field: str
) -> None:
    (warning,) = warnings_of(caplog, kind, [TableRow({**WHOLE, column: "x"})] * 2)

    assert f"{column!r} ({field}?)" in warning
    assert "'properties.<name>'" in warning


@pytest.mark.parametrize("name", ["phone", "mobile", "email", "sms_agree", "전화번호"])
def test_a_name_that_is_nearly_a_field_is_not_excluded(name: str) -> None:
    with pytest.raises(BluxConfigError, match=f"Did you mean '{NEAR.get(name, 'phone_number')}'"):
        Shaping(exclude_fields=[name])
    assert Shaping(exclude_fields=[f"custom_user_properties.{name}"]).excluded == {name}
    check_mapping("upsert_users", None, {"a": name})


COMPOSED, DECOMPOSED = "\u00e9t\u00e9", "e\u0301te\u0301"


def test_columns_that_differ_in_the_form_of_unicode_alone_are_alike() -> None:
    row = {**WHOLE, COMPOSED: 1, DECOMPOSED: 2}

    for kind in (USER, PROFILE, EVENT, DEVICE):
        assert "are read as the same" in refusal(kind, row)
        check(RowShape(*kind), row, Rejected(COMPOSED, "are read as the same"))
    own = {COMPOSED: "custom_user_properties.one"}
    assert RowShape(*USER, Shaping(field_mapping=own))(TableRow(row))
    assert RowShape(*DELETION)(TableRow(row)) == ("u", "u")
    assert RowShape(*USER)(TableRow({**WHOLE, COMPOSED: 1, "ete": 2}))


def test_a_row_is_checked_although_an_object_had_the_names_of_its_columns() -> None:
    shape = RowShape(*USER, Shaping(exclude_fields=["ssn"]))
    own = {"user_id": "u", "Phone Number": "x"}

    check(
        shape, {"user_id": "u", "custom_user_properties": own}, ("u", {"user_id": "u", "custom_user_properties": own})
    )
    check(shape, {"custom_user_properties": {}, **own}, Rejected("Phone Number", "is phone_number in another spelling"))

"""The shaping arguments: valid values, and the errors for invalid ones when a DAG is parsed."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import FIELDS, RowShape, check_mapping

HALF = "\ud83d"


class Flag(str, enum.Enum):  # noqa: UP042 - of the older kind, whose hash is not its value's
    YES = "Y"


class FromLongAgo(tzinfo):
    """A zone like those of pytz: as ``tzinfo`` of a time, it returns the local mean time of the city."""

    def localize(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=timezone(timedelta(hours=9)))

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=8, minutes=28)


class Unknowing(tzinfo):
    def utcoffset(self, moment: datetime | None) -> None:
        return None


NOT_TEXT = "field_mapping maps text to text"
NO_VALUE = "holds something that is neither text nor a number"
NO_OFFSET = "this kind of tzinfo gives no reliable offset"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"field_mapping": [("a", "b")]}, "field_mapping must be a dict"),
    ({"field_mapping": "a:b"}, "field_mapping must be a dict"),
    ({"field_mapping": None}, "field_mapping must be a dict"),
    ({"field_mapping": {1: "user_id"}}, NOT_TEXT),
    ({"field_mapping": {"id": 1}}, NOT_TEXT),
    ({"field_mapping": {"id": None}}, NOT_TEXT),
    ({"field_mapping": {"id": ["user_id"]}}, NOT_TEXT),
    ({"field_mapping": {"": "user_id"}}, NOT_TEXT),
    ({"field_mapping": {"id": ""}}, NOT_TEXT),
    ({"field_mapping": {"id": HALF}}, NOT_TEXT),
    ({"field_mapping": {HALF: "user_id"}}, NOT_TEXT),
    ({"field_mapping": {"id": " user_id"}}, "has whitespace around it"),
    ({"field_mapping": {"id": "user_id\n"}}, "has whitespace around it"),
    ({"true_values": "Y"}, r"true_values must be a list of text or numbers, as in true_values=\['Y', 1\]"),
    ({"false_values": "N"}, "false_values must be a list"),
    ({"true_values": None}, "true_values must be a list"),
    ({"true_values": 1}, "true_values must be a list"),
    ({"true_values": {"Y": True}}, "true_values must be a list"),
    ({"true_values": [True]}, f"true_values {NO_VALUE}"),
    ({"false_values": [False]}, f"false_values {NO_VALUE}"),
    ({"true_values": [None]}, NO_VALUE),
    ({"true_values": [["Y"]]}, NO_VALUE),
    ({"true_values": [b"Y"]}, NO_VALUE),
    ({"true_values": [float("nan")]}, NO_VALUE),
    ({"false_values": [Decimal("sNaN")]}, NO_VALUE),
    ({"true_values": ["false"]}, "true_values holds the word 'false'"),
    ({"true_values": ["FALSE"]}, "true_values holds the word 'false'"),
    ({"false_values": ["True"]}, "false_values holds the word 'true'"),
    ({"true_values": ["Y"], "false_values": ["N", "Y"]}, "true_values and false_values overlap"),
    ({"true_values": [1], "false_values": [1.0]}, "true_values and false_values overlap"),
    ({"true_values": [Decimal("0.0")], "false_values": [0]}, "true_values and false_values overlap"),
    ({"true_values": [Flag.YES], "false_values": ["Y"]}, "true_values and false_values overlap"),
    ({"naive_timezone": "KST9"}, "there is no zone 'KST9'. Give an IANA name, as in 'Asia/Seoul'"),
    ({"naive_timezone": "Asia/Soul"}, "there is no zone"),
    ({"naive_timezone": "Asia"}, "there is no zone"),
    ({"naive_timezone": ""}, "there is no zone"),
    ({"naive_timezone": "../etc/passwd"}, "there is no zone"),
    ({"naive_timezone": "/etc/localtime"}, "there is no zone"),
    ({"naive_timezone": "+09:00"}, "there is no zone"),
    ({"naive_timezone": "Asia/\0"}, "there is no zone"),
    ({"naive_timezone": HALF}, "there is no zone"),
    ({"naive_timezone": 9}, "must be an IANA name"),
    ({"naive_timezone": timedelta(hours=9)}, "must be an IANA name"),
    ({"naive_timezone": True}, "must be an IANA name"),
    ({"naive_timezone": FromLongAgo()}, NO_OFFSET),
    ({"naive_timezone": Unknowing()}, NO_OFFSET),
    ({"naive_timezone": tzinfo()}, NO_OFFSET),
    ({"send_nulls": None}, "send_nulls must be True or False"),
    ({"send_nulls": 1}, "send_nulls must be True or False"),
    ({"send_nulls": "yes"}, "send_nulls must be True or False"),
    ({"check_ids": None}, "check_ids must be True or False"),
    ({"lowercase_columns": 1}, "lowercase_columns must be True or False"),
    ({"json_columns": None}, "json_columns must be a list of columns"),
    ({"json_columns": [1]}, "json_columns must be a list of columns"),
    ({"json_columns": ""}, "json_columns must be a list of columns"),
    ({"json_columns": {"a": 1}}, "json_columns must be a list of columns"),
    *(
        ({"exclude_fields": [name]}, "is one name; write several as a list")
        for name in ("phone_number,grade", "phone_number; grade", "grade phone_number", "grade,consents")
    ),
    ({"timestamp_unit": "ns"}, "timestamp_unit must be 's', 'ms' or 'us'"),
    ({"timestamp_unit": ""}, "timestamp_unit must be"),
    ({"timestamp_unit": ["s"]}, "timestamp_unit must be"),
    ({"timestamp_unit": 1}, "timestamp_unit must be"),
    ({"phone_region": "kr"}, "phone_region must be the code of a region in capitals"),
    ({"phone_region": "KOR"}, "phone_region must be"),
    ({"phone_region": ""}, "phone_region must be"),
    ({"phone_region": 82}, "phone_region must be"),
    ({"phone_region": ["KR"]}, "phone_region must be"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_a_wrong_shaping_argument_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BluxConfigError, match=words) as raised:
        Shaping(**arguments)

    assert next(iter(arguments)) in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"field_mapping": {" id ": "user_id"}},
        {"true_values": ["Y", "y", 1, Decimal(2), 3.5], "false_values": ("N", 0)},
        {"true_values": {"Y"}, "false_values": frozenset({"N"})},
        {"true_values": ["TRUE", "true"], "false_values": ["false"]},
        {"true_values": ["1"], "false_values": [1]},
        {"true_values": ["Y"], "false_values": ["y", ""]},
        {"naive_timezone": "Asia/Seoul"},
        {"naive_timezone": ZoneInfo("Europe/Berlin")},
        {"naive_timezone": UTC},
        {"naive_timezone": timezone(timedelta(hours=9))},
        {"send_nulls": True},
        {"json_columns": "tags"},
        {"json_columns": ("tags", "tags")},
        {"timestamp_unit": "us"},
        {"phone_region": "KR"},
    ],
)
def test_these_shaping_arguments_are_taken(arguments: dict[str, Any]) -> None:
    Shaping(**arguments)


def test_a_mapping_that_is_changed_later_changes_nothing() -> None:
    mapping = {"id": "user_id"}
    shaping = Shaping(field_mapping=mapping)
    mapping["id"] = "grade"

    assert RowShape("delete_users", "open", shaping)({"id": "u"}) == ("u", "u")


NO_GROUP = "does not name a field of a group"
TARGETS: list[tuple[str, str | None, dict[str, str], str | None]] = [
    ("upsert_users", "application", {"id": "user_id", "p": "user_properties.phone_number"}, None),
    ("upsert_users", "application", {"g": "custom_user_properties.grade", "h": "grade.a"}, NO_GROUP),
    ("upsert_users", "application", {"g": "custom_user_properties.a.b"}, None),
    ("upsert_users", "application", {"g": "custom_user_properties"}, None),
    (
        "upsert_users",
        "application",
        {"g": "user_properties.grade"},
        "user_properties has no field 'grade', only email_",
    ),
    ("upsert_users", "application", {"g": "properties.grade"}, NO_GROUP),
    ("upsert_users", None, {"g": "properties.grade"}, None),
    ("upsert_users", "open", {"g": "properties.grade", "t": "timestamp"}, None),
    ("upsert_users", "open", {"g": "user_properties.grade"}, "user_properties has no field 'grade'"),
    ("upsert_users", None, {"g": "user_property.phone_number"}, NO_GROUP),
    ("upsert_users", None, {"g": "user_properties."}, NO_GROUP),
    ("upsert_users", None, {"g": ".grade"}, NO_GROUP),
    ("upsert_users", None, {"a": "grade", "b": "grade"}, "maps both 'a' and 'b' to "),
    ("upsert_users", "application", {"a": "user_id", "b": "user_id"}, "maps both 'a' and 'b' to user_id"),
    (
        "upsert_users",
        "application",
        {"a": "phone_number", "b": "user_properties.phone_number"},
        "maps both 'a' and 'b' to user_properties.phone_number",
    ),
    (
        "upsert_users",
        "application",
        {"a": "custom_user_properties.grade", "b": "grade"},
        "maps both 'a' and 'b' to custom_user_properties.grade",
    ),
    ("upsert_users", "application", {"a": "custom_user_properties.phone_number", "b": "phone_number"}, None),
    (
        "upsert_users",
        "open",
        {"a": "custom_user_properties.phone_number", "b": "phone_number"},
        "maps both 'a' and 'b' to properties.phone_number",
    ),
    ("upsert_users", "open", {"a": "properties.grade", "b": "grade"}, "maps both 'a' and 'b' to properties.grade"),
    ("upsert_users", "open", {"a": "timestamp", "b": "properties.timestamp"}, None),
    ("send_events", "open", {"a": "name", "b": "user_id", "c": "timestamp", "d": "id", "e": "total"}, None),
    ("send_events", None, {"a": "properties.total", "b": "properties.name"}, None),
    ("send_events", None, {"a": "user_properties.phone_number"}, NO_GROUP),
    ("send_events", None, {"a": "properties.total", "b": "total"}, "maps both 'a' and 'b' to properties.total"),
    ("update_devices", None, {"a": "device_id", "b": "token", "c": "properties.x"}, None),
    ("update_devices", None, {"a": "custom_user_properties.x"}, NO_GROUP),
    ("delete_users", None, {"a": "user_id"}, None),
    ("delete_users", None, {"a": "grade"}, "there is no field 'grade' here, only user_id"),
    ("delete_users", "application", {"a": "properties.user_id"}, NO_GROUP),
]


@pytest.mark.parametrize(("operation", "api", "mapping", "words"), TARGETS)
def test_what_columns_can_be_mapped_to(operation: str, api: str | None, mapping: dict[str, str], words: str) -> None:
    if words is None:
        check_mapping(operation, api, mapping)
        return
    with pytest.raises(BluxConfigError, match=words):
        check_mapping(operation, api, mapping)
    for kind in FIELDS:
        if kind[0] == operation and api in (None, kind[1]):
            with pytest.raises(BluxConfigError, match="field_mapping"):
                RowShape(*kind, Shaping(field_mapping=mapping))


@pytest.mark.slow
def test_how_rows_are_read_has_the_same_name_in_every_process() -> None:
    code = (
        "from airflow_provider_blux.records.options import Shaping\n"
        "print(repr(Shaping(field_mapping={'a': 'b', 'c': 'd'}, true_values={'Y', 'y', 'J', 1}, "
        "false_values={'N', 'n', 0}, naive_timezone='Asia/Seoul', send_nulls=True)))"
    )
    names = {
        subprocess.run(  # noqa: S603 - the interpreter of this test, with the text above
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }

    assert len(names) == 1
    assert " at 0x" not in repr(Shaping(naive_timezone=_Fixed()))


def test_two_zones_without_a_repr_of_their_own_are_told_apart_by_their_offsets():
    class Seoul(tzinfo):
        hours = 9

        def utcoffset(self, _moment):
            return timedelta(hours=self.hours)

    other = Seoul()
    other.hours = 10

    assert repr(Shaping(naive_timezone=Seoul())) == repr(Shaping(naive_timezone=Seoul()))
    assert repr(Shaping(naive_timezone=Seoul())) != repr(Shaping(naive_timezone=other))


class _Fixed(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=9)


def test_every_option_is_part_of_that_name() -> None:
    plain = repr(Shaping())
    others: list[dict[str, Any]] = [
        {"field_mapping": {"id": "user_id"}},
        {"true_values": ["Y"]},
        {"false_values": ["Y"]},
        {"true_values": [1]},
        {"true_values": ["1"]},
        {"naive_timezone": "Asia/Seoul"},
        {"naive_timezone": "Asia/Tokyo"},
        {"send_nulls": True},
        {"exclude_fields": ["grade"]},
        {"lowercase_columns": True},
        {"json_columns": ["grade"]},
        {"check_ids": False},
        {"timestamp_unit": "s"},
        {"timestamp_unit": "ms"},
        {"phone_region": "KR"},
        {"phone_region": "US"},
    ]

    assert {name for other in others for name in other} == {option.name for option in fields(Shaping)}
    assert len({plain, *(repr(Shaping(**other)) for other in others)}) == len(others) + 1

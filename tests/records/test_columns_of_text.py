"""Columns that hold JSON as text, numbers that are times, and telephone numbers of a region."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.operators.blux import BluxSendEventsOperator, BluxUpsertUsersOperator
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.sources.rows import LineRow, TableRow
from tests.delivery.pushing import push
from tests.records.outcomes import Rejected, check
from tests.records.test_invariants import repeatable

USER, EVENT = ("upsert_users", "application"), ("send_events", "open")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a": [1, null, "한글"]}', {"a": [1, None, "한글"]}),
        (b'["a"]', ["a"]),
        ("5", 5),
        ("18446744073709551617", 18446744073709551617),
        ('"text"', "text"),
        (" true ", True),
        ({"a": 1}, {"a": 1}),
        (7, 7),
        *(
            (text, Rejected("tags", "is not JSON"))
            for text in ("", "a", "{'a': 1}", "{", "[1,]", "1 2", b"\xff", bytearray(b"{"))
        ),
        ("NaN", Rejected("tags", "is not a finite number")),
        ('{"a": [-Infinity]}', Rejected("tags.a[0]", "is not a finite number")),
        ("[" * 100_000, Rejected("tags", "is not JSON")),
    ],
)
def test_a_column_of_json_is_parsed_or_the_record_rejected(value: Any, expected: Any) -> None:
    shape = RowShape(*USER, Shaping(json_columns=["tags"]))
    accepted = ("u", {"user_id": "u", "custom_user_properties": {"tags": expected}})

    check(shape, {"user_id": "u", "tags": value}, expected if isinstance(expected, Rejected) else accepted)


@pytest.mark.parametrize("value", [None, "null"])
def test_a_null_in_a_column_of_json_stays_null(value: Any) -> None:
    row = {"user_id": "u", "tags": value}

    assert RowShape(*USER, Shaping(json_columns=["tags"]))(row)[1] == {"user_id": "u"}
    assert RowShape(*USER, Shaping(json_columns=["tags"], send_nulls=True))(row)[1] == {
        "user_id": "u",
        "custom_user_properties": {"tags": None},
    }


def test_a_group_may_come_as_json_and_by_another_name() -> None:
    shaping = Shaping(json_columns=["PROPS", "known"], field_mapping={"PROPS": "custom_user_properties"})
    row = TableRow({"user_id": "u", "PROPS": '{"grade": "gold"}', "known": '{"a": 1}'})

    assert RowShape(*USER, shaping)(row)[1]["custom_user_properties"] == {"grade": "gold", "known": {"a": 1}}
    assert row["PROPS"] == '{"grade": "gold"}'
    event = RowShape(*EVENT, Shaping(json_columns=["properties"]))
    assert event({"user_id": "u", "name": "n", "properties": '{"sum": 1}'})[1]["properties"] == {"sum": 1}


def test_a_table_without_a_column_of_json_fails_at_once() -> None:
    shape = RowShape(*USER, Shaping(json_columns=["tags"]))

    with pytest.raises(BluxConfigError, match=r"json_columns names a column 'tags', which is not there"):
        shape(TableRow({"user_id": "u", "Tag": "[]"}))
    assert shape({"user_id": "u"})


COUNTS: list[tuple[str, Any, Any]] = [
    ("s", 1769817600, "2026-01-31T00:00:00+00:00"),
    ("s", "1769817600", "2026-01-31T00:00:00+00:00"),
    ("s", 1769817600.25, "2026-01-31T00:00:00.250000+00:00"),
    ("s", "1769817600.123456", "2026-01-31T00:00:00.123456+00:00"),
    ("s", Decimal("1769817600.000001"), "2026-01-31T00:00:00.000001+00:00"),
    ("ms", 1769817600123, "2026-01-31T00:00:00.123000+00:00"),
    ("ms", 1769817600123.0, "2026-01-31T00:00:00.123000+00:00"),
    ("us", 1769817600123456, "2026-01-31T00:00:00.123456+00:00"),
    ("us", "2026-01-31T09:00:00+09:00", "2026-01-31T09:00:00+09:00"),
    ("us", datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
    ("s", 31536000, "1971-01-01T00:00:00+00:00"),
    ("s", 7258118399, "2199-12-31T23:59:59+00:00"),
    ("s", True, Rejected("timestamp", "is of type bool")),
    ("s", "20260131", Rejected("timestamp", "is before 1971 or after 2199")),
    *(
        (unit, value, Rejected("timestamp", "is before 1971 or after 2199"))
        for unit, value in [
            *(
                ("s", 0),
                ("s", -1),
                ("s", 7258118400),
                ("s", 202601310900),
                ("ms", "20260131090000"),
                ("s", 1769817600123),
                ("ms", 1769817600),
                ("us", 1769817600123),
            ),
            *(("s", float("nan")), ("s", float("inf")), ("s", Decimal("sNaN")), ("s", Decimal("1E+999999"))),
            *(("s", 10**400), ("s", 10**5000), ("s", "9" * 5000), ("s", 1e308)),
        ]
    ),
    ("s", "1e9", Rejected("timestamp", "is not an ISO 8601 timestamp")),
    ("s", "1_769_817_600", Rejected("timestamp", "is not an ISO 8601 timestamp")),
    ("s", " 1769817600", Rejected("timestamp", "is not an ISO 8601 timestamp")),
    ("s", "١٧٦٩٨١٧٦٠٠", Rejected("timestamp", "is not an ISO 8601 timestamp")),
]


@pytest.mark.parametrize(("unit", "value", "expected"), COUNTS, ids=[str(number) for number in range(len(COUNTS))])
def test_a_number_is_a_time_in_its_unit_or_rejected(unit: Any, value: Any, expected: Any) -> None:
    shaping = Shaping(timestamp_unit=unit)
    for kind, row in (
        (EVENT, {"user_id": "u", "name": "n"}),
        (("upsert_users", "open"), {"user_id": "u", "properties": {}}),
    ):
        accepted = ("u", {**row, "timestamp": expected})
        check(
            RowShape(*kind, shaping),
            {**row, "timestamp": value},
            expected if isinstance(expected, Rejected) else accepted,
        )


@given(moment=st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31, 23, 59, 59), timezones=st.just(UTC)))  # noqa: DTZ001
@repeatable
def test_a_time_to_the_microsecond_loses_nothing(moment: datetime) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    count = (moment - epoch).days * 86_400_000_000 + (moment - epoch).seconds * 1_000_000 + moment.microsecond
    for unit, value in (("us", count), ("ms", Decimal(count) / 1000), ("s", str(Decimal(count) / 1_000_000))):
        if "E" in str(value):
            continue
        sent = RowShape(*EVENT, Shaping(timestamp_unit=unit))({"user_id": "u", "name": "n", "timestamp": value})[1]  # type: ignore[arg-type]
        assert datetime.fromisoformat(sent["timestamp"]) == moment


def test_the_time_of_an_update_may_be_a_number(blux_emulator: Emulator) -> None:
    rows = [{"user_id": "u", "n": 1, "at": 1769817601}, {"user_id": "u", "n": 2, "at": 1769817600}]

    with pytest.raises(Exception, match="is older than an earlier record"):
        push(blux_emulator, "upsert_users", rows, updated_at_field="at", timestamp_unit="s")
    assert blux_emulator.user("u")["custom_user_properties"]["n"] == 1  # type: ignore[index]


NO_NUMBER = Rejected("phone_number", "is not a valid telephone number (read with phone_region)")
PHONES = [
    ("01012345678", "01012345678"),
    ("010-1234-5678", "01012345678"),
    ("010.1234.5678", "01012345678"),
    (" 010 1234 5678 ", "01012345678"),
    ("+82 10-1234-5678", "01012345678"),
    ("+82 (0)10-1234-5678", "01012345678"),
    ("821012345678", "01012345678"),
    ("1012345678", "01012345678"),
    ("０１０－１２３４－５６７８", "01012345678"),
    *((f"010{dash}1234{dash}5678", "01012345678") for dash in "‐‑‒–—−"),
    ("02-312-3456", "023123456"),
    ("1588-1234", "15881234"),
    *((text, NO_NUMBER) for text in ("", "-", "010", "010-1234", "전화 없음", "010-1234-5678 (엄마)", "0" * 300)),
    ("010-1234-5678, 010-9876-5432", NO_NUMBER),
    ("010-1234-5678 / 02-312-3456", NO_NUMBER),
    ("010-1234-5678 ext. 5", NO_NUMBER),
    ("tel 010-1234-5678", NO_NUMBER),
    ("010-KIM-5678", NO_NUMBER),
    ("+1 415 555 2671", Rejected("phone_number", "is a number of another country than phone_region")),
    ("1012345678.0", Rejected("phone_number", "check_ids=False")),
    (1012345678, Rejected("phone_number", "has already lost its leading zero")),
]


@pytest.mark.parametrize(("value", "expected"), PHONES, ids=[str(number) for number in range(len(PHONES))])
@pytest.mark.parametrize("is_nested", [True, False])
def test_a_number_is_brought_into_the_digits_of_its_region_or_rejected(
    value: Any, expected: Any, is_nested: bool
) -> None:
    shape = RowShape(*USER, Shaping(phone_region="KR"))
    phone = {"phone_number": value}
    row = {"user_id": "u", "user_properties": phone} if is_nested else {"user_id": "u", **phone}
    if isinstance(expected, Rejected):
        field = "user_properties.phone_number" if is_nested else "phone_number"
        check(shape, row, Rejected(field, expected.words))
    else:
        assert shape(row)[1]["user_properties"] == {"phone_number": expected}
        again = {"user_id": "u", "phone_number": expected}
        assert shape(again)[1]["user_properties"] == {"phone_number": expected}


def test_without_a_region_a_number_is_any_text_and_a_null_stays_null() -> None:
    for value in ("+82 10-1234-5678", "전화 없음", ""):
        sent = RowShape(*USER)({"user_id": "u", "phone_number": value})[1]
        assert sent["user_properties"] == {"phone_number": value}
    shaping = Shaping(phone_region="KR", send_nulls=True)
    assert RowShape(*USER, shaping)({"user_id": "u", "phone_number": None})[1]["user_properties"] == {
        "phone_number": None
    }


@pytest.mark.slow
def test_a_missing_library_names_the_extra() -> None:
    code = (
        "import sys\nsys.modules['phonenumbers'] = None\n"
        "from airflow_provider_blux.records.options import Shaping\nShaping(phone_region='KR')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603

    assert "pip install 'airflow-provider-blux[phone]'" in found.stderr


def test_the_operators_take_the_arguments(blux_emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text(
        'USER_ID,PHONE_NUMBER,MARKETING_NOTIFICATION_CONSENT,TAGS\n1.0,+82 10-1234-5678,false,"[1, 2]"\n', "utf-8"
    )
    BluxUpsertUsersOperator(
        task_id="users",
        path=str(tmp_path / "users.csv"),
        lowercase_columns=True,
        json_columns=["TAGS"],
        check_ids=False,
        phone_region="KR",
    ).execute({})
    events = [{"user_id": "u", "name": "n", "timestamp": 1769817600000}]
    BluxSendEventsOperator(task_id="events", events=events, timestamp_unit="ms").execute({})

    assert blux_emulator.user("1.0") == {
        "user_id": "1.0",
        "user_properties": {"phone_number": "01012345678", "marketing_notification_consent": False},
        "custom_user_properties": {"tags": [1, 2]},
    }
    assert [event["timestamp"] for event in blux_emulator.events("u")] == ["2026-01-31T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [("exclude_fields", "consent"), ("field_mapping", {"HP": "phone_numbr"}), ("timestamp_unit", "ns")],
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(argument: str, value: Any) -> None:
    with pytest.raises(BluxConfigError, match=argument):
        BluxUpsertUsersOperator(task_id="users", users=[], **{argument: value})


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        (unicodedata.normalize("NFD", "회원번호"), {"회원번호": "user_id"}),
        ("\uff55\uff53\uff45\uff52\uff3f\uff49\uff44", {}),
    ],
)
def test_a_name_in_another_form_of_unicode_is_the_nearest(header: str, mapping: dict[str, str]) -> None:
    row = LineRow({header: "a", "grade": "gold"})
    with pytest.raises(BluxConfigError, match=r"Is .* meant|Is .* Then set") as raised:
        RowShape("upsert_users", "application", Shaping(field_mapping=mapping))(row)

    assert header in str(raised.value)

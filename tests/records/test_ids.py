"""Ids that were damaged on their way, stand for a missing value, or look like another id."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxGuardError, BluxRecordError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.records.ids import identifier
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.sources.rows import TableRow
from tests.delivery.pushing import push
from tests.records.outcomes import Rejected, check, outcome
from tests.records.test_invariants import repeatable


@pytest.fixture
def blux_hook(blux_emulator: Emulator) -> BluxHook:
    """A hook with a connection to the emulator."""
    return BluxHook(api="application")


PLACES = [
    (("upsert_users", "application"), {}, "user_id"),
    (("upsert_users", "open"), {}, "user_id"),
    (("send_events", "open"), {"name": "n"}, "user_id"),
    (("send_events", "open"), {"name": "n", "user_id": "u"}, "id"),
    (("update_devices", "open"), {}, "device_id"),
    (("update_devices", "open"), {"device_id": "d"}, "user_id"),
    (("delete_users", "application"), {}, "user_id"),
    (("delete_users", "open"), {}, "user_id"),
]
NUMBERS = [
    *("123.0", "123.00", "0.0", "-7.0", "123.", "1.23457E+11", "1.2E+11", "1e+16", "1E+5", "1.2E11", "1,23E+11"),
    *("+7.0", "-1E+5", "+1.2E+11", "-1.2E11", "1,2e11"),
]
MISSING = [
    *("nan", "NaN", "NAN", "-nan", "None", "NONE", "NULL", "null", "Null", "(null)", "<null>", "[NULL]", "\\N", "NaT"),
    *("<NA>", "NA", "N/A", "n/a", "#N/A", "#NA", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "####"),
    *("#" * 40, "#ERROR!", "#SPILL!", "#CALC!", "undefined", "inf", "-inf", "+Inf", "Infinity", "+infinity"),
    *("-Infinity", "sNaN", "[object Object]"),
]
MARKED = ['="00123"', "'00123", "'u-1", '"123"', "'123'", '"', '"123']
LISTED = [
    *('["a1", "b1"]', "['a1']", "[1, 2]", "('a1', 'b1')", '{"user_id": "a1"}', '[{"user_id": "a1"}]', "[]", "{}"),
    *('[ "a1" ]', '( "a1", "b1" )', "{'user_id': 'a1'}", '{ "user_id": "a1" }'),
]
REAL = [
    *(
        "0",
        "123",
        "00123",
        "-5",
        "1.5",
        "123.10",
        "1.0.0",
        "v1.0",
        "123.0a",
        "1E5",
        "12E4",
        "1e5",
        "3E-7",
        "1.5E-7",
        "E+5",
    ),
    *("nancy", "Nona", "nullable", "na", "Na", "n", "N", "none-1", "info", "infinite", "\\n1", "#1", "#N/A1", "##a"),
    *("1.2.3E+4", "0x1F", "12.0.0.1", "550e8400-e29b-41d4-a716-446655440000", "5e8400", "2026-01-31", "a.0"),
    *("o'brien", "o'", 'a"b', "=1", "=", "c="),
    *("[vip]kim", "[kim]", "(kim)", "(1)", "[", "{550e8400-e29b-41d4-a716-446655440000}"),
]


@pytest.mark.parametrize(("kind", "around", "field"), PLACES)
def test_text_that_looks_damaged_or_missing_is_no_id(kind: Any, around: Any, field: str) -> None:
    for value in (*NUMBERS, *MISSING, *MARKED, *LISTED, "\ufffd\ufffd1"):
        row = {**around, field: value}
        check(RowShape(*kind), row, Rejected(field, "check_ids=False"))
        assert RowShape(*kind, Shaping(check_ids=False))(row)


@pytest.mark.parametrize(("kind", "around", "field"), PLACES)
def test_the_error_for_an_empty_id_calls_it_needed_only_where_it_is(kind: Any, around: Any, field: str) -> None:
    optional = (kind[0], field) in {("send_events", "id"), ("update_devices", "user_id")}

    check(RowShape(*kind), {**around, field: ""}, Rejected(field, "make it null" if optional else "needs one"))


def test_an_id_that_merely_resembles_one_is_sent() -> None:
    for value in REAL:
        assert identifier(value, "user_id") == value


@given(number=st.integers())
@repeatable
def test_a_whole_number_as_text_is_an_id_and_as_a_decimal_is_none(number: int) -> None:
    assert identifier(str(number), "user_id") == str(number)
    for damaged in (f"{number}.0", f"{number}.00", f"{number:.6E}" if abs(number) < 1e300 else "1E+300"):
        if "E-" not in damaged:
            check(lambda it: identifier(it, "user_id"), damaged, Rejected("user_id", "damaged whole number"))


class TextOfAnotherType(str):
    """A subclass of ``str``, which takes the slow path of the check."""

    __slots__ = ()


def judged(value: str) -> str:
    """Return the id, or the reason for a reject."""
    try:
        return identifier(value, "user_id")
    except BluxRecordError as error:
        return error.reason


@given(
    written=st.from_regex(r"[-+.,eE0-9a-zA-Z#\"'= ]{0,16}", fullmatch=True)
    | st.sampled_from([*NUMBERS, *MISSING, *MARKED, *REAL]).flatmap(
        lambda known: st.sampled_from([known, f"{known}1", f"a{known}", f"{known}\n"])
    )
    | st.uuids().map(str)
    | st.text(max_size=16)
)
@repeatable
def test_an_id_that_is_passed_on_at_first_sight_would_be_passed_on_at_the_second(written: str) -> None:
    assert judged(written) == judged(TextOfAnotherType(written))


INVISIBLE = [
    *("\0", "\x01", "\x7f", "\x85", "\u00ad", "\u061c", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f"),
    *("\u2028", "\u2029", "\u202e", "\u2060", "\u2066", "\u3164", "\uffa0", "\u2800", "\ufeff", "\ufff9", "\U000e0061"),
    *("\t", "\n", "\r", "\x1b", "\u115f", "\u1160"),
]


@pytest.mark.parametrize(("kind", "around", "field"), PLACES)
@pytest.mark.parametrize("check_ids", [True, False])
def test_an_invisible_character_makes_no_other_user(kind: Any, around: Any, field: str, check_ids: bool) -> None:
    for sign in INVISIBLE:
        within = (f"u{sign}1", f"고{sign}객", f"u{sign}👧", f"👧{sign}1")
        for value in (*within, f"{sign}u1", f"u1{sign}", f"{sign}👧👧", f"👧👧{sign}", sign):
            found = outcome(RowShape(*kind, Shaping(check_ids=check_ids)), {**around, field: value})
            assert isinstance(found, Exception)
            assert "invisible character" in str(found) or "whitespace around it" in str(found)
            assert value not in str(found)


def test_nothing_but_a_joiner_joins_emoji() -> None:
    for sign in set(INVISIBLE) - {"\u200d"}:
        with pytest.raises(BluxRecordError, match="invisible character"):
            identifier(f"👧{sign}👧", "user_id")


@pytest.mark.parametrize(
    "value",
    ["👨\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "👩🏽\u200d⚕\ufe0f", "고객 1", "고\u3000객", "a\u00a0b", "é", "e\u0301"],
)
def test_emoji_blanks_inside_and_marks_are_no_invisible_characters(value: str) -> None:
    assert identifier(value, "user_id") == value


@pytest.mark.parametrize(
    "value",
    [
        *("1012345678.0", "8.21012E+11", "nan", "NULL", "#N/A", "\\N", "'01012345678", '="01012345678"'),
        *(" 01012345678", "01012345678\n", "\u00a001012345678", "\u202a01012345678\u202c", "010\u200b12345678"),
        *("1012345678", "10-1234-5678", "10 1234 5678", "10.1234.5678"),
    ],
)
@pytest.mark.parametrize("api", ["application", "open"])
def test_a_telephone_number_that_looks_damaged_is_rejected(api: str, value: str) -> None:
    row = {"user_id": "u", "phone_number": value}

    check(RowShape("upsert_users", api), row, Rejected("phone_number", "check_ids=False"))
    assert RowShape("upsert_users", api, Shaping(check_ids=False))(row)


@pytest.mark.parametrize("value", ["101234567", "10123456789", "1112345678", "110-1234-5678", "", "(02) 123-4567"])
def test_a_telephone_number_that_merely_resembles_a_damaged_one_is_sent(value: str) -> None:
    row = {"user_id": "u", "phone_number": value}

    assert RowShape("upsert_users", "application")(row)[1]["user_properties"] == {"phone_number": value}


@pytest.mark.parametrize("word", ["nan", "None", "NULL", "#N/A", "undefined"])
@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("send_events", "name"),
        ("update_devices", "platform"),
        ("update_devices", "token"),
        ("update_devices", "app_local_id"),
    ],
)
def test_text_that_stands_for_a_missing_value_is_no_name_and_no_token(operation: str, field: str, word: str) -> None:
    row = {"user_id": "u", "name": "n", "device_id": "d", field: word}

    check(RowShape(operation, "open"), row, Rejected(field, "stands for a missing value"))
    assert RowShape(operation, "open", Shaping(check_ids=False))(row)[1][field] == word
    assert RowShape(operation, "open")({**row, field: f"{word}-1.0"})[1][field] == f"{word}-1.0"


@pytest.mark.parametrize("word", ["nan", "None", "NULL", "#N/A"])
def test_text_that_stands_for_a_missing_value_is_no_email_address(word: str) -> None:
    row = {"user_id": "u", "email_address": word}

    check(RowShape("upsert_users", "application"), row, Rejected("email_address", "stands for a missing value"))
    _, sent = RowShape("upsert_users", "application", Shaping(check_ids=False))(row)
    assert sent["user_properties"] == {"email_address": word}


@pytest.mark.parametrize("is_table", [True, False])
def test_a_damaged_id_is_neither_deleted_nor_stands_for_another_user(blux_emulator: Emulator, is_table: bool) -> None:
    push(blux_emulator, "upsert_users", [{"user_id": "123"}, {"user_id": "nan"}], check_ids=False)
    row = {"user_id": "123.0"}

    with pytest.raises(Exception, match="1 rejected"):
        push(blux_emulator, "delete_users", [TableRow(row) if is_table else row, "123"])
    assert [user for user, _ in blux_emulator.users()] == ["nan"]
    assert push(blux_emulator, "delete_users", ["nan"], check_ids=False).delivered == 1


def test_the_guard_does_not_count_what_will_be_rejected(blux_hook: BluxHook) -> None:
    blux_hook.upsert_users([{"user_id": "1"}])

    with pytest.raises(Exception, match="2 rejected"):
        blux_hook.delete_users(["1", "2.0", "nan"], max_users=1)
    with pytest.raises(BluxGuardError):
        blux_hook.delete_users(["1", "2.0"], max_users=1, check_ids=False)


def test_a_suppression_list_follows_check_ids(blux_hook: BluxHook, tmp_path: Any) -> None:
    path = tmp_path / "suppressed.csv"
    path.write_text("user_id\n123.0\n", "utf-8")
    arguments: dict[str, Any] = {"suppression_path": str(path)}

    with pytest.raises(BluxConfigError, match=r"record 1 of .* cannot be understood .*check_ids=False"):
        blux_hook.upsert_users([{"user_id": "123"}], **arguments)
    report = blux_hook.upsert_users([{"user_id": "123"}, {"user_id": "123.0"}], check_ids=False, **arguments)
    assert (report.suppressed, report.delivered) == (1, 1)

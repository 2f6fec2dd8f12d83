"""Scalars of numpy and pandas in rows are converted to Python values."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from tests.delivery.pushing import held, push
from tests.records.outcomes import Rejected, check, outcome, same_types

USER = RowShape("upsert_users", "application")
SENT: list[tuple[Any, Any]] = [
    (np.int64(5), 5),
    (np.int8(-5), -5),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.bool_(True), True),
    (np.bool_(False), False),
    (np.float64(1.1), 1.1),
    (np.float32(1.1), 1.1),
    (np.float32(1e10), 1e10),
    (np.float16(0.1), 0.1),
    (np.float32(16777216), 16777216.0),
    (np.str_("한글"), "한글"),
    (np.array(5), 5),
    (np.array("2026-01-31", dtype="datetime64[D]"), "2026-01-31"),
    (np.array([1, 2]), [1, 2]),
    (np.array([[1.5, 2], [3, 4]], dtype="float32"), [[1.5, 2.0], [3.0, 4.0]]),
    (np.array(["a", None], dtype=object), ["a", None]),
    (np.array([]), []),
    ([np.int64(1), {"a": np.bool_(True)}], [1, {"a": True}]),
    ({np.str_("k"): np.array([np.float32(1.1)])}, {"k": [1.1]}),
    (np.datetime64("2026-01-31"), "2026-01-31"),
    (np.datetime64("2026-01"), "2026-01-01"),
    (np.datetime64("2026-01-31T09:00"), "2026-01-31T09:00:00"),
    (np.datetime64("2026-01-31T09:00:00.5"), "2026-01-31T09:00:00.500000"),
    (np.datetime64("2026-01-31T09:00:00.123456789", "ns"), "2026-01-31T09:00:00.123456"),
    (np.datetime64("1960-01-01T00:00:00.000000001", "ns"), "1960-01-01T00:00:00"),
    (pd.Timestamp("2026-01-31T09:00:00", tz="Asia/Seoul"), "2026-01-31T09:00:00+09:00"),
    (np.array([pd.Timestamp("2026-01-31")], dtype=object), ["2026-01-31T00:00:00"]),
]
REFUSED: list[tuple[Any, str]] = [
    (np.float32("nan"), "is not a finite number"),
    (np.float64("inf"), "is not a finite number"),
    (np.longdouble("nan"), "is not a finite number"),
    (np.datetime64("NaT", "D"), "is a missing value (NaT); leave it out or send null"),
    (np.datetime64("NaT", "ns"), "is a missing value (NaT)"),
    (np.timedelta64("NaT", "s"), "is a missing value (NaT)"),
    (pd.NaT, "is not a time (NaT); leave it out or send null"),
    (pd.NA, "is a missing value (NA); leave it out or send null"),
    (np.datetime64("12026-01-31"), "is of type datetime64"),
    (np.datetime64(2**62, "s"), "is of type datetime64"),
    (np.timedelta64(5, "ns"), "is of type timedelta64"),
    (pd.Timedelta("1s"), "is of type Timedelta"),
    (np.complex64(1), "is of type complex64"),
    (np.bytes_(b"a"), "decode them to text first"),
    (np.void(b"a"), "is of type void"),
    (np.ma.masked, "is of type MaskedConstant"),
]


@pytest.mark.parametrize(("value", "expected"), SENT, ids=lambda value: type(value).__name__)
def test_numpys_values_are_taken_as_pythons(value: Any, expected: Any) -> None:
    found = USER({"user_id": "u", "p": value})[1]["custom_user_properties"]["p"]

    assert found == expected
    assert same_types(found, expected)


@pytest.mark.parametrize(("value", "words"), REFUSED, ids=lambda value: type(value).__name__)
def test_what_python_has_no_value_for_is_rejected(value: Any, words: str) -> None:
    check(USER, {"user_id": "u", "p": value}, Rejected("p", words))


@pytest.mark.parametrize("name", ["longdouble", "clongdouble"])
def test_a_long_double_is_sent_with_all_its_digits_or_not_at_all(name: str) -> None:
    assert outcome(USER, {"user_id": "u", "p": np.longdouble("1.5")})[1]["custom_user_properties"]["p"] == 1.5
    found = outcome(USER, {"user_id": "u", "p": getattr(np, name)(1) / 3})
    assert isinstance(found, BluxRecordError)


def test_ids_consents_and_times_are_read_through_numpy() -> None:
    assert USER({"user_id": np.int64(5), "marketing_notification_consent": np.bool_(False)})[1] == {
        "user_id": "5",
        "user_properties": {"marketing_notification_consent": False},
    }
    declared = RowShape("upsert_users", "application", Shaping(true_values=[1], false_values=[0]))
    found = declared({"user_id": np.str_("u"), "marketing_notification_consent": np.int64(1)})
    assert found[1]["user_properties"] == {"marketing_notification_consent": True}
    assert type(found[0]) is str
    event = RowShape("send_events", "open", Shaping(naive_timezone="Asia/Seoul", timestamp_unit="s"))
    for moment in (np.datetime64("2026-01-31T09:00", "ns"), pd.Timestamp("2026-01-31T09:00")):
        sent = event({"user_id": np.array(7), "name": np.str_("n"), "timestamp": moment})[1]
        assert sent == {"user_id": "7", "name": "n", "timestamp": "2026-01-31T09:00:00+09:00"}
    sent = event({"user_id": "u", "name": "n", "timestamp": np.int64(1769817600)})[1]
    assert sent["timestamp"] == "2026-01-31T00:00:00+00:00"


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"user_id": np.float64(5)}, "user_id", "is a decimal number"),
        ({"user_id": np.float32(5)}, "user_id", "is a decimal number"),
        ({"user_id": np.bool_(True)}, "user_id", "is a boolean"),
        ({"user_id": np.str_("nan")}, "user_id", "stands for a missing value"),
        ({"user_id": pd.NA}, "user_id", "is missing (NA)"),
        ({"user_id": pd.NaT}, "user_id", "is missing (NaT)"),
        ({"user_id": np.array([1])}, "user_id", "is of type list; an id is text"),
        ({"user_id": "u", "phone_number": np.int64(10)}, "phone_number", "lost its leading zero"),
        ({"user_id": "u", "phone_number": np.float32(10)}, "phone_number", "lost its leading zero"),
        ({"user_id": "u", "marketing_notification_consent": np.int64(1)}, "marketing_notification_consent", "guessed"),
    ],
)
def test_the_same_rules_hold_for_numpys_values(row: Any, field: str, words: str) -> None:
    check(USER, row, Rejected(field, words))


def test_rows_of_numpys_values_arrive(blux_emulator: Emulator) -> None:
    frame = pd.DataFrame({"user_id": [1, 2], "score": np.array([1.1, 2.5], dtype="float32"), "is_vip": [True, False]})
    rows = [{name: frame[name].iloc[index] for name in frame} for index in range(2)]

    push(blux_emulator, "upsert_users", rows)
    assert held(blux_emulator) == {"1": {"score": 1.1, "is_vip": True}, "2": {"score": 2.5, "is_vip": False}}
    assert push(blux_emulator, "delete_users", list(frame["user_id"])).delivered == 2


@pytest.mark.slow
def test_numpy_is_not_imported_for_it() -> None:
    code = (
        "import sys\nfrom airflow_provider_blux.records.shapes import RowShape\n"
        "RowShape('upsert_users', 'application')({'user_id': 'u', 'a': [1.5, True, None]})\n"
        "assert not {'numpy', 'pandas', 'phonenumbers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - the interpreter of this test

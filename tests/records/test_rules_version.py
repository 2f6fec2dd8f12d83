"""``RULES_VERSION`` must be raised if another record is sent for the same row.

A snapshot compares rows before they become records. So the rules must turn an unchanged row into the same record as
before. All rows below are shaped and encoded; the digest of the results is stored here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_blux.api.endpoints import Api, Operation
from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.records.encoding import encode
from airflow_provider_blux.records.fields import STANDARD_FIELDS
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RULES_VERSION, RowShape

HELD = (7, "cbc79934a7a92a1f8ac76dc4494cfee4")


class Grade(Enum):
    GOLD = "gold"


VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**53 + 1, 2**70, 0.5, 1.0, -0.0, 1e300, math.nan, math.inf),
    *("", " ", "a", " a ", "true", "TRUE", "false", "Y", "1", "0", "nan", "None", "NULL", "123.0", "1.2E+11", "00123"),
    *("1012345678", " 01012345678", "\u202a01012345678", '="00123"', "'00123"),
    *("010-1234-5678", "+82 10-1234-5678", "01012345678", "a@example.com", "A@EXAMPLE.COM", "not an address"),
    *("가", "\u1100\u1161", "\u200b", "a\nb", "\x00", "\ud800", "👩‍👧", "x" * 5_000),
    *(date(2026, 1, 31), time(9, 30), datetime(2026, 1, 31, 9), datetime(2026, 1, 31, 9, 0, 0, 1, UTC)),  # noqa: DTZ001
    *("2026-01-31", "2026-01-31T09:00:00", "2026-01-31T09:00:00Z", "2026-01-31T09:00:00.5+09:00", 1_769_817_600),
    "2026-01-31 09:00:00+09:00",
    *(Decimal("1"), Decimal("1.10"), Decimal("NaN"), UUID(int=1), Grade.GOLD, b"bytes"),
    *([], [1, "a", None], {}, {"a": 1, "b": None}, {"a": {"b": [1.5, Decimal("0.1")]}}, {1: "a"}, (1, 2), {1, 2}),
]
USER_COLUMNS = [
    *("user_id", *sorted(STANDARD_FIELDS), "grade", "Grade", " grade", "Phone_Number", "email-address", "timestamp"),
    "",
    *("properties", "user_properties", "custom_user_properties"),
]
DEVICE_COLUMNS = ["device_id", "user_id", "platform", "token", "app_local_id", "os_version", "properties", "Token", ""]
SHAPINGS: list[dict[str, Any]] = [
    {},
    {"send_nulls": True},
    {"naive_timezone": "Asia/Seoul"},
    {"true_values": ["Y", 1], "false_values": ["N", 0]},
]
OF_USERS: list[dict[str, Any]] = [
    {"field_mapping": {"grade": "email_address", "mobile": "phone_number"}},
    {"exclude_fields": ["consents", "grade"]},
]
OF_DEVICES: list[dict[str, Any]] = [{"field_mapping": {"os_version": "token"}}]
KINDS: list[tuple[Operation, Api, str, list[str]]] = [
    ("upsert_users", "application", "user_id", USER_COLUMNS),
    ("upsert_users", "open", "user_id", USER_COLUMNS),
    ("update_devices", "open", "device_id", DEVICE_COLUMNS),
]


def outcomes() -> Iterator[bytes]:
    """Yield the record for each row; an empty value for a rejected row, for any reason."""
    for operation, api, key, columns in KINDS:
        for arguments in [*SHAPINGS, *(OF_USERS if operation == "upsert_users" else OF_DEVICES)]:
            shape = RowShape(operation, api, Shaping(**arguments))
            for row in rows(key, columns):
                try:
                    yield encode(shape(row))
                except BluxError:
                    yield b""


def rows(key: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield rows with each value in each column, and in each group that holds columns."""
    for value in VALUES:
        for column in columns:
            yield {key: "u", column: value}
            yield {key: "u", "grade": "gold", "phone_number": "01012345678", "mobile": "01000000000", column: value}
            for group in ("properties", "user_properties", "custom_user_properties"):
                yield {key: "u", group: {column: value}}


@pytest.mark.timeout(120)  # `make mutants` allows a test 10 seconds, which its slower code exceeds here
def test_what_is_sent_for_a_row_has_a_version() -> None:
    digest, sent = blake2b(digest_size=16), []
    for outcome in outcomes():
        digest.update(len(outcome).to_bytes(4) + outcome)
        sent.append(bool(outcome))

    assert len(sent) > 50_000
    assert sum(sent) > len(sent) / 4
    found = (RULES_VERSION, digest.hexdigest())
    assert found == HELD, (
        "Something else is sent for a row than before. Raise RULES_VERSION (records/shapes.py), so that a snapshot "
        "does not take such a row for unchanged, and put the new version and digest into HELD."
    )

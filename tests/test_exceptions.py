"""The name of a field in an error: it is redacted, because keys of an object may be personal values."""

from __future__ import annotations

import time

import pytest

from airflow_provider_blux.exceptions import BluxRecordError


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("user_properties.phone_number", "user_properties.phone_number"),
        ("family.01012345678.kim@example.com", "family.***.***"),
        ("family.010-1234-5678", "family.***"),
        ("family.1 234 56@example.com", "family.***"),
        ("sent to kim@example.com yesterday", "sent to *** yesterday"),
        ("kim12345@example.com", "***"),
        ("@@@@", "***"),
        ("grade_2026", "grade_2026"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 99 + "…"),
        ("x" * 97 + "@example.com", "***"),
        ("x " * 45 + "john_doe_of_seoul@example.com", "x " * 45 + "***"),
        ("x" * 97 + "010-1234-5678", "x" * 97 + "***"),
    ],
)
def test_of_a_field_neither_an_address_nor_a_long_number_nor_more_than_a_hundred_characters_is_shown(
    field: str, shown: str
) -> None:
    error = BluxRecordError(field, "is too long")

    assert error.field == shown
    assert str(error) == f"{shown}: is too long"


def test_an_error_of_the_whole_record_names_no_field() -> None:
    error = BluxRecordError(None, "the record is empty")

    assert (error.field, str(error)) == (None, "the record is empty")


@pytest.mark.parametrize("name", ["x", "x.", "x ", "1 1 1 1 x ", "@ ", "@", "1", "(1"])
def test_a_name_of_64_000_characters_costs_little_cpu(name: str) -> None:
    started = time.thread_time()

    error = BluxRecordError(name * (64_000 // len(name)), "is too long")

    assert time.thread_time() - started < 0.5
    assert len(str(error)) < 150

"""The outcome of a row: the record that is sent, or the reason for a reject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError

HALF = "\ud83d"


@dataclass(frozen=True)
class Rejected:
    """An expectation: the field at fault, and words that the reason contains."""

    field: str | None
    words: str


def outcome(shape: Callable[[Any], Any], row: Any) -> Any:
    try:
        return shape(row)
    except BluxRecordError as error:
        return error


def check(shape: Callable[[Any], Any], row: Any, expected: Any) -> None:
    found = outcome(shape, row)
    if isinstance(expected, Rejected):
        assert isinstance(found, BluxRecordError), found
        assert found.field == expected.field
        assert expected.words in found.reason
    else:
        assert found == expected
        assert same_types(found, expected)


def same_types(found: Any, expected: Any) -> bool:
    """Return whether equal values have the same types; 1, True and 1.0 are equal, but of different types."""
    if isinstance(expected, dict):
        return all(same_types(found[key], item) for key, item in expected.items())
    if isinstance(expected, list | tuple):
        return all(map(same_types, found, expected))
    return type(found) is type(expected)


def kind(value: Any) -> str:
    """Name a test case by the type of its value, since the values are unsuitable for names of tests."""
    return type(value).__name__

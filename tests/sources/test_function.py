"""Records that a function returns or yields."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.function import FunctionSource

USERS = [{"user_id": "a"}, {"user_id": "b"}]


def read(function: Callable[[], Any]) -> list[Any]:
    return list(FunctionSource(function, "send"))


def generator() -> Iterator[dict[str, str]]:
    yield from USERS


def frames() -> Iterator[pd.DataFrame]:
    yield pd.DataFrame(USERS[:1])
    yield pd.DataFrame(USERS[1:])


@pytest.mark.parametrize(
    "function",
    [
        lambda: USERS,
        lambda: tuple(USERS),
        lambda: iter(USERS),
        lambda: (user for user in USERS),
        {user["user_id"]: user for user in USERS}.values,
        lambda: map(dict, USERS),
        generator,
        lambda: pd.DataFrame(USERS),
        lambda: pl.DataFrame(USERS),
        lambda: pa.Table.from_pylist(USERS),
        lambda: '[{"user_id": "a"}, {"user_id": "b"}]',
        frames,
        lambda: [pl.DataFrame(USERS[:1]), USERS[1]],
    ],
    ids=[
        *("list", "tuple", "iterator", "expression", "view", "map", "generator", "pandas", "polars", "pyarrow", "JSON"),
        *("frames yielded", "a frame in a list"),
    ],
)
def test_what_a_function_may_return_or_yield(function: Callable[[], Any]) -> None:
    assert read(function) == USERS


@pytest.mark.parametrize(
    "function", [list, tuple, lambda: "[]", pd.DataFrame, lambda: iter(()), set], ids=lambda value: "nothing"
)
def test_nothing_is_no_records(function: Callable[[], Any]) -> None:
    assert read(function) == []


def test_a_row_of_a_database_is_one_record_and_not_an_id_for_each_column() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        cursor = database.execute("SELECT 'u-1', 'u-2'")

        assert read(lambda: cursor) == [("u-1", "u-2")]
    assert read(lambda: [["u-1", "u-2"], ["u-3", "u-4"]]) == [["u-1", "u-2"], ["u-3", "u-4"]]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        ({"user_id": "john@example.com"}, "dict"),
        ('{"user_id": "john@example.com"}', "dict"),
        ('"john@example.com"', "str"),
        ("5", "int"),
        (b"[]", "bytes"),
        (bytearray(b"[]"), "bytearray"),
        pytest.param(memoryview(b"[]"), "memoryview", id="memoryview"),
        (5, "int"),
        (Path("/data/john@example.com.csv"), "PosixPath"),
        (pd.Timestamp("2026-01-31"), "Timestamp"),
    ],
    ids=str,
)
def test_anything_else_is_refused_and_what_is_accepted_is_named(value: Any, kind: str) -> None:
    with pytest.raises(BluxConfigError) as raised:
        read(lambda: value)

    assert str(raised.value).startswith(f"send() returned a value of type {kind}. It must return or yield records: ")
    assert "use the operator, with path or sql" in str(raised.value)
    assert "john" not in str(raised.value)


def test_a_path_is_not_taken_for_records() -> None:
    with pytest.raises(BluxSourceError, match=r"send\(\) returned text that is not JSON\. It must return or") as raised:
        read(lambda: "s3://exports/john@example.com.csv")

    assert "john" not in str(raised.value)


def test_a_function_is_called_each_time_that_its_records_are_read() -> None:
    calls: list[int] = []

    def function() -> list[int]:
        calls.append(len(calls))
        return [len(calls)]

    source = FunctionSource(function, "send")

    assert calls == []
    assert [list(source), list(source)] == [[1], [2]]


def test_what_a_function_raises_is_passed_on_as_it_is() -> None:
    error = LookupError("of the function")

    def function() -> Iterator[str]:
        yield "a"
        raise error

    records = iter(FunctionSource(function, "send"))

    assert next(records) == "a"
    with pytest.raises(LookupError) as raised:
        next(records)
    assert raised.value is error


@pytest.mark.parametrize("read_again", [False, True])
def test_a_function_that_is_left_half_way_closes_what_it_has_opened(read_again: bool) -> None:
    events: list[str] = []

    def function() -> Iterator[str]:
        events.append("opened")
        try:
            yield from "abc"
        finally:
            events.append("closed")

    source = FunctionSource(function, "send")
    records = iter(source)
    next(records)
    if read_again:
        next(again := iter(source))
        assert events == ["opened", "closed", "opened"]
        del again
    source.close()

    assert events == ["opened", "closed"] * (1 + read_again)


def test_closing_leaves_alone_what_a_function_returned_for_others_to_use(tmp_path: Path) -> None:
    with (tmp_path / "ids.txt").open("w+", encoding="utf-8") as file:
        source = FunctionSource(lambda: [file], "send")
        next(iter(source))
        source.close()

        assert not file.closed


class Cursor(Iterator[str]):
    """A cursor whose database server has gone away."""

    def __next__(self) -> str:
        raise StopIteration

    def close(self) -> None:
        raise ConnectionError("010-0000-0001 was read last")


def test_what_cannot_be_closed_is_told_by_its_kind_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    source = FunctionSource(Cursor, "send")
    assert list(source) == []
    source.close()

    assert caplog.messages == ["send() could not be closed (ConnectionError)."]

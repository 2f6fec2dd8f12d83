"""The digest by which a later try knows the source again."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.delivery.fingerprint import Fingerprint
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.line import Line


def digest(*steps: list[Any]) -> str:
    fingerprint = Fingerprint()
    for rows in steps:
        fingerprint.add(rows)
    return fingerprint.value()


ROW = {"user_id": "1", "a": 1, "b": None}


@pytest.mark.parametrize(
    "other",
    [
        {**ROW, "user_id": 1},
        {**ROW, "a": 2},
        {**ROW, "a": 1.0},
        {**ROW, "a": True},
        {**ROW, "a": "1"},
        {**ROW, "b": ""},
        {**ROW, "b": math.nan},
        {**ROW, "b": 2**70},
        {**ROW, "b": "half a character: \ud800"},
        {"user_id": "1", "a": 1},
        {**ROW, "c": None},
        BluxRecordError(None, "line 1 is not JSON"),
        "1",
        None,
    ],
    ids=repr,
)
def test_another_row_has_another_digest(other: Any) -> None:
    assert digest([other]) != digest([ROW])
    assert digest([ROW, other]) != digest([ROW, ROW])


def test_a_line_is_what_is_written_in_it() -> None:
    line = Line(b'{"a":1}\n', 1, "a file")

    assert digest([line]) == digest([Line(line.text, 2, "another file")])
    assert digest([line]) != digest([Line(b'{"a":2}\n', 1, "a file")])
    assert digest([line, ROW]) != digest([ROW, line])


def test_the_order_of_rows_counts() -> None:
    first, second = {"a": 1, "b": 2}, {"a": 3}

    assert digest([first, second]) != digest([second, first])


def test_a_later_try_digests_in_order_from_where_the_first_one_did() -> None:
    rows = [{"b": number, "a": 1} for number in range(6)]
    first, second, without = Fingerprint(), Fingerprint(orderly_from=2), Fingerprint()
    first.add(rows[:2])
    first.add(rows[2:4], has_rejects=True)
    first.add(rows[4:])
    second.add(rows)
    without.add(rows)

    assert first.orderly_from == 2
    assert first.value() == second.value() != without.value()


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),  # lone surrogates too
    st.binary(),
    st.decimals(),
    st.datetimes(),
    st.dates(),
    st.uuids(),
    st.frozensets(st.text(max_size=2)),
    st.builds(object),
)
lines = st.builds(Line, st.binary(max_size=5), st.integers(1, 9), st.just("a file"))
rows = st.lists(st.dictionaries(st.text(max_size=3), cells, max_size=3) | cells | lines, max_size=8)


@given(rows=rows, cut=st.integers(0, 8))
def test_it_does_not_matter_in_how_many_steps_rows_are_added(rows: list[Any], cut: int) -> None:
    assert digest(rows) == digest(rows[:cut], rows[cut:]) == digest(*[[row] for row in rows])


def test_a_nesting_without_end_is_a_row_as_well() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert digest([endless]) == digest([endless]) != digest([[]])


TYPES = """
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from airflow_provider_blux.delivery.fingerprint import Fingerprint

class Own: pass

fingerprint = Fingerprint()
row = {"a": {"x", "y", "z"}, "b": Own(), "c": Decimal("1.50"), "d": UUID(int=7)}
fingerprint.add([row, datetime(2026, 1, 31, tzinfo=UTC)], has_rejects=True)
print(fingerprint.value())
"""


def test_another_process_has_the_same_digest() -> None:
    said = {
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", TYPES], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(said) == 1


def test_a_number_of_a_database_a_date_and_a_uuid_are_their_text() -> None:
    moment = datetime(2026, 1, 31, 9, tzinfo=UTC).replace(tzinfo=None)

    assert digest([{"a": Decimal("1.50"), "b": UUID(int=7), "c": moment}]) == digest(
        [{"a": "1.50", "b": str(UUID(int=7)), "c": moment.isoformat()}]
    )
    assert digest([moment.replace(tzinfo=UTC)]) != digest([moment])


@pytest.mark.parametrize("length", [15, 16, 65_535, 65_536])
def test_a_list_of_any_length_is_no_more_than_its_rows(length: int) -> None:
    found = [number % 7 for number in range(length)]

    assert digest(found) == digest(found[:1], found[1:9], found[9:])

"""A record that is encoded at once is the one that the exact shape makes."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.records.encoded import Encoded
from airflow_provider_blux.records.known import CONSENTS, KNOWN
from airflow_provider_blux.records.shapes import (
    FIELDS,
    encoded_merge_of,
    encoded_shape_of,
    merge_of,
    shape_of,
)
from airflow_provider_blux.records.shaping import Shaping
from airflow_provider_blux.sources.rows import LineRow, TableRow
from tests.records.outcomes import HALF, same_types
from tests.records.test_invariants import any_text, anything, repeatable, scalars
from tests.records.test_invariants import rows as any_rows

Encoder = Callable[[Any], tuple[str, Any]]
KINDS = sorted(kind for kind in FIELDS if kind[0] != "delete_users")


class Grade(enum.StrEnum):
    GOLD = "gold"


class Level(enum.IntEnum):
    TOP = 3


class Text(str):
    __slots__ = ()


usual = st.one_of(st.text(st.characters(codec="utf-8"), max_size=6), st.integers(-9, 9), st.booleans(), st.none())
odd = st.one_of(
    scalars,
    anything,
    st.integers(-(2**70), 2**70),
    st.sampled_from([Grade.GOLD, Level.TOP, Text("gold"), HALF, "Y", "true", 1, 0, 1.0, float("nan"), [], {}]),
)
shapings = st.builds(
    Shaping,
    true_values=st.sampled_from([(), ("Y", 1)]),
    send_nulls=st.booleans(),
    exclude_fields=st.sampled_from([(), "consents", ("grade", "phone_number")]),
    field_mapping=st.sampled_from([{}, {"grade": "email_address"}]),
)
columns = st.lists(
    st.one_of(
        st.sampled_from([*KNOWN, "grade", "timestamp", "properties", "user_properties", "token"]),
        st.text(st.characters(codec=None), max_size=4),
    ),
    unique=True,
    max_size=6,
)
makers = st.sampled_from([dict, TableRow, LineRow])


@st.composite
def tables(draw: st.DrawFn) -> list[Any]:
    """Rows that have the same columns, and in them now and then a value of another kind."""
    names, make = ["user_id", *draw(columns)], draw(makers)
    if draw(st.booleans()):
        names[0] = draw(st.sampled_from(["device_id", "name", "USER_ID"]))
    values = st.one_of(usual, usual, usual, odd)
    ids = st.one_of(st.text("ab", min_size=1, max_size=2), st.integers(1, 9), odd)
    found = draw(st.lists(st.tuples(ids, *(values for _ in names[1:])), min_size=1, max_size=5))
    return [make(zip(names, row, strict=True)) for row in found]


def result(shape: Callable[[Any], Any], row: Any) -> Any:
    try:
        return shape(row)
    except BluxError as error:
        return type(error), vars(error), str(error)


def check(encoded: Encoder, exact: Encoder, row: Any) -> None:
    found, expected = result(encoded, row), result(exact, row)
    if len(expected) == 2:
        assert found[0] == expected[0]
        assert type(found[0]) is str
        record = json.loads(bytes(found[1]))
        assert record == expected[1]
        assert same_types(record, expected[1])
    else:
        assert found == expected


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@given(table=tables(), shaping=shapings)
@repeatable
def test_rows_of_a_table_become_what_the_exact_shape_makes_of_each(kind: Any, table: Any, shaping: Any) -> None:
    try:
        encoded, exact = encoded_shape_of(*kind, shaping), shape_of(*kind, shaping)
    except BluxError:  # it has no field that the mapping names
        return
    for row in table:
        check(encoded, exact, row)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@given(found=st.lists(any_rows, max_size=5))
@repeatable
def test_any_rows_become_what_the_exact_shape_makes_of_each(kind: Any, found: list[Any]) -> None:
    encoded, exact = encoded_shape_of(*kind), shape_of(*kind)
    for row in found:
        check(encoded, exact, row)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if merge_of(kind[0])], ids="-".join)
@given(first=st.dictionaries(any_text, usual, max_size=4), second=st.dictionaries(any_text, usual, max_size=4))
@repeatable
def test_two_records_become_the_one_that_the_exact_shapes_become(kind: Any, first: Any, second: Any) -> None:
    key = FIELDS[kind].required[0]
    shape, encoded_shape = shape_of(*kind), encoded_shape_of(*kind)
    merge, encoded_merge = merge_of(kind[0]), encoded_merge_of(kind[0])
    assert merge
    assert encoded_merge
    try:
        pair = [shape({**row, key: "u"})[1] for row in (first, second)]
    except BluxError:
        return
    found = encoded_merge(*(encoded_shape({**row, key: "u"})[1] for row in (first, second)))

    assert json.loads(bytes(found)) == merge(*pair)


def user(**columns: Any) -> dict[str, Any]:
    return {"user_id": "u", "phone_number": "010", CONSENTS[0]: True, "grade": "gold", "points": 3, **columns}


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({}, {"grade": "은", "points": -1, CONSENTS[0]: None, "phone_number": None}),
        ({"points": 1.5}, {"points": 2.5}),
        ({"points": [1, {"a": None}]}, {"points": ["x"], "grade": 7}),
        ({CONSENTS[0]: "true"}, {CONSENTS[0]: "FALSE"}),
    ],
)
def test_the_exact_shape_is_asked_about_the_first_rows_only(first: dict[str, Any], later: dict[str, Any]) -> None:
    asked = []

    def exact(row: Any) -> tuple[str, Any]:
        asked.append(row)
        return shape_of("upsert_users", "application")(row)

    encoded = Encoded(
        exact,
        own={"user_id"},
        nested=(),
        group="custom_user_properties",
        known_group="user_properties",
        checks=Shaping().known,
        excluded=(),
        nulls=False,
    )
    encoded(user())
    encoded(user(**first))
    asked.clear()
    check(encoded, shape_of("upsert_users", "application"), user(**later))

    assert asked == []

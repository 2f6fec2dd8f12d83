"""A record that is encoded at once is the one that the exact shape makes."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRecordError
from airflow_provider_blux.line import Line, parsed
from airflow_provider_blux.records.encoded import Encoded, ids
from airflow_provider_blux.records.fields import CONSENTS, KNOWN
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import (
    FIELDS,
    encoded_merge_of,
    encoded_shape_of,
    merge_of,
    shape_of,
)
from airflow_provider_blux.sources.rows import LineRow, TableRow
from tests.records.outcomes import HALF, same_types
from tests.records.test_invariants import any_text, anything, repeatable, scalars
from tests.records.test_invariants import rows as any_rows

Exact = Callable[[Any], tuple[str, Any]]
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


def result(shape: Exact, row: Any) -> Any:
    try:
        return shape(row)
    except BluxError as error:
        return error


def check(found: Any, expected: Any) -> None:
    if isinstance(expected, BluxError):
        assert (type(found), vars(found), str(found)) == (type(expected), vars(expected), str(expected))
        return
    assert found[0] == expected[0]
    assert type(found[0]) is str
    record = found[1] if isinstance(found[1], str) else json.loads(bytes(found[1]))
    assert record == expected[1]
    assert same_types(record, expected[1])


def check_all(kind: Any, rows: list[Any], shaping: Shaping) -> None:
    encoded, exact = encoded_shape_of(*kind, shaping), shape_of(*kind, shaping)
    expected = [(row, result(exact, row)) for row in rows]
    # The fault of a table as a whole stops all that is read with it.
    if faults := {str(wanted) for _, wanted in expected if isinstance(wanted, BluxConfigError)}:
        with pytest.raises(BluxConfigError) as caught:
            encoded(rows)
        assert str(caught.value) in faults
        expected = [(row, wanted) for row, wanted in expected if not isinstance(wanted, BluxConfigError)]
    for found, (_, wanted) in zip(encoded([row for row, _ in expected]), expected, strict=True):
        check(found, wanted)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@given(table=tables(), other=tables(), shaping=shapings)
@repeatable
def test_rows_of_tables_become_what_the_exact_shape_makes_of_each(
    kind: Any, table: Any, other: Any, shaping: Shaping
) -> None:
    try:
        shape_of(*kind, shaping)
    except BluxConfigError:  # it has no field that the mapping names
        return
    mixed = [row for pair in zip_longest(table, other) for row in pair if row is not None]

    check_all(kind, mixed, shaping)
    check_all(kind, table, shaping)


@pytest.mark.parametrize("kind", [*KINDS, ("delete_users", "application")], ids="-".join)
@given(found=st.lists(any_rows, max_size=5))
@repeatable
def test_any_rows_become_what_the_exact_shape_makes_of_each(kind: Any, found: list[Any]) -> None:
    check_all(kind, found, Shaping())


@st.composite
def written(draw: st.DrawFn, table: list[Any]) -> list[bytes]:
    """The rows of a table as lines of JSON, in one order of the columns or another, some of them missing or twice."""
    found = []
    for row in table:
        items = draw(st.permutations([*row.items()])) if draw(st.booleans()) else [*row.items()]
        if items and draw(st.integers(0, 4)) == 0:
            items = draw(st.sampled_from([items[1:], items[:-1], [*items, ("more", 1)], [*items, (items[0][0], None)]]))
        members = [f"{json.dumps(name)}:{json.dumps(value, default=str)}" for name, value in items]
        line = "{" + ",".join(members) + "}"
        if draw(st.integers(0, 9)) == 0:
            line = draw(st.sampled_from([line[:-1], f"{line}{line}", "{" + line, f"{line} \x0b", "{}", f"{line} \t"]))
        found.append(line.encode())
    return found


@pytest.mark.parametrize("kind", [*KINDS, ("delete_users", "application")], ids="-".join)
@given(data=st.data(), table=tables(), shaping=shapings)
@repeatable
def test_lines_become_what_the_exact_shape_makes_of_their_records(
    kind: Any, data: st.DataObject, table: Any, shaping: Shaping
) -> None:
    try:
        encoded, exact = encoded_shape_of(*kind, shaping), shape_of(*kind, shaping)
    except BluxConfigError:  # it has no field that the mapping names
        return
    try:
        texts = data.draw(written(table))
    except (ValueError, TypeError):  # what JSON cannot carry
        return
    lines = [Line(text, number, "a file") for number, text in enumerate(texts, 1)]
    for _ in range(2):  # what was learnt of the first time must not change the second
        for found, line in zip(encoded(lines), lines, strict=True):
            row = parsed(line)
            check(found, row if isinstance(row, BluxRecordError) else result(exact, row))


@given(
    ids=st.lists(st.one_of(st.text("aé한 \u2028", max_size=3), st.integers(), odd), max_size=4), is_flat=st.booleans()
)
@repeatable
def test_ids_become_what_the_exact_shape_makes_of_each(ids: list[Any], is_flat: bool) -> None:
    rows = ids if is_flat else [{"user_id": user_id} for user_id in ids]

    check_all(("delete_users", "application"), rows, Shaping())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if merge_of(kind[0])], ids="-".join)
@given(first=st.dictionaries(any_text, usual, max_size=4), second=st.dictionaries(any_text, usual, max_size=4))
@repeatable
def test_two_records_become_the_one_that_the_exact_ones_become(kind: Any, first: Any, second: Any) -> None:
    key, exact = FIELDS[kind].required[0], shape_of(*kind)
    merge, encoded_merge = merge_of(kind[0]), encoded_merge_of(kind[0])
    assert merge
    assert encoded_merge
    pair = [{**row, key: "u"} for row in (first, second)]
    expected = [result(exact, row) for row in pair]
    if any(isinstance(one, BluxError) for one in expected):
        return
    found = encoded_merge(*(record for _, record in encoded_shape_of(*kind)(pair)))

    assert json.loads(bytes(found)) == merge(*(record for _, record in expected))


class Asked:
    """The exact shape of an operation, which notes what it is asked."""

    def __init__(self, operation: str = "upsert_users") -> None:
        self._operation = operation
        self.rows: list[Any] = []

    def __call__(self, row: Any) -> tuple[str, Any]:
        self.rows.append(row)
        return shape_of(self._operation, "application")(row)


def encoded_by(exact: Exact) -> Encoded:
    return Encoded(
        exact,
        own={"user_id"},
        nested=(),
        group="custom_user_properties",
        known_group="user_properties",
        checks=Shaping().known,
        excluded=(),
        nulls=False,
    )


def user(**columns: Any) -> dict[str, Any]:
    return {"user_id": "u", "phone_number": "010", CONSENTS[0]: True, "grade": "gold", "points": 3, **columns}


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({}, {"grade": "은", "points": -1, CONSENTS[0]: None, "phone_number": None}),
        ({"points": 1.5}, {"points": 2.5}),
        ({"points": [1, {"a": None}]}, {"points": ["x"], "grade": 7}),
        ({CONSENTS[0]: "true"}, {CONSENTS[0]: "FALSE"}),
        ({"user_id": 7}, {"user_id": 8}),
    ],
)
def test_the_exact_shape_is_asked_about_the_first_rows_only(first: dict[str, Any], later: dict[str, Any]) -> None:
    asked = Asked()
    encoded = encoded_by(asked)
    encoded([user(), user(**first)])
    asked.rows.clear()
    [found] = encoded([user(**later)])

    assert asked.rows == []
    check(found, shape_of("upsert_users", "application")(user(**later)))


@pytest.mark.parametrize("column", [CONSENTS[0], "phone_number", "grade"])
def test_half_a_character_is_rejected_in_any_column_and_the_rest_is_not(column: str) -> None:
    rows = [user(), user(**{column: HALF}), user()]
    exact = shape_of("upsert_users", "application")

    for found, row in zip(encoded_by(exact)(rows), rows, strict=True):
        check(found, result(exact, row))


@pytest.mark.parametrize("row", [{"user_id": "u"}, {"user_id": "u", "since": 3}, {"user_id": 7}], ids=repr)
@pytest.mark.parametrize("is_line", [False, True])
def test_the_exact_shape_is_not_asked_about_plain_ids(row: dict[str, Any], is_line: bool) -> None:
    asked = Asked("delete_users")

    assert ids(asked, "user_id", [line_of(row) if is_line else row] * 3) == [(str(row["user_id"]),) * 2] * 3
    assert asked.rows == []


def line_of(row: Any, number: int = 1) -> Line:
    return Line(json.dumps(row).encode(), number, "a file")


@pytest.mark.parametrize(
    "later",
    [{"grade": "은", "points": -1}, {CONSENTS[0]: None}, {"points": 2.5, "grade": "😀"}],
    ids=["other values", "a null", "a float"],
)
def test_of_lines_the_exact_shape_is_asked_about_the_first_ones_only(later: dict[str, Any]) -> None:
    asked = Asked()
    encoded = encoded_by(asked)
    encoded([line_of(user()), line_of(user(points=1.5))])
    asked.rows.clear()
    rows = [user(), user(**later), dict(reversed(user(user_id="v").items())), {"user_id": "w", "grade": "silver"}]
    found = encoded([line_of(row) for row in rows])

    assert asked.rows == []
    for shaped, row in zip(found, rows, strict=True):
        check(shaped, shape_of("upsert_users", "application")(row))


def test_rows_that_need_a_closer_look_cost_the_others_nothing() -> None:
    asked = Asked()
    encoded = encoded_by(asked)
    rows = [user(user_id=str(number)) for number in range(100)]
    encoded(rows)
    asked.rows.clear()
    rows[37]["user_id"] = " 37"
    rows[73]["grade"] = "\ud83d"
    found = encoded(rows)

    assert asked.rows == [rows[37], rows[73]]
    assert [number for number, shaped in enumerate(found) if isinstance(shaped, BluxRecordError)] == [37, 73]

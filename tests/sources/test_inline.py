"""Records from values: lists, outputs of mapped tasks, JSON text."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any, overload
from uuid import UUID

import pytest

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.sources.function import FunctionSource
from airflow_provider_blux.sources.inline import InlineSource


class LazyXComOutputs(Sequence[Any]):
    """A mapped task's outputs as Airflow passes them: each item and each slice costs one request."""

    def __init__(self, outputs: list[Any]) -> None:
        self._outputs = outputs
        self.slices = 0
        self.items = 0

    def __len__(self) -> int:
        return len(self._outputs)

    @overload
    def __getitem__(self, key: int) -> Any: ...

    @overload
    def __getitem__(self, key: slice) -> list[Any]: ...

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            self.slices += 1
        else:
            self.items += 1
        return self._outputs[key]


class Mapped(Sequence[Any]):
    """The value of ``XComArg.map``: slicing it does not slice the items that it yields."""

    def __init__(self, values: Sequence[Any], call: Callable[[Any], Any] = lambda item: item) -> None:
        self._values = values
        self._call = call

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, key: Any) -> Any:
        return self._call(self._values[key])


def rows() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "records"),
    [
        ([], []),
        ((), []),
        ([{"user_id": "a"}, {"user_id": "b"}], [{"user_id": "a"}, {"user_id": "b"}]),
        (({"user_id": "a"},), [{"user_id": "a"}]),
        (["a", 1, None], ["a", 1, None]),
        ([["a", "b"], ["c"], []], ["a", "b", "c"]),
        ([("a",), "c"], ["a", "c"]),
        ([("a", "b"), (1, None), "c"], [("a", "b"), (1, None), "c"]),
        ([(UUID(int=1), UUID(int=2))], [(UUID(int=1), UUID(int=2))]),
        ([(UUID(int=1), {"of": "jsonb"})], [(UUID(int=1), {"of": "jsonb"})]),
        ([({"user_id": "a"}, {"user_id": "b"})], [{"user_id": "a"}, {"user_id": "b"}]),
        (LazyXComOutputs([("a", "b"), "c"]), ["a", "b", "c"]),
        ([["a", ["b"]]], ["a", ["b"]]),
        ([[["a"]]], [["a"]]),
        ('[{"user_id": "a"}, {"user_id": "b"}]', [{"user_id": "a"}, {"user_id": "b"}]),
        ('["a", ["b", "c"]]', ["a", "b", "c"]),
        (" [ ]\n", []),
        ('["고객"]', ["고객"]),
        (LazyXComOutputs([{"user_id": "a"}, [{"user_id": "b"}], []]), [{"user_id": "a"}, {"user_id": "b"}]),
        (Mapped([1, [2, 3], 4]), [1, 2, 3, 4]),
        (Mapped([("a", "b"), "c"]), [("a", "b"), "c"]),
        (Mapped([({"user_id": "a"}, {"user_id": "b"})]), [{"user_id": "a"}, {"user_id": "b"}]),
        (Mapped(LazyXComOutputs([["a", "b"], "c"])), ["a", "b", "c"]),
        ([Mapped(["a", "b"]), LazyXComOutputs(["c"]), "d"], ["a", "b", "c", "d"]),
    ],
)
def test_a_list_inside_the_list_is_flattened_one_level(value: Any, records: list[Any]) -> None:
    source = InlineSource(value, "users")

    assert list(source) == records
    assert list(source) == records, "a source can be read more than once"


@pytest.mark.parametrize(
    "read", [lambda value: InlineSource(value, "users"), lambda value: FunctionSource(lambda: value, "f")]
)
def test_an_index_error_of_a_mapped_function_is_not_taken_for_the_end(read: Any) -> None:
    first_of_each = Mapped([["a"], [], ["c"]], lambda item: item[0])

    with pytest.raises(IndexError):
        list(read(first_of_each))


def test_the_outputs_of_a_mapped_task_are_fetched_by_the_hundred_after_the_first() -> None:
    outputs = LazyXComOutputs([[n] for n in range(250)])

    assert list(InlineSource(outputs, "users")) == list(range(250))
    assert (outputs.slices, outputs.items) == (4, 0)


def test_large_outputs_of_a_mapped_task_are_fetched_a_few_at_a_time() -> None:
    outputs = LazyXComOutputs([list(range(4000))] * 9)

    assert sum(1 for _ in InlineSource(outputs, "users")) == 36_000
    assert outputs.slices == 1 + 4


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ([], 0),
        (["a", {"user_id": "b"}, None], 3),
        (({"user_id": "a"},), 1),
        ([["a", "b"], "c", []], 3),
        ('["a", "b"]', 2),
        (LazyXComOutputs(["a"]), 0),
        ([Mapped(["a", "b"]), "c"], 3),
    ],
)
def test_the_number_of_records_is_known_unless_they_must_be_fetched(value: Any, length: int) -> None:
    assert len(InlineSource(value, "users")) == length


def test_a_list_is_not_copied() -> None:
    records = [{"user_id": "a"}]

    assert next(iter(InlineSource(records, "users"))) is records[0]


def test_no_more_is_fetched_than_is_asked_for() -> None:
    outputs = LazyXComOutputs(list(range(1000)))

    source = InlineSource(outputs, "users")
    assert outputs.slices == 0
    assert next(iter(source)) == 0
    assert outputs.slices == 1


def test_none_says_that_the_upstream_task_returned_nothing() -> None:
    for value in (None, "null"):
        with pytest.raises(BluxConfigError, match=r"^users is None: .* Return an empty list"):
            InlineSource(value, "users")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"user_id": "a"}, "dict"),
        ('{"user_id": "a"}', "dict"),
        ('"a"', "str"),
        ("5", "int"),
        (5, "int"),
        (b"[]", "bytes"),
        (bytearray(b"[]"), "bytearray"),
        (memoryview(b"[]"), "memoryview"),
        ({"a"}, "set"),
        (rows(), "generator"),
        (iter([1]), "list_iterator"),
        (object(), "object"),
    ],
)
def test_what_is_no_list_is_refused_by_its_type(value: Any, kind: str) -> None:
    with pytest.raises(BluxConfigError, match=rf"^user_ids is of type {kind}; it must be a list of records"):
        InlineSource(value, "user_ids")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", " at character 0"),
        ("[{'user_id': 'john.doe@example.com'}]", " at character 2"),
        ('["john.doe@example.com"', " at character 23"),
        ("LazySelectSequence([3 items])", " at character 0"),
        ("[" * 100_000, ""),
    ],
)
def test_text_that_is_no_json_shows_a_place_and_a_way_out_and_no_value(text: str, where: str) -> None:
    with pytest.raises(BluxConfigError) as raised:
        InlineSource(text, "users")

    assert f"users is text, but not a JSON list{where}." in str(raised.value)
    assert "users=task.output" in str(raised.value)
    assert "john.doe" not in str(raised.value)


def test_a_source_is_called_by_its_argument() -> None:
    assert str(InlineSource([], "events")) == "events"


def test_a_row_of_sqlite_that_is_no_tuple_is_one_record() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT 'u' AS user_id, 'john' AS name").fetchall()

    assert list(InlineSource(found, "user_ids")) == found
    assert len(InlineSource(found, "user_ids")) == 1


def test_a_row_of_sqlalchemy_is_one_record() -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text("SELECT 'u' AS user_id, 'john' AS name")).all()
    engine.dispose()

    assert list(InlineSource(found, "user_ids")) == found


def test_a_row_of_psycopg2_that_is_a_list_is_one_record() -> None:
    extras = pytest.importorskip("psycopg2.extras")

    cursor = SimpleNamespace(description=(("user_id",), ("name",)), index={"user_id": 0, "name": 1})
    row = extras.DictRow(cursor)
    row[:] = ["u", "john"]
    assert list(InlineSource([row], "user_ids")) == [row]
    assert len(InlineSource([row], "user_ids")) == 1


def test_a_single_row_of_a_database_is_no_list_of_ids() -> None:
    row = namedtuple("row", "user_id name")("u", "john")
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        of_sqlite = database.execute("SELECT 'u' AS user_id, 'john' AS name").fetchone()

    for value in (row, of_sqlite):
        with pytest.raises(BluxConfigError, match=r"^user_ids is of type [rR]ow; it must be a list of records"):
            InlineSource(value, "user_ids")
        with pytest.raises(BluxConfigError, match=r"^leavers\(\) returned a value of type [rR]ow\. It must"):
            list(FunctionSource(lambda value=value: value, "leavers"))  # type: ignore[misc]

"""A key that is twice in a JSON object, with different values, is an error wherever JSON is read."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.json_objects import RepeatedKeyError, check, loads
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.sources.function import FunctionSource
from airflow_provider_blux.sources.inline import InlineSource
from airflow_provider_blux.sources.json_text import json_array, json_lines
from airflow_provider_blux.sources.rejects import rejected_records
from tests.records.test_invariants import repeatable

TWICE = [
    '{"user_id": "u", "a": "secret", "a": "other"}',
    '{"user_id":"u","a":true,"a":false}',
    '{"user_id":"u","a":1,"a":true}',
    '{"user_id":"u","a":1,"a":1.0}',
    '{"user_id":"u","a":null,"a":1}',
    '{"user_id":"u","a" : 1,"a": 2}',
    '{"user_id" :"u","a" :1,"a" :2}',
    '{"user_id":"u","a"\t:1,"a":2}',
    '{"user_id":"u","a"  :1,"a" \r:2}',
    '{"user_id":"u","at":"09:00:00","a":1,"a":2}',
    '{"user_id":"u","at":"say \\":\\"","a":1,"a":2}',
    '{"user_id":"u","a:":{"b":1},"properties":{"b":{"a":[1],"a":[2]}}}',
    '{"user_id":"u","properties":[{"a":{"k":1},"a":{"k":2}}]}',
    '{"user_id":"u","a":NaN,"a":1}',
    '{"user_id":"u","a":1,"\\u0061":2}',
]
ONCE = [
    '{"user_id":"u","a":1,"a":1}',
    '{"user_id":"u","at":"09:00:00","url":"https://a.b/c:d","say":"\\":"}',
    '{"user_id":"u","a":{"b":{"c":[{"d":1}]}},"e":[{"d":1},{"d":2}],"f :":" :\\" :"}',
    '{"user_id" : "u", "a" : {"user_id" : 1}}',
    '{"":"", ":":":"}',
    "{}",
]


def from_lines(text: str) -> Any:
    return list(json_lines(io.BytesIO(text.encode()), "f"))


def from_rejects(text: str) -> Any:
    line = f'{{"operation": "upsert_users", "outcome": "rejected", "field": "a: b", "reason": "c", "record": {text}}}'
    return list(rejected_records(io.BytesIO(line.encode()), "f"))


def from_array(text: str) -> Any:
    return list(json_array(io.BytesIO(f"[{text}]".encode()), "f"))


READERS = [
    from_lines,
    from_rejects,
    from_array,
    lambda text: list(InlineSource(f"[{text}]", "users")),
    lambda text: list(FunctionSource(lambda: f"[{text}]", "send")),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", TWICE)
def test_a_record_with_a_key_twice_is_rejected_without_its_values(read: Any, text: str) -> None:
    (error,) = read(text)

    assert isinstance(error, BluxRecordError)
    assert error.field == "a"
    assert re.match("is there twice in one object, with different values, .* remove one$", error.reason)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", ONCE)
def test_any_other_record_is_read_as_it_is(read: Any, text: str) -> None:
    assert read(text) == [json.loads(text)]


@pytest.mark.parametrize("read", READERS[2:])
def test_the_records_beside_it_are_read(read: Any) -> None:
    first, error, last = read(f'{{"user_id": "v"}}, {TWICE[0]}, {{"user_id": "w"}}')

    assert (first, last) == ({"user_id": "v"}, {"user_id": "w"})
    assert isinstance(error, BluxRecordError)


def test_an_array_that_is_read_in_windows_forgets_no_such_key_and_blames_no_other_record() -> None:
    size = 300 * 1024
    items = [f'{{"a":1,"b":"{"x" * size}","a":2}}', f'{{"b":"{"y" * size}"}}'] * 3

    kinds = [type(item) for item in from_array(",".join(items))]
    assert kinds == [BluxRecordError, dict] * 3


@pytest.mark.parametrize("given", ['{"k": 1, "k": 2}', b'[{"k": "09:00", "k": 2}]', bytearray(b'{"k":1,"k":2}')])
def test_a_column_of_json_with_a_key_twice_is_rejected(given: Any) -> None:
    shape = RowShape("upsert_users", "application", Shaping(json_columns=["tags"]))

    with pytest.raises(BluxRecordError, match=r"^tags\.k: is there twice in one object"):
        shape({"user_id": "u", "tags": given})
    assert shape({"user_id": "u", "tags": '["09:00", {"k": 1}]'})[1]["custom_user_properties"]["tags"]


keys = st.sampled_from(["a", "b", "", "a:", '":', '" :', "\u00e9"])
texts = st.recursive(
    st.sampled_from(["1", "2", "null", "true", '"x"', '":"', '"\\":"', '" : "', '"09:00"', r'"\u003a"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(keys, inner), max_size=3).map(
            lambda items: "{{{}}}".format(", ".join(f"{json.dumps(key)}: {value}" for key, value in items))
        ),
    ),
    max_leaves=8,
)


@given(text=texts, end=st.sampled_from([":", " :", "\t:", " \r\n :"]))
@repeatable
def test_what_is_counted_is_what_a_parser_finds(text: str, end: str) -> None:
    text = text.replace('": ', f'"{end} ')
    try:
        expected = loads(text)
    except RepeatedKeyError:
        with pytest.raises(RepeatedKeyError):
            check(text.encode(), msgspec.json.decode(text))
    else:
        assert expected == json.loads(text)
        check(text.encode(), msgspec.json.decode(text))

"""Both parsers of JSON lines give the values of the standard library's parser."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.json_text import json_lines

# Where parsers differ: numbers without end, half characters, signs that are no JSON, marks, blanks of other kinds.
AWKWARD = [
    b"NaN",
    b'{"a":-Infinity}',
    b"1e400",
    b"1e-400",
    b"-0",
    b"-0.0",
    b"12345678901234567890123",
    b"-9223372036854775809",
    b"9007199254740993",
    b"1.0000000000000000000000001",
    b"123456789012345678901234567890e-10",
    b"1" * 5000,
    b"01",
    b"1.",
    b".5",
    b"+1",
    rb'"\ud800"',
    rb'{"a":"\ud83d\ude00","b":"\ude00\ud83d"}',
    rb'"\u0000"',
    b'"\x01"',
    b'"a\tb"',
    b'"\x7f"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"\xef\xbb\xbf{}",
    b"\xc2\xa0{}",
    b"{}\x0b",
    b"{}\x00",
    b'{"a":1,"a":1}',
    b'{"":1}',
    b'{"a":1},{"b":2}',
    b'{"a":1}1',
    b'{"a":1}}',
    b'{"a":',
    b"[" * 100_000 + b"]" * 100_000,
    b"",
    b" \t\r",
    b"\xef\xbb\xbf",
]


def by_the_standard_library(line: bytes) -> list[Any]:
    try:
        text = line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n").decode()
        return [json.loads(text)] if text else []
    except (ValueError, RecursionError):
        return [BluxRecordError]


def read(content: bytes) -> list[Any]:
    return list(json_lines(io.BytesIO(content), "a file"))


def told(records: list[Any]) -> str:
    """Return records as text in which 1 and 1.0, 0.0 and -0.0, NaN and a missing value differ."""
    return repr([BluxRecordError if isinstance(record, BluxRecordError) else record for record in records])


@pytest.mark.parametrize("line", AWKWARD, ids=lambda line: repr(line[:30]))
def test_an_awkward_line_is_what_the_standard_library_takes_it_for(line: bytes) -> None:
    alone = read(line)
    among_others = read(b'{"n":1}\n' + line + b'\n{"n":2}\n')

    expected = by_the_standard_library(line)
    assert told(alone) == told(expected)
    assert told(among_others) == told([{"n": 1}, *expected, {"n": 2}])


@pytest.mark.parametrize("first", ['{"n":2}', '{"n":2,"n":5}'], ids=["an object", "a key twice"])
@pytest.mark.parametrize("between", ["", " ", "\t"])
def test_several_objects_in_a_line_are_not_counted_as_one_reject(first: str, between: str) -> None:
    lines = io.BytesIO(f'{{"n":1}}\n{first}{between}{{"n":3}}{between}{{"n":4}}\n'.encode())

    with pytest.raises(BluxSourceError, match=r"^Line 2 of a file holds several objects, .* its own") as raised:
        list(json_lines(lines, "a file"))
    assert not raised.value.retry_helps


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
written = st.builds(lambda value, plain: json.dumps(value, ensure_ascii=not plain).encode(), values, st.booleans())


@given(lines=st.lists(written | st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=6))
def test_any_line_is_what_the_standard_library_takes_it_for(lines: list[bytes]) -> None:
    records = read(b"\n".join(lines))

    assert told(records) == told([record for line in lines for record in by_the_standard_library(line)])


def test_every_record_of_a_long_file_is_read_once_and_a_fault_is_named_by_its_line() -> None:
    lines = [json.dumps({"n": number, "text": "x" * 50}).encode() for number in range(10_000)]
    lines[7_000] = b"{cut off"
    lines[8_000] = b""

    records = read(b"\n".join(lines))

    assert [row["n"] for row in records if isinstance(row, dict)] == [
        n for n in range(10_000) if n not in (7_000, 8_000)
    ]
    assert [str(row) for row in records if not isinstance(row, dict)] == [
        "line 7001 of a file is not JSON (cut off, or not UTF-8)"
    ]

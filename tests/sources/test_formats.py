"""Bytes of a file, as records: JSON lines, a JSON array, CSV."""

from __future__ import annotations

import io
from typing import Any

import pytest

from airflow_provider_blux.exceptions import BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.formats import READERS, SUFFIXES, FileFormat

BOM = b"\xef\xbb\xbf"


def read(file_format: FileFormat, content: bytes) -> list[Any]:
    return [
        str(record) if isinstance(record, BluxRecordError) else record
        for record in READERS[file_format](io.BytesIO(content), "f")
    ]


def broken(line: int) -> str:
    return f"line {line} of f is not JSON (cut off, or not UTF-8)"


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"", []),
        (b"\n\n \t\n", []),
        (BOM, []),
        (BOM + b'{"a": 1}\n', [{"a": 1}]),
        (b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\r\n\r\n{"a": 2}\r\n', [{"a": 1}, {"a": 2}]),
        ('{"a": "한글\\n\u2028"}\n'.encode(), [{"a": "한글\n\u2028"}]),
        (b'1\n"x"\nnull\n[1]\n', [1, "x", None, [1]]),
        (b'{"a": 1}\n{"a": \n{"a": 3}\n', [{"a": 1}, broken(2), {"a": 3}]),
        (b'\n\n{"a": 1\n', [broken(3)]),
        (b'{"a": 1}{"a": 2}\n', [broken(1)]),
        (b"user_id,name\n", [broken(1)]),
        (b'{"a": "\xff"}\n{"a": 1}\n', [broken(1), {"a": 1}]),
        (b'{"a": 1}\n' + BOM + b'{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b"[" * 100_000 + b"\n1\n", [broken(1), 1]),
        (b"9" * 5000 + b"\n1\n", [broken(1), 1]),
    ],
)
def test_json_lines(content: bytes, records: list[Any]) -> None:
    assert read("jsonl", content) == records


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"[]", []),
        (b' [ {"a": 1},\n {"a": 2} ]\n', [{"a": 1}, {"a": 2}]),
        (BOM + '[{"a": "한글"}]'.encode(), [{"a": "한글"}]),
        (b"[null, 1]", [None, 1]),
    ],
)
def test_json_arrays(content: bytes, records: list[Any]) -> None:
    assert read("json", content) == records


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "f is not JSON at character 0 (cut off, or another format; see file_format)."),
        (b'[{"a": 1}, {"a":', "f is not JSON at character 16 (cut off, or another format; see file_format)."),
        (b'{"a": 1}\n{"a": 2}', "f is not JSON at character 9 (cut off, or another format; see file_format)."),
        (b'["\xff"]', "f is not JSON (cut off, or another format; see file_format)."),
        (b"[" * 100_000, "f is not JSON (cut off, or another format; see file_format)."),
        (b'{"a": 1}', "f holds no JSON array. One object a line is file_format='jsonl'."),
        (b"null", "f holds no JSON array. One object a line is file_format='jsonl'."),
    ],
)
def test_a_file_that_is_no_json_array_is_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(BluxSourceError) as raised:
        read("json", content)

    assert str(raised.value) == words


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"", []),
        (b"a,b\n", []),
        (b"a,b\n1,2\n3,4", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        (b"a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        (BOM + "이름,b\n한글,2\n".encode(), [{"이름": "한글", "b": "2"}]),
        (b"a,b\n1,\n,\n", [{"a": "1", "b": None}, {"a": None, "b": None}]),
        (b'a,b\n"",""\n', [{"a": None, "b": None}]),
        (b'a,b\n"x, y","say ""hi"""\n', [{"a": "x, y", "b": 'say "hi"'}]),
        (b'a,b\n"two\nlines",2\n3,4\n', [{"a": "two\nlines", "b": "2"}, {"a": "3", "b": "4"}]),
        (b'a,b\n"two\r\nlines",2\r\n', [{"a": "two\r\nlines", "b": "2"}]),
        (b"a,b\n 1 ,00123\n", [{"a": " 1 ", "b": "00123"}]),
        (b"a,b\nnull,NaN\n", [{"a": "null", "b": "NaN"}]),
        (b"\n\na,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        (b"a\n1\n", [{"a": "1"}]),
        (b"a,b\n1,2,3\n4,5\n", ["line 2 of f has 3 cells, the header has 2", {"a": "4", "b": "5"}]),
        (b"a,b\n1\n4,5\n", ["line 2 of f has 1 cells, the header has 2", {"a": "4", "b": "5"}]),
        (b'a,b\n"1\n2",3,4\n', ["line 3 of f has 3 cells, the header has 2"]),
    ],
)
def test_csv(content: bytes, records: list[Any]) -> None:
    assert read("csv", content) == records


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,,c\n1,2,3\n", "f: column 2 of the header has no name."),
        (b"a,b,a,b,b\n", "f: the header names a, b twice; one of the two would be lost."),
        (b'a,b\n1,2\n"3,4\n', "f is not valid CSV (unexpected end of data) after line 3."),
        (b'a,b\n1,2\n"3" x,4\n', "f is not valid CSV (',' expected after '\"') after line 3."),
        (b"a,b\n1,\xff\n", "f is not UTF-8 after line 0."),
        (b"a,b\n1,2\n" + b"1,2\n" * 5000 + b"\xb0,2\n", "f is not UTF-8 after line"),
        ("a,b\n1,2\n".encode("utf-16"), "f is not UTF-8 after line 0."),
    ],
)
def test_a_file_that_is_no_csv_is_refused_with_a_place(content: bytes, words: str) -> None:
    with pytest.raises(BluxSourceError) as raised:
        read("csv", content)

    assert str(raised.value).startswith(words)


def test_rows_before_a_fault_are_yielded_before_it() -> None:
    records = READERS["csv"](io.BytesIO(b'a\n1\n"2'), "f")

    assert next(records) == {"a": "1"}
    with pytest.raises(BluxSourceError):
        next(records)


def test_no_error_shows_what_stands_in_the_file() -> None:
    for file_format, content in (
        ("jsonl", b'{"email": "john.doe@example.com"\n'),
        ("json", b'[{"email": "john.doe@example.com"'),
        ("csv", b'email\n"john.doe@example.com" x,1\n'),
        ("csv", b"email\njohn.doe@example.com,1\n"),
        ("csv", b"email\njohn.doe@example.com\xff\n"),
    ):
        try:
            said = str(read(file_format, content))  # type: ignore[arg-type]
        except BluxSourceError as error:
            said = f"{error!r} {error.__cause__!r}"
        assert "john" not in said


def test_every_suffix_has_a_reader() -> None:
    assert set(SUFFIXES.values()) == set(READERS)

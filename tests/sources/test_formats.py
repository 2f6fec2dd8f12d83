"""Records from the bytes of a file (JSON lines, a JSON array, CSV), and the detection of the format."""

from __future__ import annotations

import bz2
import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.csv_text import comma_separated, dialect_of
from airflow_provider_blux.sources.formats import FORMATS, SUFFIXES, FileFormat, layout_of, records
from airflow_provider_blux.sources.json_text import json_array, json_lines
from airflow_provider_blux.sources.lines import LONGEST_RECORD

BOM = b"\xef\xbb\xbf"
LONE_SURROGATE = "a,b\n1,2\n" + "1,2\n" * 5000 + "\ud800,2\n1,2\n"
READERS: dict[FileFormat, Any] = {"jsonl": json_lines, "json": json_array, "csv": comma_separated}


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
        (b"[\r\n\t1\t,\r\n\t2\r\n]\r\n", [1, 2]),
    ],
)
def test_json_arrays(content: bytes, records: list[Any]) -> None:
    assert read("json", content) == records


def no_json(position: str, items: int, what: str = "JSON") -> str:
    return (
        f"f is not {what} at character {position}, after {items:,} records (cut off, or another format; see "
        "file_format)."
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", no_json("0", 0)),
        (b"[", no_json("1", 0)),
        (b"[1", no_json("2", 0)),
        (b"[1,]", no_json("3", 1)),
        (b"[1 2]", no_json("3", 1)),
        (b"[1] 2", no_json("4", 1)),
        (b"[1]\xed", no_json("3", 0, "UTF-8")),
        (b'[{"a": 1}, {"a":', no_json("16", 1)),
        (b'[1, "\xff"]', no_json("5", 1, "UTF-8")),
        (b"[" * 100_000, no_json("1", 0)),
        (b"[1, " + b"9" * 5000 + b"]", no_json("4", 1)),
        (b"[1, 01]", no_json("5", 1)),
        (b'{"a": 1}', "f holds no JSON array. One object a line is file_format='jsonl'."),
        (b'{"a": 1}\n{"a": 2}', "f holds no JSON array. One object a line is file_format='jsonl'."),
        (b"null", "f holds no JSON array. One object a line is file_format='jsonl'."),
        ("[1]".encode("utf-16-le"), no_json("1", 0)),
    ],
)
def test_a_file_that_is_no_json_array_is_refused_with_a_place(content: bytes, words: str) -> None:
    with pytest.raises(BluxSourceError) as raised:
        read("json", content)

    assert str(raised.value) == words


class Drip(io.BytesIO):
    """A file that gives a few bytes at a time, so that a window ends everywhere."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1 + self.tell() % 4)


@pytest.mark.parametrize("kind", [io.BytesIO, Drip])
@pytest.mark.parametrize("number", ["23", "2.", "2.5", "2e", "2E-", "2e+1", "00123]", "2x]"])
def test_a_part_of_a_number_is_no_record(kind: type[io.BytesIO], number: str) -> None:
    # It may be the id of another user, who would be deleted.
    found = READERS["json"](kind(f"[1, {number}".encode()), "f")

    assert next(found) == 1
    with pytest.raises(BluxSourceError, match="after 1 records") as raised:
        next(found)
    assert raised.value.retry_helps is not number.endswith("]")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(max_size=4), items, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        *'[]{},:"-\n\t ',
        *['"a"', r'"\ud83d\ude00"', r'"\ud800"', r"\u12", '"k":', "한", "\ufeff"],
        *["1", "1.5", "1e5", "e+", "true", "fals", "null", "NaN", "-Infinity"],
        *["[1,2]", '{"a":[{"b":1}]}'],
    ]
)


def like_the_standard_library(document: str) -> None:
    """Check that reading a document whole, and in small parts, gives the same as ``json.loads``, or fails like it."""
    try:
        expected = json.loads(document)
    except ValueError:
        expected = None
    for file in (io.BytesIO, Drip):
        try:
            found = list(json_array(file(document.encode("utf-8", "replace")), "f"))
        except BluxSourceError:
            found = None
        assert repr(found) == repr(expected if isinstance(expected, list) else None)


@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_read_as_json_loads_reads_it(items: list[Any], indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(items, indent=indent, ensure_ascii=is_ascii)
    like_the_standard_library(text.encode("utf-8", "replace").decode())


@given(st.lists(PIECES, max_size=8).map("".join), st.booleans())
def test_what_is_no_array_is_refused_as_json_loads_refuses_it(pieces: str, opened: bool) -> None:
    like_the_standard_library("[" + pieces + "]" if opened else pieces.removeprefix("\ufeff"))


def test_a_fault_early_in_an_array_does_not_bring_the_rest_into_memory() -> None:
    file = io.BytesIO(b'[{"a": 1} {"a": 2}, ' + b'{"a": 3},' * 500_000 + b"0]")

    with pytest.raises(BluxSourceError, match="at character 10, after 1 records"):
        list(json_array(file, "f"))
    assert file.tell() < 1_000_000


@pytest.mark.parametrize(
    ("content", "records"),
    [
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
        (
            b"a,b\n1,2\r\na,b\n3,4\n",
            [
                {"a": "1", "b": "2"},
                "line 3 of f is the header again, as in joined files; remove it",
                {"a": "3", "b": "4"},
            ],
        ),
        *(
            (
                BOM + header + b"\n1,2\n" + BOM + header + b"\n3,4\n",
                [
                    {"a": "1", "b": "2"},
                    "line 3 of f is the header again, as in joined files; remove it",
                    {"a": "3", "b": "4"},
                ],
            )
            for header in (b"a,b", b'"a","b"')
        ),
        (b"a,b\n" + BOM + b"1,2\n", [{"a": "\ufeff1", "b": "2"}]),
        (b"a\na\n", ["line 2 of f is the header again, as in joined files; remove it"]),
    ],
)
def test_csv(content: bytes, records: list[Any]) -> None:
    assert read("csv", content) == records


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"sep=,\na,b\n1,2\n", "the header of f: column 2 has no name; name it, and remove lines above the header."),
        (b"a, ,c\n1,2,3\n", "the header of f: column 2 has no name"),
        (b"a,,c\n1,2,3\n", "the header of f: column 2 has no name; name it, and remove lines above the header."),
        (
            b"a,b,a,b,b\n",
            "the header of f: column 1 has the same name as another column, and one of the two would be lost.",
        ),
        (b'a,b\n1,2\n"3,4\n', "f is not valid CSV (unexpected end of data) after line 3."),
        (b'a,b\n1,2\n"3" x,4\n', "f is not valid CSV (',' expected after '\"') after line 3."),
        (b"a,b\r1,2\r", "f is not valid CSV (a carriage return outside of quotes; end each line with a line feed, as "),
        (b"a,b\n1,2\r3,4\n", "f is not valid CSV (a carriage return outside of quotes; end each line with a line"),
        (b"a\n" + b"x" * LONGEST_RECORD, "line 2 of f is longer than 64 MiB, which no record is."),
        ("a,b\n1,한".encode()[:-1], "f is cut off within a character of its last line."),
        (b"", "f is empty: it has no header, so its export has probably failed."),
        (b"\n\n", "f is empty"),
        (BOM, "f is empty"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_with_a_place(content: bytes, words: str) -> None:
    with pytest.raises(BluxSourceError) as raised:
        read("csv", content)

    assert str(raised.value).startswith(words)
    may_be_unfinished = ("end of data", "is empty", "cut off")
    assert raised.value.retry_helps is any(part in words for part in may_be_unfinished)


@pytest.mark.parametrize(
    ("file_format", "content", "retry_helps"),
    [
        ("json", b'[{"a": 1}, {"a"', True),
        ("json", b'[{"a": 1}, {"a": "x', True),
        ("json", b'[{"a": 1},', True),
        ("json", b'[{"a": 1}', True),
        ("json", b"", True),
        ("json", '[{"a": "\ud55c'.encode("utf-8", "surrogatepass")[:-1], True),
        ("json", b'[{"a": 1} {"a": 2}]' + b" " * 100, False),
        ("json", b'[{"a": x}]' + b" " * 100, False),
        ("json", b'[{"a": 1}] {}', False),
        ("json", b'[{"a": "\xff"}]', False),
        ("json", b'{"a": 1}', False),
        ("csv", b"a,a\n1,2\n", False),
        ("csv", b"a,\n1,2\n", False),
        ("jsonl", b"PAR1", False),
        ("parquet", b"PAR1", True),
    ],
)
def test_a_file_is_tried_again_where_its_producer_may_not_have_finished(
    file_format: FileFormat, content: bytes, retry_helps: bool
) -> None:
    with pytest.raises(BluxSourceError) as raised:
        list(records(io.BytesIO(content), "f", layout_of("f", file_format)))

    assert raised.value.retry_helps is retry_helps


@pytest.mark.parametrize(
    ("content", "where", "dialect"),
    [
        (b"a,b\n1,\xff\n", "line 2 of f is not UTF-8", {}),
        (b"a,b\n1,2\n" + b"1,2\n" * 5000 + b"\xb0,2\n", "line 5003 of f is not UTF-8", {}),
        ("이름,b\n1,2\n".encode("cp949"), "line 1 of f is not UTF-8", {}),
        ("a,b\n1,2\n".encode("utf-16-le"), "the header of f is not UTF-8", {}),
        ("a,b\n1,한글\n".encode(), "line 2 of f is not CP949", {"encoding": "cp949"}),
        (b"a,b\n1,2\n", "line 1 of f is not UTF-16", {"encoding": "utf-16"}),
        (LONE_SURROGATE.encode("utf-16", "surrogatepass"), "line 5003 of f is not UTF-16", {"encoding": "utf-16"}),
        (
            LONE_SURROGATE.encode("utf-16-be", "surrogatepass"),
            "line 5003 of f is not UTF-16-BE",
            {"encoding": "utf-16-be"},
        ),
        (LONE_SURROGATE[-17:].encode("utf-32", "surrogatepass"), "line 4 of f is not UTF-32", {"encoding": "utf-32"}),
    ],
)
def test_a_csv_of_another_encoding_names_the_argument_and_is_not_tried_again(
    content: bytes, where: str, dialect: dict[str, str]
) -> None:
    with pytest.raises(
        BluxConfigError, match=rf"^{where}\. Set encoding to that of the file, such as encoding='cp949'"
    ):
        list(comma_separated(io.BytesIO(content), "f", dialect_of(**dialect)))
    assert not BluxConfigError.retry_helps


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16", "utf-32-le"])
def test_a_csv_that_ends_within_a_character_is_tried_again(encoding: str) -> None:
    content = "a,b\n1,2\n3,\ud55c".encode(encoding)[:-1]
    rows = comma_separated(io.BytesIO(content), "f", dialect_of(encoding))
    with pytest.raises(BluxSourceError, match=r"^f is cut off within a character of its last line\.$") as raised:
        list(rows)
    assert raised.value.retry_helps


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_carriage_return_alone_ends_no_row(encoding: str) -> None:
    with pytest.raises(BluxSourceError, match="f is not valid CSV"):
        list(comma_separated(io.BytesIO("user_id\n12\r34\n".encode(encoding)), "f", dialect_of(encoding)))


def test_a_byte_order_mark_tells_utf_8_whatever_encoding_is_said() -> None:
    with pytest.raises(BluxConfigError, match=r"^f begins with the byte order mark of UTF-8\. Leave encoding out"):
        list(records(io.BytesIO(BOM + b"a\n1\n"), "f", layout_of("f", "csv", dialect_of("latin-1"))))


@pytest.mark.parametrize(
    "encoding", ["cp949", "euc-kr", "iso2022-kr", "utf-8", "utf-8-sig", "UTF8", "utf-16", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_is_read_in_its_encoding_and_with_its_delimiter(encoding: str, end: str, delimiter: str) -> None:
    lines = ["이름{d}등급", "홍길동{d}", '"두{d}\n줄\r\n"{d}금']
    content = end.join(line.format(d=delimiter) for line in lines).encode(encoding)

    layout = layout_of("users.csv", None, dialect_of(encoding, delimiter))
    assert list(records(io.BytesIO(content), "f", layout)) == [
        {"이름": "홍길동", "등급": None},
        {"이름": f"두{delimiter}\n줄\r\n", "등급": "금"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32-be", "gb18030", "utf-7"])
@pytest.mark.parametrize("header", ["grade,user_id", '"grade",user_id'])
def test_a_byte_order_mark_is_no_part_of_the_first_column(encoding: str, header: str) -> None:
    content = f"\ufeff{header}\ngold,1\n".encode(encoding)

    assert list(comma_separated(io.BytesIO(content), "f", dialect_of(encoding))) == [{"grade": "gold", "user_id": "1"}]


@pytest.mark.parametrize("encoding", ["", "korean-ish", "rot13", 5, "utf\0"])
def test_an_unknown_encoding_is_a_mistake_in_the_dag(encoding: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"^encoding must be the name of a text encoding"):
        dialect_of(encoding)


@pytest.mark.parametrize("delimiter", ["", ";;", "\\t", '"', "\n", "\r", "\0", b";", 5])
def test_a_delimiter_is_one_character(delimiter: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"^delimiter must be one character"):
        dialect_of(None, delimiter)


@pytest.mark.parametrize(
    ("content", "delimiter", "meant"),
    [
        (b"user_id;grade\n1;gold\n", None, "';'"),
        (b"user_id\tgrade\n1\tgold\n", ",", "'\\t'"),
        (b"user_id|grade\n1|gold\n", None, "'|'"),
        (b"user_id,grade\n1,gold\n", ";", "','"),
    ],
)
def test_a_header_that_is_one_column_names_the_delimiter(content: bytes, delimiter: str | None, meant: str) -> None:
    with pytest.raises(BluxConfigError) as raised:
        list(comma_separated(io.BytesIO(content), "f", dialect_of(None, delimiter)))

    assert str(raised.value) == (
        f"The header of f is one column that holds {meant}. Set delimiter={meant}, or name the column without it."
    )


@pytest.mark.parametrize("size", [140_000, 5_000_000])
def test_a_long_cell_is_read(size: int) -> None:
    limit = csv.field_size_limit(131_072)
    try:
        assert read("csv", b'a,b\n"' + b"x" * size + b'",1\n') == [{"a": "x" * size, "b": "1"}]
    finally:
        csv.field_size_limit(limit)


def test_a_longer_limit_of_somebody_else_stays() -> None:
    limit = csv.field_size_limit(2**40)
    try:
        assert read("csv", b"a\n1\n") == [{"a": "1"}]
        assert csv.field_size_limit() == 2**40
    finally:
        csv.field_size_limit(limit)


def test_rows_before_a_fault_are_yielded_before_it() -> None:
    records = comma_separated(io.BytesIO(b'a\n1\n"2'), "f")

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
        except (BluxSourceError, BluxConfigError) as error:
            said = f"{error!r} {error.__cause__!r}"
        assert "john" not in said


def test_every_suffix_has_a_reader() -> None:
    assert {*SUFFIXES.values(), "rejects"} == set(FORMATS)


def test_rows_of_a_csv_are_rows_of_a_table_and_json_objects_are_not() -> None:
    (row,) = read("csv", b"a\n1\n")
    (line,) = read("jsonl", b'{"a": "1"}\n')
    (item,) = read("json", b'[{"a": "1"}]')

    assert row == line == item
    assert row.is_table_row
    assert not hasattr(line, "is_table_row")
    assert not hasattr(item, "is_table_row")


@pytest.mark.parametrize(
    ("name", "given_format", "layout"),
    [
        ("users.jsonl", None, ("jsonl", None)),
        ("s3://b/day=1/users.NDJSON.GZ", None, ("jsonl", "gz")),
        ("users.v2.csv.bz2", None, ("csv", "bz2")),
        ("users.json.zst", None, ("json", "zst")),
        ("users.snappy.parquet", None, ("parquet", None)),
        ("users.gz", "csv", ("csv", "gz")),
        ("users", "jsonl", ("jsonl", None)),
        ("users.csv", "jsonl", ("jsonl", None)),
        ("users.txt.zst", "csv", ("csv", "zst")),
    ],
)
def test_the_suffixes_tell_how_a_file_is_read(name: str, given_format: FileFormat | None, layout: object) -> None:
    assert layout_of(name, given_format)[:2] == layout


@pytest.mark.parametrize("name", ["users", "users.gz", "users.txt", "users.txt.gz", ".csv", "users.gz.csv.zip"])
def test_a_name_that_does_not_tell_is_refused(name: str) -> None:
    with pytest.raises(
        BluxConfigError, match=r"cannot be told from its suffix\. Set file_format to one of jsonl, json, c"
    ):
        layout_of(name, None)


def test_compressed_parquet_is_refused() -> None:
    with pytest.raises(BluxConfigError, match=r"Parquet is compressed within and cannot be read from \.gz"):
        layout_of("users.parquet.gz", None)


@pytest.mark.parametrize("file_format", ["jsonl", "json", "csv"])
@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (b"\x1f\x8b\x08\x00", "compressed with gzip; name it .gz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd; name it .zst"),
        (bz2.compress(b"a"), "compressed with bzip2; name it .bz2"),
        (b"Obj\x01\x04", "Avro; export it as JSON lines"),
        (b"PAR1\x15", "Parquet; name it .parquet"),
        (b"PK\x03\x04", "a zip archive or a workbook"),
        (b"\xd0\xcf\x11\xe0", "an xls workbook"),
    ],
)
def test_a_file_that_begins_like_another_kind_is_refused_whatever_its_name(
    file_format: FileFormat, beginning: bytes, words: str
) -> None:
    with pytest.raises(BluxSourceError, match=rf"^f is not {file_format}: it is {words}"):
        records(io.BytesIO(beginning), "f", layout_of("f", file_format))


@pytest.mark.parametrize(
    ("file_format", "way_out"),
    [("jsonl", "save it as UTF-8"), ("json", "save it as UTF-8"), ("csv", "set encoding='utf-16'")],
)
def test_utf_16_is_told_by_its_byte_order_mark(file_format: FileFormat, way_out: str) -> None:
    with pytest.raises(BluxConfigError) as raised:
        records(io.BytesIO("a".encode("utf-16")), "f", layout_of("f", file_format))
    assert str(raised.value) == f"f is UTF-16 text; {way_out}."


@pytest.mark.parametrize("before", [b"", BOM, b"\n \r\n"])
def test_an_array_in_one_line_is_no_json_lines_and_is_not_read(before: bytes) -> None:
    file = io.BytesIO(before + b"[" + b'{"a": 1},' * 6_500_000)

    with pytest.raises(BluxConfigError, match=r"^f begins with a JSON array, .* Set file_format='json'\.$"):
        list(records(file, "f", layout_of("f.jsonl", None)))
    assert file.tell() <= 2 * 1024 * 1024


@pytest.mark.parametrize("start", [b"", b'{"a": 2}'], ids=["blanks", "a record, then blanks"])
def test_a_line_longer_than_any_record_is_not_brought_into_memory(start: bytes) -> None:
    file = io.BytesIO(b'{"a": 1}\n' + start + b" " * (LONGEST_RECORD + 1))
    found = records(file, "f", layout_of("f.jsonl", None))

    assert next(found) == {"a": 1}
    with pytest.raises(BluxSourceError, match=r"^line 2 of f is longer than 64 MiB"):
        next(found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_line_of_a_csv_has_a_limit_in_any_encoding(encoding: str) -> None:
    file = io.BytesIO("a,b\n1,2\n".encode(encoding) + "x,".encode(encoding) * (LONGEST_RECORD // 2 + 1))
    found = records(file, "f", layout_of("f.csv", None, dialect_of(encoding)))

    assert next(found) == {"a": "1", "b": "2"}
    with pytest.raises(BluxSourceError, match=r"^line 3 of f is longer than 64 MiB"):
        next(found)

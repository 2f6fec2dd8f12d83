"""The files that are read, their order, and the errors if a file cannot be read."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRecordError, BluxSourceError
from airflow_provider_blux.records.encoding import encode
from airflow_provider_blux.records.shapes import RowShape
from airflow_provider_blux.sources.files import StorageSource
from tests.sources.files import CONTENTS, USERS, write_file


def write(folder: Path, **records_by_name: list[str]) -> None:
    for name, ids in records_by_name.items():
        write_lines(folder / f"{name}.jsonl", *ids)


def write_lines(path: Path, *ids: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f'"{record_id}"\n' for record_id in ids), "utf-8")
    return path


def test_a_file_is_named_by_its_path_or_by_its_url(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.jsonl", "a", "b")

    assert list(StorageSource(str(path))) == ["a", "b"]
    assert list(StorageSource(f"file://{path}")) == ["a", "b"]


def test_a_source_is_read_again_every_time(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.jsonl", "a")
    source = StorageSource(str(path))

    assert list(source) == ["a"]
    write_lines(path, "b")
    assert list(source) == ["b"]


def test_a_folder_is_read_in_sorted_order_with_everything_below_it(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "deep/er/c.jsonl", "10.jsonl", "9.jsonl"):
        write_lines(tmp_path / name, name)

    names = ["10.jsonl", "9.jsonl", "a.jsonl", "b.jsonl", "deep/er/c.jsonl"]
    assert list(StorageSource(str(tmp_path))) == names
    assert list(StorageSource(f"file://{tmp_path}/")) == names


@pytest.mark.parametrize("path", ["_data", "_data/**", "_data/**/*.jsonl", "_da*/**"])
def test_what_engines_leave_beside_data_is_passed_over(tmp_path: Path, path: str) -> None:
    write(tmp_path / "_data", a=["a"])
    for name in ("_SUCCESS", ".a.jsonl.crc", "_temporary/0/part.jsonl", ".hidden/part.jsonl", "day=1/_SUCCESS"):
        write_lines(tmp_path / "_data" / name, "marker")

    assert list(StorageSource(f"{tmp_path}/{path}")) == ["a"]


def test_a_folder_may_itself_begin_with_an_underscore(tmp_path: Path) -> None:
    write(tmp_path / "_landing" / ".run", a=["a"])

    assert list(StorageSource(str(tmp_path / "_landing" / ".run"))) == ["a"]


def test_a_glob_is_read_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path, part2=["2"], part1=["1"], other=["x"])
    write(tmp_path / "deep", part3=["3"])

    assert list(StorageSource(f"{tmp_path}/part*.jsonl")) == ["1", "2"]
    assert list(StorageSource(f"{tmp_path}/part[2-9].jsonl")) == ["2"]
    assert list(StorageSource(f"{tmp_path}/**/part*.jsonl")) == ["3", "1", "2"]


def test_a_list_is_read_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path / "day=1", b=["b1"], a=["a1"])
    last = write_lines(tmp_path / "a.jsonl", "a")

    paths = [str(tmp_path / "day=1"), f"{tmp_path}/day=1/b*", str(last)]
    assert list(StorageSource(paths)) == ["a1", "b1", "b1", "a"]
    assert list(StorageSource(tuple(paths))) == ["a1", "b1", "b1", "a"]


def test_the_suffix_tells_the_format_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("user_id\na\n", "utf-8")
    (tmp_path / "2.JSON").write_text('[{"user_id": "b"}]', "utf-8")
    (tmp_path / "3.ndjson").write_text('{"user_id": "c"}\n', "utf-8")
    (tmp_path / "4.jsonl").write_text('{"user_id": "d"}', "utf-8")

    assert list(StorageSource(str(tmp_path))) == [{"user_id": name} for name in "abcd"]


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_every_format_is_read_from_every_compression(tmp_path: Path, name: str) -> None:
    write_file(tmp_path / name, USERS)

    assert list(StorageSource(str(tmp_path / name))) == USERS
    assert list(StorageSource(f"file://{tmp_path}")) == USERS


def test_file_format_overrides_the_suffix(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.txt", "a")

    assert list(StorageSource(str(path), file_format="jsonl")) == ["a"]
    assert list(StorageSource(str(path), file_format="csv")) == []


def test_an_unknown_suffix_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path, a=["a"])
    write_lines(tmp_path / "z.txt", "z")

    with pytest.raises(BluxConfigError, match=r"The format of .*z\.txt cannot be told .* Set file_format to one of"):
        next(iter(StorageSource(str(tmp_path))))


@pytest.mark.parametrize("name", ["absent.jsonl", "absent/", "absent-*.jsonl", "empty", "only-markers"])
def test_a_path_without_a_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    write_lines(tmp_path / "only-markers" / "_SUCCESS")

    with pytest.raises(
        BluxSourceError, match=r"there is no such file\. Check the path, or whether its producer"
    ) as raised:
        list(StorageSource(f"{tmp_path}/{name}"))
    assert str(raised.value).startswith(f"{tmp_path}/{name}: ")


@pytest.mark.parametrize("log", ["_delta_log/00000000000000000000.json", ".hoodie/hoodie.properties"])
def test_a_table_whose_files_also_have_earlier_versions_is_refused(tmp_path: Path, log: str) -> None:
    write_lines(tmp_path / "lake" / "users" / "part-0.jsonl", "a")
    write_lines(tmp_path / "lake" / "users" / log)

    for path, folder in (("lake/users", "lake/users"), ("lake", "lake"), ("lake/**", "lake/"), ("*/**", r"\*/")):
        with pytest.raises(BluxConfigError, match=rf"^{tmp_path}/{folder} holds a table of Delta Lake or Hudi, whose"):
            next(iter(StorageSource(f"{tmp_path}/{path}")))


@pytest.mark.parametrize("path", ["", "/*.jsonl"])
def test_a_link_to_a_file_that_is_gone_is_an_error(tmp_path: Path, path: str) -> None:
    write_lines(tmp_path / "a.jsonl", "a")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "gone.jsonl")

    with pytest.raises(BluxSourceError, match=r"b\.jsonl cannot be read \(FileNotFoundError"):
        list(StorageSource(f"{tmp_path}{path}"))


@pytest.mark.parametrize("end", ["", "/"])
def test_a_glob_that_matches_only_folders_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    for day in ("01", "02"):
        write_lines(tmp_path / f"dt=2026-01-{day}" / "users.jsonl", day)
    glob = f"{tmp_path}/dt=2026-01-*"

    assert StorageSource(f"{glob}{end}").has_no_file()
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f"{glob} matches folders, ")
    assert warning.endswith("To read these files, add /** to it.")
    assert list(StorageSource(f"{glob}/**", hive_partitioning=False)) == ["01", "02"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("path", ["2026/users-1", "2026/users-?", "./2026", "*/users-1", "file://{}/2026/users-?"])
def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    write_lines(tmp_path / "2026" / "users-1", "a")
    monkeypatch.chdir(tmp_path)

    assert list(StorageSource(path.format(tmp_path), file_format="jsonl")) == ["a"]


@pytest.mark.parametrize("path", ["~/users.jsonl", "~/*.jsonl", "~"])
def test_a_path_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    write_lines(tmp_path / "users.jsonl", "a")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert list(StorageSource(path)) == ["a"]


def test_a_missing_file_with_a_relative_path_is_an_error_that_names_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/airflow")

    for path, begins in (("absent.csv", tmp_path), ("~/absent.csv", "/home/airflow")):
        with pytest.raises(BluxSourceError, match=rf"^{path}: there is no such file in {begins}\. Check the path"):
            list(StorageSource(path))


def test_one_missing_path_of_a_list_stops_before_anything_is_read(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.jsonl", "a")

    with pytest.raises(BluxSourceError, match="absent"):
        next(iter(StorageSource([str(path), f"{tmp_path}/absent"])))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ([], "path is an empty list; name at least one file"),
        ("", "empty text, or the text None; name a file"),
        (["  "], "empty text, or the text None; name a file"),
        ("None", "the text None; name a file"),
        ([None], "something that is no text"),
        (5, "something that is no text"),
        ({"a": 1}, "something that is no text"),
    ],
)
def test_a_path_that_is_no_text_is_a_mistake_in_the_dag(path: Any, words: str) -> None:
    with pytest.raises(BluxConfigError, match=words):
        list(StorageSource(path))


def test_an_unknown_kind_of_storage_is_an_error_that_names_the_url() -> None:
    with pytest.raises(BluxError, match=r"^nosuch://bucket/users\.jsonl cannot be opened"):
        list(StorageSource("nosuch://bucket/users.jsonl"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.jsonl", "a")
    path.chmod(0)

    with pytest.raises(BluxSourceError, match=r"users\.jsonl cannot be read \(PermissionError"):
        list(StorageSource(str(path)))


def test_a_file_that_is_gone_when_its_turn_comes_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, a=["a"], b=["b"])
    records = iter(StorageSource(str(tmp_path)))

    assert next(records) == "a"
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(BluxSourceError, match=r"b\.jsonl cannot be read \(FileNotFoundError"):
        next(records)


def test_a_broken_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    write(tmp_path, a=["a"])
    (tmp_path / "b.jsonl").write_text('"b"\n{broken\n"c"\n', "utf-8")

    *_, broken, last = StorageSource(str(tmp_path))
    assert str(broken) == f"line 2 of {tmp_path}/b.jsonl is not JSON (cut off, or not UTF-8)"
    assert last == "c"
    *_, broken, last = StorageSource(f"file://{tmp_path}")
    assert str(broken) == f"line 2 of file://{tmp_path}/b.jsonl is not JSON (cut off, or not UTF-8)"


def test_a_file_is_closed_when_reading_stops_early(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.csv", *map(str, range(5000)))
    records = iter(StorageSource(str(path)))

    next(records)
    records.close()  # type: ignore[attr-defined]  # a ResourceWarning would fail the test


def test_a_source_is_called_by_its_paths() -> None:
    assert str(StorageSource(["s3://b/1", "s3://b/2"])) == "s3://b/1, s3://b/2"


@pytest.mark.parametrize("name", ["export[1].jsonl", "what?.jsonl", "all*.jsonl"])
def test_a_file_that_is_there_is_no_glob(tmp_path: Path, name: str) -> None:
    path = write_lines(tmp_path / name, "a")
    write(tmp_path, export1=["x"], whats=["x"], alles=["x"])

    assert list(StorageSource(str(path))) == ["a"]
    assert list(StorageSource(f"file://{path}")) == ["a"]
    assert list(StorageSource(list(StorageSource(str(path)).sizes()))) == ["a"]


def test_a_folder_that_is_there_is_no_glob(tmp_path: Path) -> None:
    write_lines(tmp_path / "day[1]" / "a.jsonl", "a")
    write_lines(tmp_path / "day1" / "a.jsonl", "x")

    assert list(StorageSource(f"{tmp_path}/day[1]")) == ["a"]
    assert list(StorageSource(f"{tmp_path}/day[1]/*.jsonl")) == ["x"]


@pytest.mark.parametrize("name", ["users.jsonl::2026", "users.jsonl::2026/b.jsonl", "::users.jsonl"])
def test_a_url_at_which_the_storage_library_would_read_another_path_is_refused(tmp_path: Path, name: str) -> None:
    write_lines(tmp_path / "users.jsonl", "x")
    path = write_lines(tmp_path / "a::b.jsonl", "a")

    with pytest.raises(BluxConfigError, match=r"holds '::'.* Rename the file or folder\."):
        list(StorageSource(f"file://{tmp_path}/{name}"))
    assert list(StorageSource(str(path))) == ["a"]
    assert sorted(StorageSource(f"file://{tmp_path}")) == ["a", "x"], "only the URL itself is cut off"


def test_a_path_may_be_an_object(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "users.jsonl", "a")

    for given in (path, ObjectStoragePath(str(path)), ObjectStoragePath(f"file://{path}")):
        assert list(StorageSource(given)) == ["a"]
        assert list(StorageSource([given, str(path)])) == ["a", "a"]
        assert str(StorageSource(given)).endswith(str(path))


def test_encoding_and_delimiter_are_for_csv(tmp_path: Path) -> None:
    write(tmp_path, a=["a"])

    for arguments in ({"encoding": "cp949"}, {"delimiter": ";"}):
        with pytest.raises(BluxConfigError, match=r"^encoding and delimiter are for CSV, and no file of .* is CSV"):
            list(StorageSource(str(tmp_path), **arguments))  # type: ignore[arg-type]
    (tmp_path / "b.csv").write_bytes("user_id;이름\n1;홍길동\n".encode("cp949"))
    rows = list(StorageSource(str(tmp_path), encoding="cp949", delimiter=";"))
    assert rows == ["a", {"user_id": "1", "이름": "홍길동"}]


@pytest.fixture
def partitioned(tmp_path: Path) -> Path:
    """A folder of users, with their grades and cities in the names of its folders."""
    for folder, name in (("grade=gold/city=서울", "a"), ("grade=a%2Fb%3D/city=__HIVE_DEFAULT_PARTITION__", "b")):
        path = tmp_path / "users" / folder
        path.mkdir(parents=True)
        (path / "part-0.csv").write_text(f"user_id\n{name}\n", "utf-8")
        (path / "part-1.jsonl").write_text(f'{{"user_id": "{name}1"}}\n"{name}2"\nbroken\n', "utf-8")
        pq.write_table(pa.table({"user_id": [f"{name}3"]}), path / "part-2.parquet")
    return tmp_path / "users"


@pytest.mark.parametrize("below", ["", "/*/*/*"])
def test_folders_may_be_columns(partitioned: Path, caplog: pytest.LogCaptureFixture, below: str) -> None:
    rows = list(StorageSource(f"{partitioned}{below}", hive_partitioning=True))

    b, gold = {"grade": "a/b=", "city": None}, {"grade": "gold", "city": "서울"}
    assert [row for row in rows if not isinstance(row, BluxRecordError)] == [
        *({"user_id": "b", **b}, {"user_id": "b1", **b}, "b2", {"user_id": "b3", **b}),
        *({"user_id": "a", **gold}, {"user_id": "a1", **gold}, "a2", {"user_id": "a3", **gold}),
    ]
    assert rows[0].is_table_row
    assert not caplog.records


def test_folders_that_are_no_columns_are_named_in_a_warning(
    partitioned: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert next(iter(StorageSource(str(partitioned)))) == {"user_id": "b"}
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f"{partitioned}: folders are named city=..., grade=..., which are no columns")
    caplog.clear()
    assert next(iter(StorageSource(str(partitioned), hive_partitioning=False))) == {"user_id": "b"}
    assert not caplog.records


@pytest.mark.parametrize("folder", ["grade=%B1%DD", "%B1%DD=gold"])
def test_a_folder_name_that_is_not_utf_8_is_not_sent_as_another_text(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    write_file(tmp_path / folder / "users.csv", USERS[:1])

    (row,) = StorageSource(str(tmp_path), hive_partitioning=True)
    with pytest.raises(BluxRecordError, match=r"holds half a character"):
        encode(RowShape("upsert_users", "application")(row)[1])


@pytest.mark.parametrize("file", ["grade-gold/users.jsonl", "users.jsonl"])
def test_hive_partitioning_of_a_file_without_such_a_folder_is_an_error(tmp_path: Path, file: str) -> None:
    write_lines(tmp_path / "grade=gold" / "users.jsonl", "a")
    write_lines(tmp_path / file, "b")

    with pytest.raises(BluxConfigError, match=rf"but no folder of .*{file} is named like grade=gold\. Correct path"):
        next(iter(StorageSource(str(tmp_path), hive_partitioning=True)))


@pytest.mark.parametrize("content", ["user_id,grade\n1,gold\n", '{"user_id": "1", "grade": "gold"}\n'])
def test_a_column_of_the_file_and_of_its_folder_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "grade=gold" / ("users.jsonl" if content.startswith("{") else "users.csv")
    path.parent.mkdir()
    path.write_text(content, "utf-8")

    with pytest.raises(BluxConfigError, match="has a column grade, and so has its folder"):
        list(StorageSource(str(path), hive_partitioning=True))


def test_two_folders_of_one_column_are_an_error(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "grade=gold" / "grade=silver" / "users.jsonl", "a")

    with pytest.raises(BluxConfigError, match="two folders are named grade="):
        list(StorageSource(str(path), hive_partitioning=True))
    assert list(StorageSource(str(path))) == ["a"]


def large_file(folder: Path) -> Path:
    """Write a file that is not read into memory at once."""
    file = folder / "users.jsonl"
    file.write_text("".join(f'{{"user_id": "{number}"}}\n' for number in range(50_000)), encoding="utf-8")
    return file


@pytest.mark.parametrize("change", ["rewrite", "append"])
def test_a_file_that_is_changed_while_it_is_read_is_an_error(tmp_path: Path, change: str) -> None:
    file = large_file(tmp_path)
    records = iter(StorageSource(str(file)))
    next(records)
    with file.open("w" if change == "rewrite" else "a", encoding="utf-8") as writer:
        writer.write('{"user_id": "new"}\n')

    with pytest.raises(BluxSourceError, match=r"users\.jsonl was changed while it was read, .* rename it when it is"):
        list(records)


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    file = large_file(tmp_path)
    records = iter(StorageSource(str(file)))
    next(records)
    (tmp_path / "new").write_text('{"user_id": "new"}\n', encoding="utf-8")
    (tmp_path / "new").rename(file)

    assert len(list(records)) == 49_999


@pytest.mark.parametrize("file", ["_old/users.jsonl", ".users.jsonl", "new/_users.jsonl", "_old/users.JSONL.gz"])
def test_a_file_of_records_that_is_named_like_a_marker_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    write_lines(tmp_path / "users.jsonl", "a")
    write_lines(tmp_path / file, "b")
    (tmp_path / "_SUCCESS").touch()

    source = StorageSource(str(tmp_path))
    assert not source.has_no_file()
    assert len(list(source)) == len(list(source)) == 1
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == (
        f"{tmp_path / file} is not read, since its name or that of its folder begins with _ or a dot. If it should be "
        "read, rename it; otherwise move it elsewhere."
    )


def test_folders_beside_files_that_a_glob_matches_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_lines(tmp_path / "users.jsonl", "a")
    write_lines(tmp_path / "2026" / "users.jsonl", "b")

    assert len(list(StorageSource(f"{tmp_path}/*"))) == 1
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f"{tmp_path}/* matches folders, and a glob does not read the files in them.")


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    closed, scandir = str(folder), os.scandir

    def denied(path: Any) -> Any:  # root may list every folder, so its mode is not enough
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "2026" / "users.jsonl", "a")
    close(tmp_path / "2025", monkeypatch)

    with pytest.raises(BluxSourceError, match=r"/2025 cannot be read \(PermissionError: Permission denied\), so that"):
        list(StorageSource(str(tmp_path)))
    assert list(StorageSource(f"{tmp_path}/2026/*")) == ["a"]


@pytest.mark.parametrize("glob", ["20*/*.jsonl", "**", "**/*.jsonl", "*/users.jsonl", "2025/*.jsonl", "20*/**"])
def test_a_folder_that_a_glob_matches_and_that_cannot_be_listed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, glob: str
) -> None:
    write_lines(tmp_path / "2026" / "users.jsonl", "a")
    close(tmp_path / "2025", monkeypatch)

    with pytest.raises(BluxSourceError, match=r"/2025 cannot be read \(PermissionError: Permission denied\), so that"):
        list(StorageSource(f"{tmp_path}/{glob}"))


@pytest.mark.parametrize("glob", ["2026/*", "2026*/*.jsonl", "20[0-9]6/**", "*.jsonl"])
def test_a_folder_that_a_glob_does_not_match_need_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, glob: str
) -> None:
    write_lines(tmp_path / "2026" / "users.jsonl", "a")
    write_lines(tmp_path / "users.jsonl", "a")
    close(tmp_path / "2025", monkeypatch)

    assert list(StorageSource(f"{tmp_path}/{glob}")) == ["a"]


@pytest.mark.parametrize("path", ["2026", "2026/**", "2026/*/*.jsonl", "20*/*/*.jsonl", "2026/l*/users.jsonl"])
def test_a_link_to_a_folder_is_an_error_since_its_files_are_not_found(tmp_path: Path, path: str) -> None:
    write_lines(tmp_path / "2026" / "01" / "users.jsonl", "a")
    write_lines(tmp_path / "elsewhere" / "users.jsonl", "b")
    (tmp_path / "2026" / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BluxSourceError, match="/2026/link is a link to a folder, and files in such a folder are not"):
        list(StorageSource(f"{tmp_path}/{path}"))
    assert list(StorageSource([f"{tmp_path}/2026/01", f"{tmp_path}/2026/link"])) == ["a", "b"]


@pytest.mark.parametrize("glob", ["2026/**", "2026/*/*.jsonl", "link/*/*.jsonl"])
def test_a_link_to_a_folder_that_is_read_is_no_error(tmp_path: Path, glob: str) -> None:
    write_lines(tmp_path / "2026" / "01" / "users.jsonl", "a")
    (tmp_path / "2026" / "latest").symlink_to("01")
    (tmp_path / "link").symlink_to("2026")

    assert list(StorageSource(f"{tmp_path}/{glob}")) == ["a"]


def test_a_folder_whose_files_are_not_read_need_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "users.jsonl", "a")
    close(tmp_path / ".Trash-1000", monkeypatch)

    assert list(StorageSource(str(tmp_path))) == ["a"]


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder, read by an account that is not root: root may read everything."""
    with tempfile.TemporaryDirectory() as folder:
        account = os.geteuid()
        if account == 0:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(account)


@pytest.mark.parametrize("glob", ["", "**", "**/*.jsonl", "*/users.jsonl", "2025*/*"])
def test_a_folder_whose_files_may_not_be_looked_at_is_an_error(folder_of_nobody: Path, glob: str) -> None:
    write_lines(folder_of_nobody / "2026" / "users.jsonl", "a")
    write_lines(folder_of_nobody / "2025" / "users.jsonl", "b")
    (folder_of_nobody / "2025").chmod(0o400)  # it can be listed

    try:
        with pytest.raises(
            BluxSourceError, match=r"/2025 cannot be read \(PermissionError: Permission denied\), so that"
        ):
            list(StorageSource(f"{folder_of_nobody}/{glob}"))
    finally:
        (folder_of_nobody / "2025").chmod(0o700)


@pytest.mark.parametrize(
    "path", ["users", "./users", "users/", "users/**", "users/**/*.jsonl", "../.data/users", "us*/**"]
)
def test_a_path_in_a_working_directory_below_a_hidden_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    write_lines(tmp_path / ".data" / "users" / "new" / "a.jsonl", "a")
    write_lines(tmp_path / ".data" / "users" / "_old" / "a.jsonl", "b")
    monkeypatch.chdir(tmp_path / ".data")

    assert list(StorageSource(path)) == ["a"]


def test_a_file_that_may_not_be_looked_for_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stat = str(write_lines(tmp_path / "users.jsonl", "a")), os.stat

    def denied(looked_for: Any, **options: Any) -> Any:  # root may look into every folder
        if looked_for == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return stat(looked_for, **options)

    monkeypatch.setattr(os, "stat", denied)

    with pytest.raises(BluxSourceError, match=r"users\.jsonl cannot be read \(PermissionError: Permission denied\)"):
        StorageSource(path).has_no_file()


def test_a_folder_that_is_removed_while_its_files_are_looked_for_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(tmp_path / "users.jsonl", "a")
    write_lines(tmp_path / "_temporary" / "users.jsonl", "b")
    removed, scandir = tmp_path / "_temporary", os.scandir

    def late(path: Any) -> Any:
        if path == str(removed):
            shutil.rmtree(removed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", late)

    assert list(StorageSource(str(tmp_path))) == ["a"]

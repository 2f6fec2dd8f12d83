"""Files that were cut off or damaged: the error names the file and the position, and no record is lost silently."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.files import StorageSource
from tests.sources.files import CONTENTS, PACKERS, USERS

WHOLE = {name: make(USERS) for name, make in CONTENTS.items()}
# What has an end of its own, so that a missing end can always be told.
ENDED = sorted(name for name in WHOLE if name.rpartition(".")[2] in {"json", "parquet", *PACKERS})
# What says nothing of its end: whole lines, or a part of the last cell, may be missing.
OPEN = sorted(set(WHOLE) - set(ENDED))

# The folder of the function's fixture is only a place for one file, which every example writes again.
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
places = st.floats(0, 1, exclude_max=True)


def read(path: Path, content: bytes) -> tuple[list[Any], str | None]:
    """Return the records, and the error that ended the reading."""
    path.write_bytes(content)
    found: list[Any] = []
    words = None
    try:
        found.extend(StorageSource(str(path)))
    except (BluxSourceError, BluxConfigError) as error:
        words = str(error)
    assert words is None or str(path) in words
    return found, words


@examples
@given(name=st.sampled_from(ENDED), place=places)
def test_a_file_that_was_cut_off_is_an_error_with_a_place(tmp_path: Path, name: str, place: float) -> None:
    content = WHOLE[name][: int(len(WHOLE[name]) * place)]

    found, error = read(tmp_path / name, content)
    assert error
    assert re.search(r"\d|is no Parquet file, or is cut off: its footer", error)
    assert found == USERS[: len(found)]


@pytest.mark.parametrize("name", ENDED)
@pytest.mark.parametrize("missing", [1, 2, 8])
def test_a_file_that_lacks_its_last_bytes_is_an_error(tmp_path: Path, name: str, missing: int) -> None:
    assert read(tmp_path / name, WHOLE[name][:-missing])[1]


@examples
@given(name=st.sampled_from(OPEN), place=places)
def test_a_line_that_was_cut_off_is_rejected_or_shorter(tmp_path: Path, name: str, place: float) -> None:
    content = WHOLE[name][: int(len(WHOLE[name]) * place)]

    found, error = read(tmp_path / name, content)
    whole = found[:-1] if found and found[-1] not in USERS else found
    assert whole == USERS[: len(whole)]
    if len(found) > len(whole) and not isinstance(found[-1], BluxRecordError):
        assert name == "users.csv"  # the last cell may end anywhere: CSV has no end
    assert error is None or "line" in error or "is empty: it has no header" in error


@examples
@given(name=st.sampled_from(sorted(name for name in WHOLE if name.endswith(tuple(PACKERS)))), data=st.data())
def test_a_damaged_compressed_file_is_an_error_at_its_end_at_the_latest(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray(WHOLE[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))

    found, error = read(tmp_path / name, bytes(content))
    assert error or found == USERS  # some bytes of gzip's header mean nothing


@examples
@given(name=st.sampled_from(sorted(set(WHOLE) - {"users.parquet"})), content=st.binary(max_size=200))
def test_any_bytes_are_records_rejects_or_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    read(tmp_path / name, content)


@examples
@given(content=st.binary(max_size=200), is_framed=st.booleans())
def test_any_bytes_are_no_parquet(tmp_path: Path, content: bytes, is_framed: bool) -> None:
    error = read(tmp_path / "users.parquet", b"PAR1" + content + b"PAR1" if is_framed else content)[1]
    assert error
    assert "is no Parquet file, or is cut off" in error


def test_a_damaged_page_of_parquet_is_an_error_that_names_the_row_group(tmp_path: Path) -> None:
    content = bytearray(WHOLE["users.parquet"])
    second = content.index(b"00100")
    content[second] ^= 0xFF

    found, error = read(tmp_path / "users.parquet", bytes(content))
    assert found == USERS[:100]
    assert error
    assert error.endswith("is damaged: row group 2 of 3 cannot be read after row 100 (OSError).")


def test_a_truncated_gzip_file_names_the_byte_it_ends_at(tmp_path: Path) -> None:
    path = tmp_path / "users.jsonl.gz"

    assert read(path, WHOLE[path.name][:1000])[1] == (
        f"{path} is cut off: it ends at byte 1,000, before its compressed data does."
    )


def test_text_that_only_calls_itself_compressed_is_an_error(tmp_path: Path) -> None:
    for suffix in PACKERS:
        error = read(tmp_path / f"users.jsonl.{suffix}", WHOLE["users.jsonl"])[1]
        assert error
        assert "is damaged, or not compressed as its suffix says" in error


def test_a_second_file_that_is_broken_is_noticed_after_the_first(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl.gz").write_bytes(WHOLE["users.jsonl.gz"])
    (tmp_path / "2.jsonl.gz").write_bytes(WHOLE["users.jsonl.gz"][:-4])
    found: list[Any] = []

    with pytest.raises(BluxSourceError, match=r"2\.jsonl\.gz is cut off"):
        found.extend(StorageSource(str(tmp_path)))
    assert len(found) >= len(USERS)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_no_error_shows_what_stands_in_the_file(tmp_path: Path, name: str) -> None:
    for cut in range(50, len(WHOLE[name]), max(1, len(WHOLE[name]) // 40)):
        found, error = read(tmp_path / name, WHOLE[name][:cut])
        said = f"{error} {[row for row in found if isinstance(row, BluxRecordError)]}"
        assert "says" not in said.replace("its suffix says", "").replace("footer says", "")
        assert "서울" not in said

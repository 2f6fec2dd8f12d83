"""Sources stream: a file of 200,000 rows takes no more memory than one of a few thousand."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_blux.sources.files import StorageSource
from airflow_provider_blux.sources.inline import InlineSource
from airflow_provider_blux.sources.sql import SqlSource
from tests.sources.files import CONTENTS

pytestmark = pytest.mark.slow

ROWS = 200_000
# All rows at once are more than ten times as much.
MOST = 12_000_000
# Each compression once: what is behind it does not change with it.
FILES = ["users.jsonl", "users.json.gz", "users.csv.bz2", "users.jsonl.zst"]


def rows() -> list[dict[str, Any]]:
    return [
        {"user_id": f"{number:08}", "email_address": f"{number}@example.com", "city": f"{number * 7919 % 100_003}"}
        for number in range(ROWS)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    records = rows()
    for name in FILES:
        (folder / name).write_bytes(CONTENTS[name](records))
    pq.write_table(pa.Table.from_pylist(records), folder / "users.parquet", row_group_size=20_000)
    with closing(sqlite3.connect(folder / "users.db")) as connection, connection:
        connection.execute("CREATE TABLE users (user_id TEXT, email_address TEXT, city TEXT)")
        connection.executemany("INSERT INTO users VALUES (:user_id, :email_address, :city)", records)
    return folder


def peak_of_reading(source: Iterable[Any]) -> int:
    """Read a source; return the peak of allocated bytes after the first row, so that imports do not count."""
    records = iter(source)
    next(records)
    pool = pa.default_memory_pool()  # of which `tracemalloc` knows nothing
    tracemalloc.start()
    try:
        read = 1
        arrow = 0
        for _ in records:
            read += 1
            if read % 5_000 == 0:
                arrow = max(arrow, pool.bytes_allocated())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == ROWS
    return peak + arrow


@pytest.mark.parametrize("name", [*FILES, "users.parquet"])
def test_a_file_streams(folder: Path, name: str) -> None:
    assert peak_of_reading(StorageSource(str(folder / name))) < MOST


def test_a_query_streams(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.providers.sqlite")
    monkeypatch.setenv("AIRFLOW_CONN_LARGE", json.dumps({"conn_type": "sqlite", "host": str(folder / "users.db")}))

    assert peak_of_reading(SqlSource("SELECT * FROM users ORDER BY user_id", conn_id="large")) < MOST


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.Table.from_pylist], ids=["pandas", "polars", "arrow"])
def test_a_frame_is_not_copied(make: Any) -> None:
    frame = make(rows())
    held = pa.default_memory_pool().bytes_allocated()

    assert peak_of_reading(InlineSource(frame, "users")) - held < MOST

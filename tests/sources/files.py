"""Files of every format and compression, with the same records in them."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

Rows = Sequence[dict[str, Any]]

USERS: list[dict[str, Any]] = [
    {"user_id": f"{number:05}", "city": "서울" if number % 3 else None, "note": f'says "{number}", twice'}
    for number in range(300)
]


def json_lines(rows: Rows) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def json_array(rows: Rows) -> bytes:
    return json.dumps(rows, indent=1).encode()


def comma_separated(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def parquet(rows: Rows) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), content, row_group_size=100, write_page_checksum=True)
    return content.getvalue()


FORMATS: dict[str, Callable[[Rows], bytes]] = {"jsonl": json_lines, "json": json_array, "csv": comma_separated}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def _packed(write: Callable[[Rows], bytes], pack: Callable[[bytes], bytes]) -> Callable[[Rows], bytes]:
    return lambda rows: pack(write(rows))


#: By file name, what makes its content.
CONTENTS: dict[str, Callable[[Rows], bytes]] = {
    **{f"users.{name}": write for name, write in FORMATS.items()},
    **{
        f"users.{name}.{suffix}": _packed(write, pack)
        for name, write in FORMATS.items()
        for suffix, pack in PACKERS.items()
    },
    "users.parquet": parquet,
}


def write_file(path: Path, rows: Rows) -> Path:
    path.write_bytes(CONTENTS[path.name](rows))
    return path

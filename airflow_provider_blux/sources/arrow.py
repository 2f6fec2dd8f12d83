"""Rows of Arrow record batches, as Parquet files and pyarrow's tables consist of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import repeat
from typing import Any

from airflow_provider_blux.sources.rows import TableRow


def batch_rows(columns: Sequence[str], batch: Any) -> Iterator[TableRow]:
    """Yield the rows of a ``pyarrow.RecordBatch``.

    Values are Python's: a timestamp is a ``datetime`` to the microsecond, a struct or a map a dict.
    """
    values = [_values(column) for column in batch.columns]
    return map(TableRow, map(zip, repeat(columns), zip(*values, strict=True)))


def _values(column: Any) -> list[Any]:
    # Python has no nanoseconds: pyarrow would give pandas' type where pandas is installed, and fail elsewhere.
    kind = str(column.type)
    if kind.startswith("timestamp[ns"):
        column = column.cast(import_module("pyarrow").timestamp("us", tz=column.type.tz), safe=False)
    elif kind == "time64[ns]":
        column = column.cast(import_module("pyarrow").time64("us"), safe=False)
    # Maps are dicts only if asked for, which costs ten times as much. An extension type does not tell what it holds.
    may_hold_maps = "map<" in kind or kind.startswith("extension<")
    values: list[Any] = column.to_pylist(maps_as_pydicts="strict") if may_hold_maps else column.to_pylist()
    return values

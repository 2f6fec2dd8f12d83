"""Reads rows from Arrow record batches, for Parquet files and pyarrow tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import repeat
from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.sources import floats
from airflow_provider_blux.sources.rows import TableRow, readable_rows, tolerant

# The column in which pandas stores an index without a name, as after a filter.
_INDEX_OF_PANDAS = re.compile(r"__index_level_\d+__")


def without_index(table: Any) -> Any:
    """Return a pyarrow table or record batch without the index of pandas, which is no column of the data."""
    names = table.schema.names
    columns = [number for number, name in enumerate(names) if not _INDEX_OF_PANDAS.fullmatch(name)]
    return table if len(columns) == len(names) else table.select(columns)


def batch_rows(columns: Sequence[str], batch: Any) -> Iterator[TableRow | BluxRecordError]:
    """Yield the rows of a ``pyarrow.RecordBatch`` with Python values; see :func:`cells`.

    A row with a value that Python cannot hold is replaced by an error.

    :param columns: the column names of the rows, one for each column of the batch.
    """
    found = list(map(cells, batch.columns))
    rows = zip(*[values for values, _ in found], strict=True)
    are_whole = all(is_whole for _, is_whole in found)
    return map(TableRow, map(zip, repeat(columns), rows)) if are_whole else readable_rows(columns, rows)


def cells(column: Any) -> tuple[list[Any], bool]:
    """Return the values of an Arrow column as Python values, and whether Python can hold them all.

    A timestamp becomes a ``datetime`` without nanoseconds, a struct or a map becomes a dict, and a float of two or four
    bytes becomes the shortest number with the same value. A value that Python cannot hold becomes ``Unreadable``.
    """
    column, is_whole = _to_the_microsecond(column), True
    try:
        values = _values(column)
    except Exception:  # noqa: BLE001 - an error of pyarrow or of Python
        values = list(map(tolerant(lambda scalar: scalar.as_py(maps_as_pydicts="strict")), column))
        is_whole = False
    correction = correction_of(column.type)
    return list(map(correction, values)) if correction else values, is_whole


def _values(column: Any) -> list[Any]:
    kind = str(column.type)
    # Maps become dicts only with an option that is slow, so it is set only where there may be maps. An extension type
    # does not show what it contains.
    may_hold_maps = "map<" in kind or kind.startswith("extension<")
    values: list[Any] = column.to_pylist(maps_as_pydicts="strict") if may_hold_maps else column.to_pylist()
    return values


def correction_of(kind: Any) -> floats.Correction | None:
    """Return the function that shortens the floats in a value of an Arrow type: 1.1, not 1.100000023841858.

    ``None`` if the type has no floats of two or four bytes, at any depth.
    """
    if "float" not in str(kind) and not str(kind).startswith("extension<"):
        return None
    is_a = import_module("pyarrow").types
    if is_a.is_float32(kind):
        return floats.single
    if is_a.is_float16(kind):
        return floats.half
    if is_a.is_struct(kind):
        return floats.of_fields({field.name: correction_of(field.type) for field in kind})
    if is_a.is_map(kind):
        return floats.of_values(correction_of(kind.item_type))
    inner = correction_of(getattr(kind, "storage_type", None) or getattr(kind, "value_type", None))
    is_list = is_a.is_nested(kind) and not str(kind).startswith("run_end_encoded<")
    return floats.of_items(inner) if is_list else inner


def _to_the_microsecond(column: Any) -> Any:
    """Convert the nanoseconds of a column to microseconds, at any depth; return other columns unchanged.

    The times of Python have no nanoseconds, so pyarrow would return pandas types or fail.
    """
    kind = str(column.type)
    # pyarrow loses lists when it casts a list view, and it cannot cast run-end encoded columns and unions.
    if "[ns" not in kind or any(name in kind for name in ("list_view<", "run_end_encoded<", "union<")):
        return column
    return column.cast(_microseconds(column.type, import_module("pyarrow")), safe=False)


def _microseconds(kind: Any, pa: Any) -> Any:
    """Return an Arrow type with microseconds in place of nanoseconds, at any depth, to which pyarrow can cast."""
    is_a = pa.types
    if is_a.is_null(kind):  # pyarrow loses such nulls, or ends the process, when it casts a slice of a struct
        return pa.bool_()
    if is_a.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz) if kind.unit == "ns" else kind
    if is_a.is_duration(kind):
        return pa.duration("us") if kind.unit == "ns" else kind
    if is_a.is_time64(kind):
        return pa.time64("us")
    if is_a.is_dictionary(kind):  # without values, pyarrow cannot cast it, so only one of times is cast
        return _microseconds(kind.value_type, pa) if "[ns" in str(kind) else kind
    return _nested(kind, pa) if is_a.is_nested(kind) else kind


def _nested(kind: Any, pa: Any) -> Any:
    is_a = pa.types
    if is_a.is_struct(kind):
        return pa.struct([field.with_type(_microseconds(field.type, pa)) for field in kind])
    if is_a.is_map(kind):
        return pa.map_(_microseconds(kind.key_type, pa), _microseconds(kind.item_type, pa))
    item = kind.value_field.with_type(_microseconds(kind.value_type, pa))
    if is_a.is_fixed_size_list(kind):
        return pa.list_(item, kind.list_size)
    return pa.large_list(item) if is_a.is_large_list(kind) else pa.list_(item)

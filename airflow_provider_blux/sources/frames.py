"""Reads rows from a DataFrame or table that an upstream task returned: pandas, polars, pyarrow.

The library is detected from the type name of the value, so no library is imported that is not already in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import MAXYEAR, MINYEAR, datetime
from importlib import import_module
from typing import Any

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.scalars import missing_word, python_value
from airflow_provider_blux.sources import floats
from airflow_provider_blux.sources.arrow import batch_rows, cells, correction_of, without_index
from airflow_provider_blux.sources.rows import TableRow, Unreadable, check_columns, readable_rows, tolerant

_ROWS_A_SLICE = 1000
_DOUBLE = 8  # bytes of a double
_SIZES = {4: floats.single, 2: floats.half}

Slices = Callable[[Any, Sequence[str]], Iterator[Iterator[TableRow | BluxRecordError]]]


class Frame:
    """The rows of a frame (a DataFrame or table), read slice by slice; the frame is never copied as a whole.

    :param value: the frame.
    :param columns: the names of its columns.
    :param slices: called with the frame and its column names; yields the rows of one slice after another.
    :raises BluxSourceError: the frame has rows but no columns, or a column name is not text, is empty or is not unique.
    """

    def __init__(self, value: Any, columns: Iterable[Any], slices: Slices, name: str) -> None:
        self._value = value
        self._slices = slices
        self._columns = list(columns)
        check_columns(self._columns, name, len(value))

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[TableRow | BluxRecordError]:
        if self._columns:
            for rows in self._slices(self._value, self._columns):
                yield from rows


def frame_of(value: Any, name: str) -> Frame | None:
    """Return the rows of a pandas or polars DataFrame or a pyarrow Table; ``None`` for any other value.

    :raises BluxSourceError: the columns are wrong; see :class:`Frame`.
    """
    for kind in type(value).__mro__:
        if found := _FRAMES.get((kind.__module__.partition(".")[0], kind.__name__)):
            columns, slices = found
            table = without_index(value) if slices is _pyarrow else value
            return Frame(table, getattr(table, columns), slices, name)
    return None


def _pandas(frame: Any, columns: Sequence[str]) -> Iterator[Iterator[TableRow | BluxRecordError]]:
    for start in range(0, len(frame), _ROWS_A_SLICE):
        part = frame.iloc[start : start + _ROWS_A_SLICE]
        yield readable_rows(columns, zip(*[_cells(part[column]) for column in columns], strict=True))


def _cells(column: Any) -> list[Any]:
    """Return a pandas column as Python values.

    A missing value of any kind (such as NaN, NaT and ``pandas.NA``) becomes ``None``. A value that Python cannot hold
    becomes :class:`Unreadable`.
    """
    if hasattr(column.dtype, "pyarrow_dtype"):  # pandas would return a map as a list of pairs
        values = cells(import_module("pyarrow").array(column))[0]
    else:
        values = _values(column)
    missing = column.isna()
    if missing.any():
        values = [None if is_missing else value for value, is_missing in zip(values, missing.tolist(), strict=True)]
    return values


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.tolist()
    except Exception:  # noqa: BLE001 - an error of pandas or of Python
        values = list(map(tolerant(column.iloc.__getitem__), range(len(column))))
    if column.dtype == object:
        values = [_plain(value) for value in values]
    elif column.dtype.kind == "M":
        values = [_within_python(value) for value in values]
    correction = _correction_of_pandas(column.dtype)
    return list(map(correction, values)) if correction else values


def _correction_of_pandas(kind: Any) -> floats.Correction | None:
    if hasattr(kind, "pyarrow_dtype"):
        return correction_of(kind.pyarrow_dtype)
    if hasattr(kind, "categories"):
        return _correction_of_pandas(kind.categories.dtype)
    if kind.kind != "f":
        return None
    return _SIZES.get(getattr(kind, "itemsize", _DOUBLE))


def _plain(value: Any) -> Any:
    """Convert numpy scalars and arrays in a pandas column of objects to Python values, at any depth."""
    value = python_value(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if type(value).__name__ == "datetime64" and not missing_word(value):  # outside of the years of Python
        return Unreadable()
    return _within_python(value)


def _within_python(value: Any) -> Any:
    """Return a value unchanged; return :class:`Unreadable` for a timestamp with a year that Python does not support."""
    return value if not isinstance(value, datetime) or MINYEAR <= value.year <= MAXYEAR else Unreadable()


def _polars(frame: Any, columns: Sequence[str]) -> Iterator[Iterator[TableRow | BluxRecordError]]:
    corrections = [_correction_of_polars(kind) for kind in frame.dtypes]
    for part in frame.iter_slices(_ROWS_A_SLICE):
        try:
            rows = part.rows()
        except Exception:  # noqa: BLE001 - an error of polars or of Python
            rows = list(zip(*map(_one_by_one, part.iter_columns()), strict=True))
        yield readable_rows(columns, floats.corrected_rows(rows, corrections))


def _correction_of_polars(kind: Any) -> floats.Correction | None:
    name = str(kind).partition("(")[0]
    if name in ("Float32", "Float16"):
        return floats.single if name == "Float32" else floats.half
    if name in ("List", "Array"):
        return floats.of_items(_correction_of_polars(kind.inner))
    if name == "Map":
        return floats.of_values(_correction_of_polars(kind.value))
    return (
        floats.of_fields({it.name: _correction_of_polars(it.dtype) for it in kind.fields}) if name == "Struct" else None
    )


def _one_by_one(series: Any) -> list[Any]:
    def value(number: int) -> Any:
        return series.slice(number, 1).to_list()[0]

    return list(map(tolerant(value), range(len(series))))


def _pyarrow(table: Any, columns: Sequence[str]) -> Iterator[Iterator[TableRow | BluxRecordError]]:
    for batch in table.to_batches(max_chunksize=_ROWS_A_SLICE):
        yield batch_rows(columns, batch)


# For each library and type: the attribute with the column names, and the function that yields the rows in slices.
_FRAMES: dict[tuple[str, str], tuple[str, Slices]] = {
    ("pandas", "DataFrame"): ("columns", _pandas),
    ("polars", "DataFrame"): ("columns", _polars),
    ("pyarrow", "Table"): ("column_names", _pyarrow),
}

"""Reads records from a value: an XCom value, a mapped task's outputs, a list in the DAG, or a JSON string."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.frames import Frame, frame_of
from airflow_provider_blux.sources.json_text import json_text
from airflow_provider_blux.sources.rows import NO_SEQUENCE, ONE_RECORD, is_one_value, is_row, items_of

# Airflow's class name for the outputs of a mapped task (2.11 and 3), its only lazy sequence that supports slices.
_MAPPED_OUTPUTS = "LazyXCom"
# Outputs are fetched over HTTP, with one request for each item or slice. The first output is fetched alone to see how
# many records it holds; then a slice is chosen to hold about _RECORDS_A_SLICE records.
_OUTPUTS_A_SLICE = 100
_RECORDS_A_SLICE = 10_000


class InlineSource:
    """Records from a value.

    :param value: a list; a mapped task's outputs (a lazy sequence of lists, frames or records); the result of ``map``,
        ``concat`` or ``zip`` on upstream outputs; a pandas or polars DataFrame; a pyarrow Table; or a JSON string of a
        list. If an item of a list or sequence is itself a list or a frame, the records in it are read.
    """

    def __init__(self, value: Any, name: str) -> None:
        self._name = name
        self._records = self._sequence(value)

    def __str__(self) -> str:
        return self._name

    def place_of(self, number: int) -> str:
        """Return the position of a record, whose number is 1-based, as text for messages."""
        return f"record {number:,} of {self}"

    def __len__(self) -> int:
        """Return the number of records; 0 if it is unknown, as for the outputs of a mapped task."""
        if isinstance(self._records, list | tuple):
            return sum(1 if isinstance(item, ONE_RECORD) else len(self._parts(item)) for item in self._records)
        return len(self._records) if isinstance(self._records, Frame) else 0

    def __iter__(self) -> Iterator[Any]:
        if _is_mapped(self._records):
            yield from self._fetched(self._records)
        else:
            yield from self._flat(items_of(self._records))

    def _fetched(self, outputs: Sequence[Any]) -> Iterator[Any]:
        start, size, total = 0, 1, len(outputs)
        while start < total:
            fetched = outputs[start : start + size]
            records = 0
            for record in self._flat(fetched):
                records += 1
                yield record
            start += size
            each = max(1, records // size)
            size = max(1, min(_OUTPUTS_A_SLICE, _RECORDS_A_SLICE // each))

    def _flat(self, items: Any) -> Iterator[Any]:
        for item in items:
            if isinstance(item, ONE_RECORD):
                yield item
            else:
                yield from items_of(self._parts(item))

    def _parts(self, item: Any) -> Any:
        """Return the records of one item: those in it if it is a list or a frame, else the item as the only record."""
        if isinstance(item, Sequence) and not isinstance(item, NO_SEQUENCE):
            return (item,) if self._is_row(item) else item
        frame = frame_of(item, self._name)
        return (item,) if frame is None else frame

    def _is_row(self, item: Any) -> bool:
        """Return whether an item is a database row (a tuple of values), which counts as one record.

        The outputs of a mapped task are never database rows: a task may return its records as a tuple.
        """
        return (
            (isinstance(item, tuple) or is_row(item))
            and len(item) > 1
            and not all(isinstance(x, Mapping) for x in item)
            and not _is_mapped(self._records)
        )

    def _sequence(self, value: Any) -> Any:
        if isinstance(value, str):
            value = self._parsed(value)
        if value is None:
            raise BluxConfigError(
                f"{self._name} is None: the upstream task returned nothing. Return an empty list when there is "
                "nothing to send."
            )
        try:
            frame = frame_of(value, self._name)
        except BluxSourceError as error:  # a configuration error, since a retry gets the same value
            raise BluxConfigError(error.message) from None
        if frame is not None:
            return frame
        if isinstance(value, Sequence) and not is_one_value(value):
            return value
        raise BluxConfigError(
            f"{self._name} is of type {type(value).__name__}; it must be a list of records, the outputs of a mapped "
            "task, a DataFrame of pandas or polars, a Table of pyarrow, or a JSON string that holds a list."
        )

    def _parsed(self, text: str) -> Any:
        try:
            return json_text(text, self._name)
        except (ValueError, RecursionError) as error:
            where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
            raise BluxConfigError(
                f"{self._name} is text, but not a JSON list{where}. A template such as {{{{ ti.xcom_pull(...) }}}} "
                f"gives Python's notation, not JSON: pass the upstream task's output ({self._name}=task.output). "
                "For a file use path."
            ) from None


def _is_mapped(value: Any) -> bool:
    return type(value).__name__.startswith(_MAPPED_OUTPUTS)

"""Reads records from a function: from its return value, or from the values that it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.frames import frame_of
from airflow_provider_blux.sources.json_text import json_text
from airflow_provider_blux.sources.rows import ONE_RECORD, close, is_one_value, items_of, yielded

_ACCEPTED = (
    "It must return or yield records: a list or another iterable of them, a DataFrame of pandas or polars, a Table of "
    "pyarrow, or a JSON string of a list. For the path of a file or a query, use the operator, with path or sql."
)


class FunctionSource:
    """Records of a function, which is called again for each read.

    If the function yields a frame, its rows are records. If it yields a list, the list counts as one invalid record,
    because it is unclear whether its items are records.

    :param call: the function with its arguments already bound.
    :param name: the name of the function, for messages.
    """

    def __init__(self, call: Callable[[], Any], name: str) -> None:
        self._call = call
        self._name = name
        self._made: Any = None

    def __str__(self) -> str:
        return f"{self._name}()"

    def place_of(self, number: int) -> str:
        """Return the position of a record, whose number is 1-based, as text for messages."""
        return f"record {number:,} of {self}"

    def __iter__(self) -> Iterator[Any]:
        """Yield the records.

        :raises BluxConfigError: the function did not return records, or it yields some and also returns a value.
        :raises BluxSourceError: the function returned text that is not JSON.
        """
        self.close()
        self._made = self._call()
        for item in yielded(items_of(self._records(self._made)), f"{self} yields records"):
            frame = None if isinstance(item, ONE_RECORD) else frame_of(item, str(self))
            if frame is None:
                yield item
            else:
                yield from frame

    def close(self) -> None:
        """Close the generator of a function that yields, so that its resources are released at once.

        An error during closing is only logged.
        """
        made, self._made = self._made, None
        if isinstance(made, Iterator) and hasattr(made, "close"):
            close(made, str(self))

    def once(self) -> Iterator[Any]:
        """Return an iterator over the records of one call, with the name of the function."""
        return _Once(self)

    def _records(self, made: Any) -> Iterable[Any]:
        if isinstance(made, str):
            made = self._parsed(made)
        if (frame := frame_of(made, str(self))) is not None:
            return frame
        if isinstance(made, Iterable) and not is_one_value(made):
            return made
        raise BluxConfigError(f"{self} returned a value of type {type(made).__name__}. {_ACCEPTED}")

    def _parsed(self, text: str) -> Any:
        try:
            return json_text(text, str(self))
        except (ValueError, RecursionError):
            raise BluxSourceError(f"{self} returned text that is not JSON. {_ACCEPTED}") from None


class _Once(Iterator[Any]):
    """The records of one call of a function."""

    def __init__(self, source: FunctionSource) -> None:
        self._name = str(source)
        self._records = iter(source)

    def __str__(self) -> str:
        return self._name

    def __next__(self) -> Any:
        return next(self._records)

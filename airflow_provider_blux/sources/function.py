"""Records that a function makes: those it returns, or those it yields one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.frames import frame_of
from airflow_provider_blux.sources.json_text import json_text
from airflow_provider_blux.sources.rows import ONE_RECORD, items_of

_ACCEPTED = (
    "It must return or yield records: a list or another iterable of them, a DataFrame of pandas or polars, a Table of "
    "pyarrow, or a JSON string of a list. For the path of a file or a query, use the operator, with path or sql."
)
log = logging.getLogger(__name__)


class FunctionSource:
    """Records of a function, which is called again each time that they are read.

    A frame that it yields is read row by row. A list that it yields is one record, and no valid one: which of its items
    are records is not guessed.

    :param call: calls the function.
    :param name: what the function is called, for messages.
    """

    def __init__(self, call: Callable[[], Any], name: str) -> None:
        self._call = call
        self._name = name
        self._made: Any = None

    def __str__(self) -> str:
        return f"{self._name}()"

    def place_of(self, number: int) -> str:
        """Return which record of the function it is (1-based)."""
        return f"record {number:,} of {self}"

    def __iter__(self) -> Iterator[Any]:
        """Yield the records.

        :raises BluxConfigError: the function returned something else.
        :raises BluxSourceError: it returned text that is no JSON.
        """
        self.close()
        self._made = self._call()
        for item in items_of(self._records(self._made)):
            frame = None if isinstance(item, ONE_RECORD) else frame_of(item, str(self))
            if frame is None:
                yield item
            else:
                yield from frame

    def close(self) -> None:
        """End the function where it is still at work, so that what it has opened is closed now."""
        made, self._made = self._made, None
        if isinstance(made, Iterator) and hasattr(made, "close"):
            try:
                made.close()
            except Exception as error:  # noqa: BLE001 - how the delivery ended is what counts
                log.warning("%s could not be closed (%s).", self, type(error).__name__)

    def _records(self, made: Any) -> Iterable[Any]:
        if isinstance(made, str):
            made = self._parsed(made)
        if (frame := frame_of(made, str(self))) is not None:
            return frame
        if isinstance(made, Iterable) and not isinstance(made, str | bytes | bytearray | memoryview | Mapping):
            return made
        raise BluxConfigError(f"{self} returned a value of type {type(made).__name__}. {_ACCEPTED}")

    def _parsed(self, text: str) -> Any:
        try:
            return json_text(text, str(self))
        except (ValueError, RecursionError):
            raise BluxSourceError(f"{self} returned text that is not JSON. {_ACCEPTED}") from None

"""Records that are there already: an XCom value, a mapped task's outputs, a list in the DAG, a JSON string."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_blux.exceptions import BluxSourceError

# A mapped task's outputs are fetched over HTTP, one request for each item or for each slice.
_SLICE = 100


class InlineSource:
    """Records from a value.

    :param value: a list, a mapped task's outputs (a lazy sequence of lists or records), or a JSON string of a list.
        A list inside the list is flattened one level.
    :param name: what the value is called, for messages (``users``).
    """

    def __init__(self, value: Any, name: str) -> None:
        self._name = name
        self._records = self._sequence(value)

    def __str__(self) -> str:
        return self._name

    def __len__(self) -> int:
        return len(self._records) if isinstance(self._records, list) else 0

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self._records), _SLICE):
            for item in self._records[start : start + _SLICE]:
                if isinstance(item, list | tuple):
                    yield from item
                else:
                    yield item

    def _sequence(self, value: Any) -> Sequence[Any]:
        if isinstance(value, str):
            value = self._parsed(value)
        if value is None:
            raise BluxSourceError(
                f"{self._name} is None: the upstream task returned nothing. Return an empty list when there is "
                "nothing to send."
            )
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
            return value
        raise BluxSourceError(
            f"{self._name} is of type {type(value).__name__}; it must be a list of records, the outputs of a mapped "
            "task, or a JSON string that holds a list."
        )

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
            raise BluxSourceError(
                f"{self._name} is text, but not a JSON list{where}. A template such as {{{{ ti.xcom_pull(...) }}}} "
                f"gives Python's notation, not JSON; pass the upstream task's output itself ({self._name}=task.output)."
            ) from None

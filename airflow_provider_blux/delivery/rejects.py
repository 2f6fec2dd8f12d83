"""The records that were not delivered, with the reason, in a file that only the DAG's owner reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_blux.delivery.batches import Reject
from airflow_provider_blux.delivery.folder import Folder
from airflow_provider_blux.delivery.lines import Lines
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.line import parsed


class RejectsFile:
    """The lines of one try: ``record_number``, ``outcome``, ``field``, ``reason``, ``record``; thread-safe."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._lines = Lines(folder, name)

    @property
    def urls(self) -> list[str]:
        """Where the lines lie; empty as long as there are none."""
        return self._lines.urls

    def add(self, rejects: Sequence[Reject]) -> None:
        """Add records; they are durable after the next flush."""
        self._lines.add([_line(reject) for reject in rejects])

    def flush(self) -> None:
        """Return when everything that was added is where it will outlive this process."""
        self._lines.flush()


def _line(reject: Reject) -> bytes:
    record = parsed(reject.record)
    if isinstance(record, BluxRecordError):  # nobody could read it
        record = None
    try:
        line = json.dumps(_plain({**reject._asdict(), "record": record}))
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
        line = json.dumps({**reject._asdict(), "record": None})
    return line.encode()


def _plain(value: Any) -> Any:
    """Return what JSON can carry; a record may have been rejected because it cannot."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return str(value)

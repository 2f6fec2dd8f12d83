"""The records that were not delivered, with the reason, in a file that only the DAG's owner reads."""

from __future__ import annotations

import json
import math
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_blux.delivery.batches import Reject
from airflow_provider_blux.delivery.folder import Folder

_IN_MEMORY = 1_000_000


class RejectsFile:
    """One JSON-lines file of a try (``record_number``, ``outcome``, ``field``, ``reason``, ``record``); thread-safe.

    A local file grows line by line. An object can only be written whole, so it is written anew with every flush.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        folder.prepare()
        self._folder = folder
        self._name = f"{name}.jsonl"
        self._all = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by close()
        self._new: list[bytes] = []
        self._lock = threading.Lock()
        self._is_empty = True

    @property
    def url(self) -> str | None:
        """Where the file lies; ``None`` as long as it has no line."""
        return None if self._is_empty else self._folder.url(self._name)

    def add(self, rejects: Sequence[Reject]) -> None:
        """Add records; they are durable after the next flush."""
        with self._lock:
            self._new.extend(_line(reject) for reject in rejects)
            self._is_empty = self._is_empty and not rejects

    def flush(self) -> None:
        """Return when everything that was added is where it will outlive this process."""
        with self._lock:
            if self._new:
                self._write(b"".join(self._new))
                self._new.clear()

    def _write(self, content: bytes) -> None:
        if self._folder.is_local:
            self._folder.append(self._name, content)
        else:
            self._all.write(content)
            self._all.seek(0)
            self._folder.write(self._name, self._all.read())

    def close(self) -> None:
        """Flush, and let go of what was kept."""
        self.flush()
        self._all.close()


def _line(reject: Reject) -> bytes:
    return json.dumps(_plain(reject._asdict()), ensure_ascii=True).encode() + b"\n"


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

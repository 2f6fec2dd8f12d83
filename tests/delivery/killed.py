"""A delivery in a separate process, which a test kills: ``python -m tests.delivery.killed CONNECTION FOLDER HOW``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.checkpoint_store import FileStore
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.storage import Folder
from tests.delivery.pushing import push

EVENTS = [{"name": "viewed", "user_id": f"u{number % 7}", "id": str(number)} for number in range(3000)]


class Elsewhere:
    """An emulator in another process; a delivery needs only its connection."""

    def __init__(self, connection: dict[str, Any]) -> None:
        self._connection = connection

    def connection(self) -> dict[str, Any]:
        return self._connection


def deliver(
    blux: Any, folder: Path, on_unknown: str, name: str, *, events: Sequence[Any] = EVENTS, **options: Any
) -> Any:
    place = Folder(LocalFileSystem(), str(folder), "folder")
    return push(
        blux,
        "send_events",
        events,
        store=FileStore(place, "task"),
        rejects=RejectsFile(place, name, "send_events"),
        batch_size=10,
        on_unknown=on_unknown,
        max_rejects=len(events),
        **options,
    )


if __name__ == "__main__":
    deliver(Elsewhere(json.loads(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], "try1", rate_limit=200.0)

"""The files that are delivered: each is written once, when it is first asked for."""

from __future__ import annotations

from pathlib import Path

from benchmarks import rows
from benchmarks.table import say

_WRITE = {
    "users": rows.write_users,
    "narrow users": rows.write_narrow_users,
    "ids": rows.write_ids,
    "events": rows.write_events,
}


class Files:
    """Files in a folder that goes when the benchmark ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, what: str, count: int, source: rows.SourceFormat) -> str:
        """Return the file of so many ``users``, ``narrow users``, ``ids`` or ``events``."""
        path = self.folder / f"{what.replace(' ', '-')}-{count}.{source}"
        if not path.exists():
            say(f"writing {count:,} {what} as {source} ...")
            _WRITE[what](path, count, source)
        return str(path)

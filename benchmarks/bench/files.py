"""The files that are delivered: each is written once, when it is first asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.bench.contenders.task import Task
from benchmarks.table import say


class Files:
    """Files in a folder that goes when the benchmark ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, what: str, count: int, file_format: str) -> str:
        """Return the file of so many of one of :data:`benchmarks.rows.ROWS`; its format is its suffix."""
        name = "".join(letter if letter.isalnum() else "-" for letter in what)
        path = self.folder / f"{name}-{count}.{file_format}"
        if not path.exists():
            if count > 1:
                say(f"writing {count:,} {what} as {file_format} ...")
            rows.write(path, what, count)
        return str(path)

    def task(
        self, url: str, what: str, count: int, file_format: str = "jsonl", *, limit: float = 0, **more: Any
    ) -> Task:
        """Return the task to deliver a file.

        :param more: other fields of the task; ``max_users`` is raised to what the file needs.
        """
        # The guard of deletions stays on: raise it to delete so many.
        guard = {"max_users": count} if what == "ids" else {}
        return Task(
            url=url,
            what=what,
            source={"path": self.path(what, count, file_format)},
            sample={"path": self.path(what, 1, file_format)},
            limit=limit,
            **{**more, "arguments": {**guard, **more.get("arguments", {})}},
        )

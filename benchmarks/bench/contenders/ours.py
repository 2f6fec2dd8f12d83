"""This package: rows from a file through its own source, checks, shapes and delivery, all of them on."""

from __future__ import annotations

from collections.abc import Callable

from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from airflow_provider_blux.api.endpoints import Api, Operation
from airflow_provider_blux.delivery.storage import FileStore, Folder
from airflow_provider_blux.sources.files import StorageSource
from benchmarks.bench.contenders.task import Counts, Task, measured
from benchmarks.delivering import deliver, unpaced

#: The operation and the API by what is delivered.
KINDS: dict[str, tuple[Operation, Api]] = {
    "users": ("upsert_users", "application"),
    "narrow users": ("upsert_users", "application"),
    "ids": ("delete_users", "application"),
    "events": ("send_events", "open"),
}


def ready(task: Task) -> Callable[[], Counts]:
    """Return the work."""
    operation, api = KINDS[task.what]
    options = unpaced(operation, api)
    if task.limit:
        options["rate_limit"] = task.limit
    if task.concurrency:
        options["concurrency"] = task.concurrency
    if task.store:
        options["store"] = FileStore(Folder(LocalFileSystem(), task.store, "checkpoint_path"), "task")
    source = StorageSource(task.path)
    # Its first row brings what is imported, and opened, only when it is needed.
    next(iter(source))

    def work() -> Counts:
        report = deliver(task.url, operation, source, api=api, **options)
        return {"delivered": report.delivered, "resumed": report.resumed}

    return work


if __name__ == "__main__":
    measured(ready)

"""This package: rows from a file through its own source, checks, shapes and delivery, all of them on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from airflow_provider_blux.api.endpoints import Api, Operation, endpoints_for
from airflow_provider_blux.delivery.folder import Folder
from airflow_provider_blux.delivery.settings import CONCURRENCY
from airflow_provider_blux.delivery.stores import FileStore
from airflow_provider_blux.sources.storage import StorageSource
from benchmarks.bench.contenders.task import Counts, Task, measured
from benchmarks.delivering import UNPACED, deliver

#: The operation and the API by what is delivered.
KINDS: dict[str, tuple[Operation, Api]] = {
    "users": ("upsert_users", "application"),
    "ids": ("delete_users", "application"),
    "events": ("send_events", "open"),
}


def ready(task: Task) -> Callable[[], Counts]:
    """Return the work."""
    operation, api = KINDS[task.what]
    # As many in flight as with the published rate, although none is kept to where there is no limit.
    published = math.ceil(endpoints_for(operation, api)[0].max_rate)
    options: dict[str, Any] = {
        "rate_limit": task.limit or UNPACED,
        "concurrency": task.concurrency or max(CONCURRENCY, published),
    }
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

"""A custom destination of dlt with its defaults, which sends one batch after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import requests

from benchmarks.bench.contenders.flat_rows import BATCH_SIZE, HEADERS, PATH, batches
from benchmarks.bench.contenders.task import Counts, Task, run

# Read when dlt is imported: nothing is told to its makers, and all is kept in a folder that goes with this process.
_folder = tempfile.TemporaryDirectory(prefix="blux_dlt_")
os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=_folder.name, DLT_PROJECT_DIR=_folder.name)
import dlt  # noqa: E402
from dlt.common.runtime import run_context  # noqa: E402

# No variable moves the folder for the id of the installation, which is written although nothing is told.
run_context.global_dir = lambda: _folder.name


def prepare(task: Task) -> Callable[[], Counts]:
    """Return the work."""
    _run("warm_up", [[{"user_id": "nobody"}]], list.clear)

    def work() -> Counts:
        delivered = 0
        with requests.Session() as session:
            session.headers.update(HEADERS)

            def send(users: list[dict[str, Any]]) -> None:
                nonlocal delivered
                session.post(task.url + PATH, json={"users": users}, timeout=30).raise_for_status()
                delivered += len(users)

            _run("users", batches(task.path), send)
        return {"delivered": delivered}

    return work


def _run(name: str, lists: Iterable[list[dict[str, Any]]], send: Callable[[list[dict[str, Any]]], None]) -> None:
    @dlt.destination(batch_size=BATCH_SIZE, name="crm")
    def crm(items: list[dict[str, Any]], table: Any) -> None:  # noqa: ARG001 - dlt calls it with both
        send(items)

    pipeline = dlt.pipeline(name, destination=crm, pipelines_dir=_folder.name)
    pipeline.run(lists, table_name=name)


if __name__ == "__main__":
    run(prepare)

"""This package: an operator with its default arguments, all of its checks on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from benchmarks.bench.contenders.task import Counts, Task, run
from benchmarks.delivering import deliver, unlimited

_COUNTS = ("read", "delivered", "rejected", "unchanged", "merged", "unknown", "resumed")


def prepare(task: Task) -> Callable[[], Counts]:
    """Return the work."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    # Where the server has a limit it is the published one, which the operator keeps by default.
    arguments = {**({} if task.limit else unlimited(task.what)), **task.arguments}
    # What the first delivery imports is not measured; the snapshot is read by the second.
    once = {name: value for name, value in arguments.items() if name != "snapshot_path"}
    deliver(task.url, task.what, **{**once, **task.sample, "validate_only": True, "resume": False})
    get_hook_lineage_collector()  # imports what the end of a delivery needs, which validate_only leaves out
    if task.stage == "read":
        return lambda: _read(task)

    def work() -> Counts:
        report = deliver(
            task.url,
            task.what,
            try_number=task.try_number,
            validate_only=task.stage == "check",
            **arguments,
            **task.source,
        )
        return {name: report[name] for name in _COUNTS}

    return work


def _read(task: Task) -> Counts:
    from airflow_provider_blux.sources.files import StorageSource

    deque(StorageSource(task.path), maxlen=0)
    return {"read": 0, "delivered": 0}


if __name__ == "__main__":
    run(prepare)

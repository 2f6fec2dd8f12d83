"""A ``requests.Session``, called for one batch after the other: what a ``PythonOperator`` mostly holds."""

from __future__ import annotations

from collections.abc import Callable

import requests

from benchmarks.bench.contenders.flat_rows import HEADERS, PATH, batches
from benchmarks.bench.contenders.task import Counts, Task, run


def prepare(task: Task) -> Callable[[], Counts]:
    """Return the work."""

    def work() -> Counts:
        delivered = 0
        with requests.Session() as session:
            session.headers.update(HEADERS)
            for users in batches(task.path):
                session.post(task.url + PATH, json={"users": users}, timeout=30).raise_for_status()
                delivered += len(users)
        return {"delivered": delivered}

    return work


if __name__ == "__main__":
    run(prepare)

"""Airflow's own ``HttpHook``, called for one batch after the other: what the guides show."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from airflow.providers.http.hooks.http import HttpHook

from benchmarks.bench.contenders.flat_rows import HEADERS, PATH, batches
from benchmarks.bench.contenders.task import Counts, Task, run


def prepare(task: Task) -> Callable[[], Counts]:
    """Return the work."""
    os.environ["AIRFLOW_CONN_CRM"] = json.dumps({"conn_type": "http", "host": task.url})
    hook = HttpHook(method="POST", http_conn_id="crm")
    hook.get_conn()  # imports what looks a connection up

    def work() -> Counts:
        delivered = 0
        for users in batches(task.path):
            hook.run(PATH, data=json.dumps({"users": users}), headers=HEADERS)
            delivered += len(users)
        return {"delivered": delivered}

    return work


if __name__ == "__main__":
    run(prepare)

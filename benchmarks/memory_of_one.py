"""One delivery that measures itself: ``python -m benchmarks.memory_of_one URL users|ids FILE``, for the table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow_provider_blux.sources.sql import SqlSource
from airflow_provider_blux.sources.storage import StorageSource
from benchmarks.delivering import deliver
from benchmarks.rows import user
from benchmarks.table import say

# High enough that no request waits for its turn.
_UNPACED = 100_000.0


def _source(path: str) -> Iterable[Any]:
    if path.endswith(".sqlite"):
        source: Iterable[Any] = SqlSource(f"SELECT {', '.join(user(0))} FROM users", conn_id="benchmark")  # noqa: S608
    else:
        source = StorageSource(path)
    # Its first row brings what is imported, and opened, only when it is needed.
    next(iter(source))
    return source


def _megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not tell {field}")


def main() -> None:
    """Deliver, and write what it took as JSON."""
    url, what, path = sys.argv[1:]
    source = _source(path)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of the imports is not the delivery's
    start, began, cpu = _megabytes("VmRSS"), time.monotonic(), time.process_time()
    operation: Any = "upsert_users" if what == "users" else "delete_users"
    report = deliver(url, operation, source, rate_limit=_UNPACED)
    took = {
        "delivered": report.delivered,
        "start": start,
        "peak": _megabytes("VmHWM"),
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - cpu,
    }
    say(json.dumps(took))


if __name__ == "__main__":
    main()

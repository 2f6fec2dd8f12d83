"""One delivery that measures itself: ``python -m benchmarks.memory_of_one URL users|ids FILE``, for the table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from airflow_provider_blux.sources.files import StorageSource
from airflow_provider_blux.sources.sql import SqlSource
from benchmarks.delivering import deliver, unpaced
from benchmarks.measuring import Measuring
from benchmarks.rows import user
from benchmarks.table import say


def _source(path: str) -> Iterable[Any]:
    if path.endswith(".sqlite"):
        source: Iterable[Any] = SqlSource(f"SELECT {', '.join(user(0))} FROM users", conn_id="benchmark")  # noqa: S608
    else:
        source = StorageSource(path)
    # Its first row brings what is imported, and opened, only when it is needed.
    next(iter(source))
    return source


def main() -> None:
    """Deliver, and write what it took as JSON."""
    url, what, path = sys.argv[1:]
    source = _source(path)
    operation: Any = "upsert_users" if what == "users" else "delete_users"
    with Measuring() as took:
        report = deliver(url, operation, source, **unpaced(operation))
    say(json.dumps({"delivered": report.delivered, **took.as_dict()}))


if __name__ == "__main__":
    main()

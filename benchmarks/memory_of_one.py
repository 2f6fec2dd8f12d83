"""One delivery that measures itself: ``python -m benchmarks.memory_of_one URL users|ids FILE``, for the table."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.settings import CONCURRENCY
from airflow_provider_blux.sources.sql import SqlSource
from airflow_provider_blux.sources.storage import StorageSource
from benchmarks.delivering import UNPACED, deliver
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
    # As many in flight as with the published rate, although none is kept to.
    concurrency = max(CONCURRENCY, math.ceil(endpoints_for(operation, "application")[0].max_rate))
    with Measuring() as took:
        report = deliver(url, operation, source, rate_limit=UNPACED, concurrency=concurrency)
    say(json.dumps({"delivered": report.delivered, **took.as_dict()}))


if __name__ == "__main__":
    main()

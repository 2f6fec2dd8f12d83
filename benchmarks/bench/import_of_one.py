"""One import of our operators, in a process that has parsed an empty DAG: ``python -m benchmarks.bench.import_of_one``.

What this module itself imports would be missing from what the operators import, so it is little.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module

LIBRARIES = ("pandas", "pyarrow", "redis", "msgspec", "ijson", "zstandard", "requests", "tenacity")


def main() -> None:
    """Import Airflow's own, then ours; write how long that took, and what it brought, as JSON."""
    began = time.perf_counter()
    _parse_an_empty_dag()
    airflow = time.perf_counter()
    before = set(sys.modules)
    import_module("airflow_provider_blux.operators.blux")
    ours = time.perf_counter()
    added = set(sys.modules) - before
    import json

    took = {
        "airflow_ms": (airflow - began) * 1000,
        "ms": (ours - airflow) * 1000,
        "modules": len(added),
        "added": [name for name in LIBRARIES if name in added],
    }
    sys.stdout.write(json.dumps(took) + "\n")


def _parse_an_empty_dag() -> None:
    from airflow.providers.common.compat.sdk import DAG, BaseOperator

    class Empty(BaseOperator):
        def execute(self, context: object) -> None:
            """Do nothing."""

    with DAG("empty", schedule=None):
        Empty(task_id="empty")


if __name__ == "__main__":
    main()

"""How Airflow finds the hook for MariaDB: as that of any provider, by an entry point; imports nothing of Airflow's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_NAME = "blux-benchmark-mariadb"
_HOOK = "benchmarks.bench.mariadb_hook.MariaDbHook"


def get_provider_info() -> dict[str, Any]:
    """Return what makes Airflow find the hook by the type of a connection."""
    hook = {"hook-class-name": _HOOK, "connection-type": "mariadb"}
    return {"package-name": _NAME, "name": "MariaDB", "description": __doc__, "connection-types": [hook]}


def install(folder: Path) -> None:
    """Make the hook known to every Airflow that is started from here, as the entry point of a distribution."""
    metadata = folder / "blux_benchmark_mariadb-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 1.0\n")
    entry_point = f"provider_info = {__name__}:{get_provider_info.__name__}"
    (metadata / "entry_points.txt").write_text(f"[apache_airflow_provider]\n{entry_point}\n")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))

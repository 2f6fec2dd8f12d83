"""What a delivery takes of memory and CPU when nothing limits its rate: ``python -m benchmarks.memory``.

Each source is delivered by a process of its own to a server that answers at once. Memory is the peak of the resident
set over where it stood after the imports, as the kernel counts both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import rows, servers
from benchmarks.home import settle_in
from benchmarks.table import machine, say, table

# What is delivered, and from where.
SOURCES: tuple[tuple[str, rows.SourceFormat], ...] = (
    ("users", "jsonl"),
    ("users", "csv"),
    ("users", "sqlite"),
    ("ids", "jsonl"),
    ("ids", "csv"),
)
COLUMNS = (
    "source",
    "records",
    "start (MB)",
    "peak over the start (MB)",
    "seconds",
    "records/s",
    "CPU s per 1M records",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every source and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--ids", type=int, default=10_000_000, help="(default: %(default)s)")
    parser.add_argument("--only", help="measure only sources whose name holds this text")
    options = parser.parse_args(arguments)
    measured = []
    with tempfile.TemporaryDirectory(prefix="blux_memory_") as folder:
        settle_in(Path(folder))
        for what, source in SOURCES:
            if (options.only or "") in f"{what} {source}":
                count = options.users if what == "users" else options.ids
                say(f"{count:,} {what} from {source} ...")
                measured.append(_measured(what, source, count, Path(folder)))
    say(f"\n{machine()}\n")
    say(table(COLUMNS, measured))


def _measured(what: str, source: rows.SourceFormat, count: int, folder: Path) -> list[object]:
    path = folder / f"{what}.{source}"
    (rows.write_users if what == "users" else rows.write_ids)(path, count, source)
    with servers.stub() as server:
        found = _delivered(server.url, what, path)
    path.unlink()
    if found["delivered"] != count:
        raise RuntimeError(f"{found['delivered']:,} of {count:,} were delivered")
    return [
        f"{what}, {source}",
        f"{count:,}",
        f"{found['start']:.0f}",
        f"{found['peak'] - found['start']:.1f}",
        f"{found['seconds']:.0f}",
        f"{count / found['seconds']:,.0f}",
        f"{found['cpu'] / count * 1e6:.2f}",
    ]


def _delivered(url: str, what: str, path: Path) -> dict[str, Any]:
    database = json.dumps({"conn_type": "sqlite", "host": str(path)})
    process = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.memory_of_one", url, what, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"AIRFLOW_CONN_BENCHMARK": database},
    )
    found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()

"""Ways in which a snapshot could keep its rows: how quickly they are read and looked up, and what a change writes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from statistics import median

from benchmarks.bench.files import Files
from benchmarks.bench.processes import run_module
from benchmarks.bench.section import Options, Section
from benchmarks.table import say

FORMATS = {
    "entries": "entries of 20 bytes, a file for each run (this package)",
    "parquet": "Parquet (pyarrow), a file for each run",
    "sqlite": "one SQLite file",
    "lmdb": "one LMDB file",
}


def measure(options: Options, files: Files) -> Section:  # noqa: ARG001 - nothing is delivered
    """Measure each format in a process of its own."""
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in FORMATS}
    for number in range(1, options.runs + 1):
        for name, runs in found.items():
            say(f"formats, run {number}: {options.users:,} users in {FORMATS[name]} ...")
            with tempfile.TemporaryDirectory(prefix="blux_format_") as folder:
                runs.append(run_module("one_format", name, str(options.users), folder))
    return section(options.users, found)


def section(count: int, found: Mapping[str, list[Mapping[str, float]]]) -> Section:
    """Return the table."""

    def of(name: str, what: str) -> float:
        return median(run[what] for run in found[name])

    return Section(
        title=f"Formats of a snapshot: {count:,} users, then 1 % of them changed",
        columns=("", "open (s)", "look up (µs)", "bytes a user", "to upload for 1 % (MB)", "memory (MB)"),
        rows=[
            (
                title,
                f"{of(name, 'open'):.2f}",
                f"{of(name, 'look_up') / count * 1e6:.2f}",
                f"{of(name, 'bytes') / count:.1f}",
                f"{of(name, 'changed') / 1e6:.2f}",
                f"{of(name, 'memory'):.0f}",
            )
            for name, title in FORMATS.items()
        ],
        notes=[
            "A file that is changed in place must be uploaded whole, since object storage can only replace it.",
            "The time to look up a user includes making the digest to look for, which is the same for all formats.",
        ],
    )

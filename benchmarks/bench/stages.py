"""Where the CPU time of our own deliveries goes: reading, shaping and checking, sending.

Each stage is measured with those before it: a source that is only read, a delivery with ``validate_only``, and a
whole one.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks import servers
from benchmarks.bench.contenders import OURS
from benchmarks.bench.files import Files
from benchmarks.bench.processes import usage_of
from benchmarks.bench.section import Options, Section
from benchmarks.rows import FileFormat
from benchmarks.table import say

_SOURCES: tuple[tuple[str, FileFormat], ...] = (
    ("users", "jsonl"),
    ("users", "csv"),
    ("users", "parquet"),
    ("events", "jsonl"),
    ("ids", "jsonl"),
    ("ids", "csv"),
    ("ids", "parquet"),
)
_STAGES = ("read", "check", "send")
# A file is read three times: a part of it is enough.
_PART = 5


def measure(options: Options, files: Files) -> Section:
    """Measure every stage of every source."""
    counts = {"users": options.users, "events": options.events, "ids": options.ids}
    runs: dict[tuple[str, FileFormat], list[list[float]]] = defaultdict(list)
    for number in range(1, options.runs + 1):
        for what, file_format in _SOURCES:
            say(f"stages, run {number}: {what} from {file_format} ...")
            count = max(counts[what] // _PART, 1)
            runs[what, file_format].append([_cpu(stage, what, count, file_format, files) for stage in _STAGES])
    return Section(
        title="Where the time goes (CPU s per 1M records)",
        columns=("", "reading", "shaping and checking", "sending", "whole"),
        rows=[(f"{what}, {file_format}", *row(of)) for (what, file_format), of in runs.items()],
    )


def row(runs: list[list[float]]) -> list[str]:
    """Return what each stage alone takes, and the whole.

    :param runs: of each run what each stage takes with those before it.
    """
    up_to = [median(of) for of in zip(*runs, strict=True)]
    alone = [after - before for before, after in pairwise([0.0, *up_to])]
    return [f"{seconds:.2f}" for seconds in (*alone, up_to[-1])]


def _cpu(stage: Any, what: str, count: int, file_format: FileFormat, files: Files) -> float:
    # The guard of deletions would read the source once more.
    arguments = {"max_users": None} if what == "ids" else {}
    with servers.stub() as server:
        task = files.task(server.url, what, count, file_format, stage=stage, arguments=arguments)
        return usage_of(OURS, task, count).cpu_a_million

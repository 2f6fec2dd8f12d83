"""Where the time of our own deliveries goes, stage by stage."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import median

from benchmarks import servers
from benchmarks.bench.files import Files
from benchmarks.bench.found import Found, Options
from benchmarks.bench.processes import told
from benchmarks.rows import SourceFormat
from benchmarks.table import say

_SOURCES: tuple[tuple[str, SourceFormat], ...] = (
    ("users", "jsonl"),
    ("users", "csv"),
    ("users", "parquet"),
    ("events", "jsonl"),
    ("ids", "jsonl"),
    ("ids", "csv"),
    ("ids", "parquet"),
)
# Each stage is done by itself after those before it, so that a file is read five times: a part of it is enough.
_PART = 5


def measure(options: Options, files: Files) -> Found:
    """Measure every stage of every source."""
    counts = {"users": options.users, "events": options.events, "ids": options.ids}
    runs: dict[tuple[str, SourceFormat], list[list[float]]] = defaultdict(list)
    names: list[str] = []
    for number in range(1, options.runs + 1):
        for what, source in _SOURCES:
            say(f"stages, run {number}: {what} from {source} ...")
            count = max(counts[what] // _PART, 1)
            path = files.path(what, count, source)
            with servers.stub() as server:
                up_to = told("stages_of_one", server.url, what, path)
            names = list(up_to)
            runs[what, source].append([seconds / count * 1e6 for seconds in up_to.values()])
    return Found(
        title="Where the time goes (CPU s per 1M records)",
        columns=("", *names, "whole"),
        rows=[(f"{what}, {source}", *_row(of)) for (what, source), of in runs.items()],
        goals=[],
    )


def _row(runs: list[list[float]]) -> list[str]:
    up_to = [median(of) for of in zip(*runs, strict=True)]
    alone = [after - before for before, after in pairwise([0.0, *up_to])]
    return [f"{seconds:.2f}" for seconds in (*alone, up_to[-1])]

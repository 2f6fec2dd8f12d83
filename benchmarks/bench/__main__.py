"""This package and what people would use instead, side by side in one run on one stub: ``make bench``.

Pace, cost of CPU and memory, where the time goes, requests in flight, rejects, the start of a task, the import, the
retry, sending only what has changed, and formats of a snapshot, each at the median of several runs; in the end a table
of the goals. Everything of ours goes through an operator with its default arguments. It measures and does not judge:
the exit code is 0 also where a goal is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bench import changes, cost, formats, imports, in_flight, pace, rejects, resume, stages, start
from benchmarks.bench.files import Files
from benchmarks.bench.section import GOAL_COLUMNS, Goal, Options, Section
from benchmarks.home import settle_in
from benchmarks.table import machine, say, table

SECTIONS: dict[str, Callable[[Options, Files], Section]] = {
    "pace": pace.users,
    "deletions": pace.deletions,
    "cost": cost.measure,
    "stages": stages.measure,
    "in-flight": in_flight.measure,
    "rejects": rejects.measure,
    "start": start.measure,
    "import": imports.measure,
    "resume": resume.measure,
    "changes": changes.measure,
    "formats": formats.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every section, print its table, and in the end whether the goals are reached."""
    options, only = _options(arguments)
    began = time.monotonic()
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="blux_bench_") as folder:
        settle_in(Path(folder))
        files = Files(Path(folder))
        for name in only:
            try:
                found = SECTIONS[name](options, files)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                # The other sections took long, and are worth having all the same.
                say(f"\n**{name} could not be measured: {error}**\n")
                continue
            say(f"\n### {found.title}\n\n{machine()}, median of {options.runs}\n")
            say(table(found.columns, found.rows))
            say("\n".join(["", *found.notes]))
            goals += found.goals
    say(f"### Goals\n\n{machine()}, median of {options.runs}, {time.monotonic() - began:.0f} s in all\n")
    say(table(GOAL_COLUMNS, [goal.row() for goal in goals]))


def _options(arguments: Sequence[str] | None) -> tuple[Options, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="(default: all)")
    parser.add_argument("--runs", type=int, default=3, help="of each number (default: %(default)s)")
    parser.add_argument("--users", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--peer-users", type=int, default=200_000, help="users for others (default: %(default)s)")
    parser.add_argument("--ids", type=int, default=10_000_000, help="(default: %(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of a paced run (default: %(default)s)")
    parser.add_argument("--latency", type=float, nargs="+", default=[0.05, 0.2, 0.8], help="(default: %(default)s)")
    parser.add_argument(
        "--sources",
        nargs="+",
        choices=changes.SOURCES,
        default=changes.SOURCES,
        help="of changes, beside jsonl (default: all)",
    )
    given = parser.parse_args(arguments)
    only = given.only
    del given.only
    return Options(**vars(given)), only


if __name__ == "__main__":
    main()

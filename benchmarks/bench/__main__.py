"""This package and what people would use instead, side by side in one run on one stub: ``make bench``.

Pace, cost of CPU and memory, where the time goes, the start of a task, the import and the resume, each at the median
of several runs; in the end a table of the goals. It measures and does not judge: the exit code is 0 also where a goal
is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bench import cost, imports, pace, resume, stages, start
from benchmarks.bench.files import Files
from benchmarks.bench.found import GOAL_COLUMNS, Found, Goal, Options
from benchmarks.home import settle_in
from benchmarks.table import machine, say, table

SECTIONS: dict[str, Callable[[Options, Files], Found]] = {
    "pace": pace.users,
    "deletions": pace.deletions,
    "cost": cost.measure,
    "stages": stages.measure,
    "start": start.measure,
    "import": imports.measure,
    "resume": resume.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every section, print its table, and in the end where the goals stand."""
    options, only = _options(arguments)
    began = time.monotonic()
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="blux_bench_") as name:
        settle_in(Path(name))
        files = Files(Path(name))
        for section in only:
            try:
                found = SECTIONS[section](options, files)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                # The other sections took long, and are worth having all the same.
                say(f"\n**{section} could not be measured: {error}**\n")
                continue
            say(f"\n### {found.title}\n\n{machine()}, median of {options.runs}\n")
            say(table(found.columns, found.rows))
            say()
            goals += found.goals
    say(f"### Goals\n\n{machine()}, median of {options.runs}, {time.monotonic() - began:.0f} s in all\n")
    say(table(GOAL_COLUMNS, [goal.row() for goal in goals]))


def _options(arguments: Sequence[str] | None) -> tuple[Options, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="(default: all)")
    parser.add_argument("--runs", type=int, default=5, help="of each number (default: %(default)s)")
    parser.add_argument("--users", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--peer-users", type=int, default=200_000, help="users for others (default: %(default)s)")
    parser.add_argument("--ids", type=int, default=10_000_000, help="(default: %(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="of a paced run (default: %(default)s)")
    given = parser.parse_args(arguments)
    only = given.only
    del given.only
    return Options(**vars(given)), only


if __name__ == "__main__":
    main()

"""What the import of our operators adds to parsing a DAG."""

from __future__ import annotations

from statistics import median

from benchmarks.bench.files import Files
from benchmarks.bench.import_of_one import LIBRARIES
from benchmarks.bench.processes import run_module
from benchmarks.bench.section import Goal, Options, Section
from benchmarks.table import say

_GOAL_MS = 30
# requests and the like may come along; these may not. msgspec counts only where Airflow has not imported it before.
_UNWANTED = frozenset({"pandas", "pyarrow", "redis", "msgspec"})


def measure(options: Options, files: Files) -> Section:  # noqa: ARG001 - no file is needed
    """Measure the import in fresh processes."""
    run_module("import_of_one")  # compiles what has never been imported
    say(f"import, {options.runs} runs ...")
    runs = [run_module("import_of_one") for _ in range(options.runs)]
    ms = median(run["ms"] for run in runs)
    added = sorted({name for run in runs for name in run["added"]})
    airflow = median(run["airflow_ms"] for run in runs)
    return Section(
        title="Import of the operators",
        columns=("Airflow's own (ms)", "ours on top (ms)", "modules on top", f"which of {', '.join(LIBRARIES)}"),
        rows=[(f"{airflow:.0f}", f"{ms:.1f}", runs[0]["modules"], ", ".join(added) or "none")],
        goals=[goal(ms, added)],
    )


def goal(ms: float, added: list[str]) -> Goal:
    """Return whether the goal is reached."""
    unwanted = [name for name in added if name in _UNWANTED]
    return Goal(
        what="import of the operators module beyond Airflow's own",
        goal=f"at most {_GOAL_MS} ms, none of {', '.join(sorted(_UNWANTED))}",
        measured=f"{ms:.1f} ms, {', '.join(unwanted) or 'none'}",
        is_reached=ms <= _GOAL_MS and not unwanted,
    )

"""What it takes to send only what has changed, beside sending everything."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks import servers
from benchmarks.bench.contenders import OURS
from benchmarks.bench.cost import ratio
from benchmarks.bench.databases import DATABASES, Table, filled_tables
from benchmarks.bench.files import Files
from benchmarks.bench.processes import Usage, run_module, usage_of
from benchmarks.bench.section import Goal, Options, Section, at_most
from benchmarks.delivering import endpoint_for
from benchmarks.rows import FileFormat
from benchmarks.table import say

FORMATS: tuple[FileFormat, ...] = ("jsonl", "csv", "parquet")
SOURCES = (*FORMATS, *DATABASES)
#: All, then with a snapshot: a first time, again without a change, and with one user of a hundred changed.
ALL, FIRST, SAME, CHANGED = "all, no snapshot", "first run", "nothing changed", "1 % changed, at the published rate"
_SAME_GOAL, _FIRST_GOAL, _BYTES_GOAL = 0.5, 1.35, 0.03
_TEN_MILLION = 10_000_000
# Of ten million users more is asked, since what does not grow with their number weighs less.
_TIME_GOAL, _TIME_GOAL_OF_TEN_MILLION, _MEMORY_GOAL, _LOAD_GOAL = 1 / 20, 1 / 25, 400.0, 15.0

Runs = dict[tuple[str, str], list[Usage]]


def measure(options: Options, files: Files) -> Section:
    """Measure every source in turns."""
    runs: Runs = defaultdict(list)
    bytes_written, loads = [], []
    formats = [name for name in FORMATS if name == "jsonl" or name in options.sources]
    with filled_tables(options.users, files.folder, only=options.sources) as (tables, missing):
        for number in range(1, options.runs + 1):
            for source in [*formats, *(table.title for table in tables)]:
                say(f"changes, run {number}: {options.users:,} users from {source} ...")
                with tempfile.TemporaryDirectory(prefix="blux_snapshot_") as folder:
                    table = next((table for table in tables if table.title == source), None)
                    found = _runs(options.users, files, source, table, Path(folder))
                    if source == "jsonl":
                        loads.append(run_module("loading", folder))
                for what, (usage, share) in found.items():
                    runs[source, what].append(usage)
                    if share is not None:
                        bytes_written.append(share)
    return section(options.users, runs, bytes_written, loads, missing)


def section(
    count: int,
    runs: Runs,
    bytes_written: Sequence[float],
    loads: Sequence[Mapping[str, float]],
    missing: Mapping[str, str],
) -> Section:
    """Return the table, and whether the goals are reached.

    :param bytes_written: by a run with 1 % changed, of the whole snapshot.
    :param loads: what it took to load a snapshot.
    """
    load, read = (median(load[name] for load in loads) for name in ("load", "read"))
    return Section(
        title=f"Only what has changed: {count:,} users",
        columns=("from", "", "delivered", "CPU s per 1M", "of all", "memory over the start (MB)", "seconds"),
        rows=[
            (
                source,
                what,
                f"{of[0].delivered:,}",
                f"{median(usage.cpu_a_million for usage in of):.2f}",
                f"{ratio(of, runs[source, ALL]):.2f}",
                f"{median(usage.memory for usage in of):.1f}",
                f"{median(usage.seconds for usage in of):.1f}",
            )
            for (source, what), of in runs.items()
        ],
        goals=_goals(count, runs, median(bytes_written), load),
        notes=[
            f"Loading the snapshot took {load:.2f} s, reading its bytes {read:.2f} s.",
            f"A run with 1 % changed wrote {median(bytes_written):.2%} of what the whole snapshot takes.",
            *(f"Users from {database} were left out: {why}." for database, why in missing.items()),
        ],
    )


def _goals(count: int, runs: Runs, bytes_written: float, load: float) -> list[Goal]:
    sent_all = [usage.records / _users_a_second() for usage in runs["jsonl", CHANGED]]
    share = median(usage.seconds / all_ for usage, all_ in zip(runs["jsonl", CHANGED], sent_all, strict=True))
    is_large = count >= _TEN_MILLION
    goals = [
        at_most(
            f"time of a run with 1 % changed, of that for sending {count:,} users at the published rate",
            share,
            _TIME_GOAL_OF_TEN_MILLION if is_large else _TIME_GOAL,
        ),
        at_most("CPU of an unchanged row, of one that is sent, jsonl", _cpu(runs, SAME), _SAME_GOAL),
        at_most("CPU of a first run, of one without a snapshot, jsonl", _cpu(runs, FIRST), _FIRST_GOAL),
        at_most("bytes written with 1 % changed, of the whole snapshot", bytes_written, _BYTES_GOAL),
    ]
    if is_large:
        memory = median(usage.memory for usage in runs["jsonl", CHANGED])
        goals.append(at_most(f"memory over the start, {count:,} users, 1 % changed", memory, _MEMORY_GOAL, unit=" MB"))
        goals.append(at_most(f"loading a snapshot of {count:,} users", load, _LOAD_GOAL, unit=" s"))
    return goals


def _cpu(runs: Runs, what: str) -> float | None:
    return ratio(runs["jsonl", what], runs["jsonl", ALL])


def _users_a_second() -> float:
    endpoint = endpoint_for("users")
    return endpoint.max_rate * endpoint.max_records


def _runs(
    count: int, files: Files, source: str, table: Table | None, folder: Path
) -> dict[str, tuple[Usage, float | None]]:
    """Deliver from one source; return what each run took, and which share of the snapshot the last one wrote."""
    found: dict[str, tuple[Usage, float | None]] = {}
    with servers.stub() as server:
        for what in [ALL, FIRST, SAME, *([] if table else [CHANGED])]:
            arguments = {} if what == ALL else {"snapshot_path": str(folder)}
            if table:
                task = table.task(server.url, arguments=arguments)
            else:
                kind = "users, 1 % changed" if what == CHANGED else "users"
                limit = endpoint_for("users").max_rate if what == CHANGED else 0
                task = files.task(server.url, kind, count, source, limit=limit, arguments=arguments)
            whole, since = _size(folder), time.time()
            usage = usage_of(OURS, task, count)
            _check(what, usage, count)
            share = _size(folder, since) / whole if what == CHANGED else None
            found[what] = usage, share
    return found


def _size(folder: Path, since: float = 0) -> int:
    """Return the bytes in the files of a folder that were written since a moment (Unix time)."""
    sizes = [path.stat() for path in folder.iterdir()]
    return sum(size.st_size for size in sizes if size.st_mtime >= since)


def _check(what: str, usage: Usage, count: int) -> None:
    sent = {ALL: count, FIRST: count, SAME: 0, CHANGED: len(range(0, count, 100))}[what]
    if (usage.delivered, usage.delivered + usage.unchanged) != (sent, count):
        raise RuntimeError(
            f"{what}: {usage.delivered:,} of {count:,} were delivered and {usage.unchanged:,} unchanged; "
            f"{sent:,} should have been delivered"
        )

"""What a record costs that is rejected before it is sent, and written to the file of rejects."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks import servers
from benchmarks.bench.contenders import OURS
from benchmarks.bench.files import Files
from benchmarks.bench.processes import Usage, usage_of
from benchmarks.bench.section import Options, Section
from benchmarks.table import say

#: The share of the source that is rejected.
SOURCES = {"users": 0.0, "users, 10 % invalid": 0.1, "users, all invalid": 1.0}


def measure(options: Options, files: Files) -> Section:
    """Measure sources with more and more rejects, in turns."""
    count = max(options.users // 10, 10)
    runs: dict[str, list[Usage]] = defaultdict(list)
    for number in range(1, options.runs + 1):
        for what in SOURCES:
            say(f"rejects, run {number}: {count:,} {what} ...")
            runs[what].append(_run(what, count, files))
    return section(runs)


def section(runs: Mapping[str, Sequence[Usage]]) -> Section:
    """Return the table.

    :raises RuntimeError: another share was rejected than the source has.
    """
    for what, of in runs.items():
        for usage in of:
            if (usage.rejected, usage.delivered + usage.rejected) != (SOURCES[what] * usage.records, usage.records):
                raise RuntimeError(
                    f"{usage.rejected:,} of {usage.records:,} {what} were rejected and {usage.delivered:,} delivered"
                )
    return Section(
        title="Rejects: users from jsonl, without limit or latency",
        columns=("rejected", "records", "CPU us a row", "memory over the start (MB)", "records/s"),
        rows=[
            (
                f"{SOURCES[what]:.0%}",
                f"{of[0].records:,}",
                f"{median(usage.cpu_a_million for usage in of):.1f}",
                f"{median(usage.memory for usage in of):.1f}",
                f"{median(usage.records / usage.seconds for usage in of):,.0f}",
            )
            for what, of in runs.items()
        ],
    )


def _run(what: str, count: int, files: Files) -> Usage:
    with servers.stub() as server, tempfile.TemporaryDirectory() as folder:
        arguments = {"max_rejects": 1.0, "rejects_path": folder}
        return usage_of(OURS, files.task(server.url, what, count, arguments=arguments), count)

"""What it costs to go on with a delivery of which nine tenths are settled, of what the whole delivery costs.

The server answers one request with 401, which ends the first try; the second try finds what that has saved.
"""

from __future__ import annotations

import tempfile
from statistics import median

from airflow_provider_blux.api.endpoints import endpoints_for
from benchmarks import servers
from benchmarks.bench.contenders import OURS
from benchmarks.bench.contenders.task import Task
from benchmarks.bench.files import Files
from benchmarks.bench.found import Found, Goal, Options
from benchmarks.bench.processes import Took, delivered, failed
from benchmarks.table import say

_GOAL = 1 / 3
_BATCH = endpoints_for("upsert_users", "application")[0].max_records


def measure(options: Options, files: Files) -> Found:
    """Measure the whole delivery and the second try, in turns."""
    path = files.path("users", options.users, "jsonl")
    settled = options.users * 9 // 10 // _BATCH * _BATCH
    wholes, resumes = [], []
    for number in range(1, options.runs + 1):
        say(f"resume, run {number}: {settled:,} of {options.users:,} users settled ...")
        wholes.append(_whole(path))
        resumes.append(_resumed(path, settled))
    share = median(resumed.cpu / whole.cpu for resumed, whole in zip(resumes, wholes, strict=True))
    return Found(
        title=f"Resume: {options.users:,} users, {settled:,} of them settled",
        columns=("", "records sent", "CPU s", "seconds"),
        rows=[
            ("the whole delivery", f"{options.users:,}", *_row(wholes)),
            ("the second try", f"{options.users - settled:,}", *_row(resumes)),
        ],
        goals=[
            Goal(
                what="resume, nine tenths settled: CPU of that of sending all",
                goal="at most a third",
                measured=f"{share:.2f}",
                reached=share <= _GOAL,
            )
        ],
    )


def _row(runs: list[Took]) -> tuple[str, str]:
    return f"{median(run.cpu for run in runs):.2f}", f"{median(run.seconds for run in runs):.1f}"


def _whole(path: str) -> Took:
    with servers.stub() as server, tempfile.TemporaryDirectory() as store:
        return delivered(OURS, Task(url=server.url, path=path, store=store))


def _resumed(path: str, settled: int) -> Took:
    with servers.stub(refuse=settled // _BATCH + 1) as server, tempfile.TemporaryDirectory() as store:
        # One after the other, so that exactly those before it are settled when a request is refused.
        failed(OURS, Task(url=server.url, path=path, store=store, concurrency=1))
        took = delivered(OURS, Task(url=server.url, path=path, store=store))
    if took.resumed != settled:
        raise RuntimeError(f"resumed {took.resumed:,} records where {settled:,} were settled")
    return took

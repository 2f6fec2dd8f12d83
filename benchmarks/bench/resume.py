"""How long a retry takes to pass over what its first try has sent, beside the time that sending it takes.

The server answers one request with 401, which ends the first try; the retry finds the progress that it saved. A retry
reads, checks and digests again what is settled, to make sure that the source is the same.
"""

from __future__ import annotations

import tempfile
from statistics import median

from benchmarks import servers
from benchmarks.bench.contenders import OURS
from benchmarks.bench.files import Files
from benchmarks.bench.processes import Usage, expect_failure, usage_of
from benchmarks.bench.section import Options, Section
from benchmarks.delivering import endpoint_for
from benchmarks.table import say


def measure(options: Options, files: Files) -> Section:
    """Measure the retry of a delivery of which nine tenths are settled."""
    endpoint = endpoint_for("users")
    settled = options.users * 9 // 10 // endpoint.max_records * endpoint.max_records
    runs = []
    for number in range(1, options.runs + 1):
        say(f"resume, run {number}: {settled:,} of {options.users:,} users settled ...")
        runs.append(retry(files, options.users, settled))
    passed = median(seconds for seconds, _ in runs)
    sending = settled / endpoint.max_records / endpoint.max_rate
    return Section(
        title=f"Resume: {options.users:,} users, {settled:,} of them settled by the first try",
        columns=("", "seconds", "CPU s"),
        rows=[
            (f"sending the {settled:,} at {endpoint.max_rate:g} requests a second", f"{sending:,.0f}", ""),
            ("the retry, to its first request", f"{passed:.1f}", ""),
            ("the retry in all, without limit", *_row([usage for _, usage in runs])),
        ],
    )


def _row(runs: list[Usage]) -> tuple[str, str]:
    return f"{median(run.seconds for run in runs):.1f}", f"{median(run.cpu for run in runs):.1f}"


def retry(files: Files, users: int, settled: int) -> tuple[float, Usage]:
    """Return the seconds until the first request of the retry, and what it took in all."""
    sent = settled // endpoint_for("users").max_records
    with servers.stub(refuse=sent + 1) as server, tempfile.TemporaryDirectory() as store:
        # One after the other, so that exactly those before it are settled when a request is refused.
        first = files.task(server.url, "users", users, arguments={"checkpoint_path": store, "concurrency": 1})
        expect_failure(OURS, first)
        retry = files.task(server.url, "users", users, arguments={"checkpoint_path": store}, try_number=2)
        usage = usage_of(OURS, retry, users)
        arrived, _ = server.arrivals()[sent + 1]
    if usage.resumed != settled:
        raise RuntimeError(f"resumed {usage.resumed:,} records where {settled:,} were settled")
    return arrived - usage.began, usage

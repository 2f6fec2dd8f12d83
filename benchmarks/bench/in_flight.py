"""Whether ``concurrency`` is reached where a raised rate limit and the latency ask for it."""

from __future__ import annotations

from statistics import median

from benchmarks import servers
from benchmarks.bench.contenders import OURS
from benchmarks.bench.files import Files
from benchmarks.bench.processes import usage_of
from benchmarks.bench.section import Goal, Options, Section
from benchmarks.delivering import endpoint_for
from benchmarks.table import say

CONCURRENCY = (4, 32)
_RATE_LIMIT = 2000
_LATENCY = 0.1
_SECONDS = 5


def measure(options: Options, files: Files) -> Section:
    """Count the requests that are in flight at the server."""
    counted: dict[int, list[tuple[int, float]]] = {concurrency: [] for concurrency in CONCURRENCY}
    for number in range(1, options.runs + 1):
        for concurrency, runs in counted.items():
            say(f"in flight, run {number}: concurrency={concurrency} ...")
            runs.append(_run(concurrency, files))
    return section(counted)


def section(counted: dict[int, list[tuple[int, float]]]) -> Section:
    """Return the table, and whether as many were in flight as are allowed.

    :param counted: by concurrency, the most requests at once and how many there were on average, of each run.
    """
    most = {concurrency: median(most for most, _ in runs) for concurrency, runs in counted.items()}
    rows = [
        (concurrency, f"{most[concurrency]:g}", f"{median(mean for _, mean in runs):.1f}")
        for concurrency, runs in counted.items()
    ]
    return Section(
        title=f"In flight at {_RATE_LIMIT:,} requests a second and {_LATENCY:g} s latency",
        columns=("concurrency", "most in flight", "on average"),
        rows=rows,
        goals=[
            Goal(
                what=f"in flight at {_RATE_LIMIT:,}/s and {_LATENCY:g} s, concurrency={concurrency}",
                goal=str(concurrency),
                measured=f"{found:g}",
                is_reached=found == concurrency,
            )
            for concurrency, found in most.items()
        ],
    )


def _run(concurrency: int, files: Files) -> tuple[int, float]:
    count = int(concurrency * _SECONDS / _LATENCY) * endpoint_for("users").max_records
    with servers.stub(latency=_LATENCY) as server:
        arguments = {"rate_limit": _RATE_LIMIT, "concurrency": concurrency}
        usage_of(OURS, files.task(server.url, "users", count, arguments=arguments), count)
        return server.in_flight()

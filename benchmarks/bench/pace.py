"""Which share of the allowed rate users and deletions reach, against a server that polices it.

All times are the server's; see :mod:`benchmarks.pace`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from airflow_provider_blux.api.endpoints import Endpoint, Operation, endpoints_for
from benchmarks import servers
from benchmarks.bench.contenders import OURS, Contender
from benchmarks.bench.contenders.task import Task
from benchmarks.bench.files import Files
from benchmarks.bench.found import Found, Goal, Options
from benchmarks.bench.processes import contenders, delivered
from benchmarks.pace import most_in_any_second, share_of_the_rate
from benchmarks.rows import SourceFormat
from benchmarks.table import say

LATENCIES = (0.05, 0.2, 0.8)
#: Seconds until the answer to a peer, and to deletions.
LATENCY = 0.2
ID_SOURCES: tuple[SourceFormat, ...] = ("jsonl", "csv", "parquet")
_USERS_GOAL, _IDS_GOAL = 0.99, 0.98
# Who waits for each answer takes so much longer: a part of the users is enough.
_WAITING_TAKES = 4


@dataclass(frozen=True, kw_only=True)
class Run:
    """One paced delivery, as the server saw it.

    :param most: requests in the busiest second, refused ones included.
    :param lost: records that were not accepted.
    """

    share: float
    most: int
    refused: int
    lost: int
    cpu_a_million: float


def users(options: Options, files: Files) -> Found:
    """Measure users: ours at three latencies, every peer at one."""
    plans = [(OURS, latency) for latency in LATENCIES]
    plans += [(peer, LATENCY) for peer in contenders()[1:]]
    runs = defaultdict(list)
    for number in range(1, options.runs + 1):
        for contender, latency in plans:
            say(f"pace, run {number}: {contender.title}, {latency:g} s ...")
            count = _users(contender, options.seconds)
            path = files.path("users", count, "jsonl")
            runs[contender, latency].append(_run(contender, "users", count, path, latency))
    ours = [runs[OURS, latency] for latency in LATENCIES]
    return Found(
        title="Pace of users: 20 requests a second",
        columns=("", "latency (s)", "share of the rate", "most in 1 s", "429s", "lost"),
        rows=[
            (contender.title, latency, *told(of), max(run.lost for run in of))
            for (contender, latency), of in runs.items()
        ],
        goals=[goal("users (20/s), 50 to 800 ms latency", _USERS_GOAL, ours)],
    )


def deletions(options: Options, files: Files) -> Found:
    """Measure deletions from files."""
    runs = defaultdict(list)
    for number in range(1, options.runs + 1):
        for source in ID_SOURCES:
            say(f"pace, run {number}: {options.ids:,} ids from {source} ...")
            path = files.path("ids", options.ids, source)
            runs[source].append(_run(OURS, "ids", options.ids, path, LATENCY))
    return Found(
        title="Pace of deletions: 100 requests a second, 300,000 ids",
        columns=("ids from", "latency (s)", "share of the rate", "most in 1 s", "429s", "CPU s per 1M ids"),
        rows=[
            (source, LATENCY, *told(of), f"{median(run.cpu_a_million for run in of):.2f}")
            for source, of in runs.items()
        ],
        goals=[goal(f"deletions (100/s), {options.ids:,} ids from files", _IDS_GOAL, list(runs.values()))],
    )


def told(runs: Sequence[Run]) -> tuple[object, ...]:
    """Return the median share, and the worst of what must not be."""
    share = median(run.share for run in runs)
    return f"{share:.2%}", max(run.most for run in runs), max(run.refused for run in runs)


def goal(what: str, least: float, runs: Sequence[Sequence[Run]]) -> Goal:
    """Return where the goal stands: the least median share counts, and every 429."""
    shares = [median(run.share for run in of) for of in runs]
    refused = sum(run.refused for of in runs for run in of)
    return Goal(
        what=f"share of the allowed rate, {what}",
        goal=f"at least {least:.0%}, no 429",
        measured=f"{min(shares):.2%} to {max(shares):.2%}, {refused} times 429",
        reached=min(shares) >= least and not refused,
    )


def _endpoint(what: str) -> Endpoint:
    operation: Operation = "upsert_users" if what == "users" else "delete_users"
    return endpoints_for(operation, "application")[0]


def _users(contender: Contender, seconds: float) -> int:
    endpoint = _endpoint("users")
    full = int(endpoint.max_rate * seconds)
    return max(full // _WAITING_TAKES if contender.waits else full, 2) * endpoint.max_records


def _run(contender: Contender, what: str, count: int, path: str, latency: float) -> Run:
    endpoint = _endpoint(what)
    limit = int(endpoint.max_rate)
    with servers.stub(limit=limit, latency=latency) as server:
        took = delivered(contender, Task(url=server.url, path=path, what=what, limit=limit))
        arrivals = server.arrivals()
    accepted = sum(status == 200 for _, status in arrivals)
    return Run(
        share=share_of_the_rate(arrivals, limit),
        most=most_in_any_second(arrived for arrived, _ in arrivals),
        refused=sum(status == 429 for _, status in arrivals),
        lost=max(count - accepted * endpoint.max_records, 0),
        cpu_a_million=took.cpu_a_million,
    )

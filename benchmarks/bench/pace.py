"""Which share of the allowed rate users and deletions reach, against a server that polices it.

All times are the server's. The share is of the requests that it accepted, from the first arrival to the last; the most
in 1 s is counted in a window that slides over every arrival, refused ones included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

from benchmarks import servers
from benchmarks.bench.contenders import OURS, Contender
from benchmarks.bench.files import Files
from benchmarks.bench.processes import contenders, lost, usage_of
from benchmarks.bench.section import Goal, Options, Section
from benchmarks.delivering import endpoint_for
from benchmarks.pace import Arrival, most_in_any_second, share_of_the_rate
from benchmarks.rows import FileFormat
from benchmarks.table import say

FORMATS: tuple[FileFormat, ...] = ("jsonl", "csv", "parquet")
#: Seconds until an answer to a peer.
LATENCY = 0.2
GOAL = 0.985
# Who waits for each answer takes so much longer: a part of the users is enough.
_WAITING_TAKES = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One of the deliveries that are measured."""

    contender: Contender
    what: str
    file_format: FileFormat
    latency: float
    count: int


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


def users(options: Options, files: Files) -> Section:
    """Measure users: ours from every format at every latency, every peer once."""
    full = int(endpoint_for("users").max_rate * options.seconds) * endpoint_for("users").max_records
    plans = _ours("users", full, options)
    for peer in contenders()[1:]:
        count = max(full // _WAITING_TAKES, 200) if peer.waits else full
        plans.append(Plan(contender=peer, what="users", file_format="jsonl", latency=LATENCY, count=count))
    return section("Pace of users: 20 requests a second", _measured(plans, options, files))


def deletions(options: Options, files: Files) -> Section:
    """Measure deletions from every format at every latency."""
    title = "Pace of deletions: 100 requests a second, 300,000 ids"
    return section(title, _measured(_ours("ids", options.ids, options), options, files))


def section(title: str, runs: dict[Plan, list[Run]]) -> Section:
    """Return the table, and whether the goal is reached."""
    ours = [of for plan, of in runs.items() if plan.contender == OURS]
    what = next(iter(runs)).what
    latencies = sorted({plan.latency for plan in runs})
    limit = f"{endpoint_for(what).max_rate:g}/s"
    return Section(
        title=title,
        columns=("", "from", "latency (s)", "share of the rate", "most in 1 s", "429s", "lost", "CPU s per 1M"),
        rows=[(plan.contender.title, plan.file_format, plan.latency, *_row(of)) for plan, of in runs.items()],
        goals=[goal(f"{what} ({limit}), {latencies[0]:g} to {latencies[-1]:g} s latency", ours)],
    )


def goal(what: str, runs: Sequence[Sequence[Run]]) -> Goal:
    """Return whether the goal is reached: the least median share counts, every 429 and every lost record."""
    shares = [median(run.share for run in of) for of in runs]
    refused, lost = (sum(getattr(run, name) for of in runs for run in of) for name in ("refused", "lost"))
    return Goal(
        what=f"share of the allowed rate, {what}",
        goal=f"at least {GOAL:.1%}, no 429",
        measured=f"{min(shares):.2%} to {max(shares):.2%}, {refused} times 429" + (f", {lost:,} lost" if lost else ""),
        is_reached=min(shares) >= GOAL and not refused and not lost,
    )


def run_of(plan: Plan, arrivals: list[Arrival], cpu_a_million: float) -> Run:
    """Return what the arrivals at the server say about a delivery."""
    limit = int(endpoint_for(plan.what).max_rate)
    return Run(
        share=share_of_the_rate(arrivals, limit),
        most=most_in_any_second(arrived for arrived, _ in arrivals),
        refused=sum(status == 429 for _, status in arrivals),
        lost=lost(plan.what, plan.count, arrivals),
        cpu_a_million=cpu_a_million,
    )


def _ours(what: str, count: int, options: Options) -> list[Plan]:
    return [
        Plan(contender=OURS, what=what, file_format=file_format, latency=latency, count=count)
        for file_format, latency in product(FORMATS, options.latency)
    ]


def _measured(plans: Sequence[Plan], options: Options, files: Files) -> dict[Plan, list[Run]]:
    runs: dict[Plan, list[Run]] = defaultdict(list)
    for number in range(1, options.runs + 1):
        for plan in plans:
            title = f"{plan.contender.title}, {plan.count:,} {plan.what} from {plan.file_format}, {plan.latency:g} s"
            say(f"pace, run {number}: {title} ...")
            runs[plan].append(_run(plan, files))
    return runs


def _run(plan: Plan, files: Files) -> Run:
    limit = int(endpoint_for(plan.what).max_rate)
    with servers.stub(limit=limit, latency=plan.latency) as server:
        task = files.task(server.url, plan.what, plan.count, plan.file_format, limit=limit)
        usage = usage_of(plan.contender, task, plan.count)
        return run_of(plan, server.arrivals(), usage.cpu_a_million)


def _row(runs: Sequence[Run]) -> tuple[object, ...]:
    """Return the median share and cost, and the worst of what must not happen."""
    return (
        f"{median(run.share for run in runs):.2%}",
        max(run.most for run in runs),
        max(run.refused for run in runs),
        max(run.lost for run in runs),
        f"{median(run.cpu_a_million for run in runs):.2f}",
    )

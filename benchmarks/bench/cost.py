"""What a delivery costs of CPU and memory where nothing limits its rate, ours and that of others.

All take turns, so that a machine that becomes slower does so for everybody.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import servers
from benchmarks.bench.contenders import HTTP_HOOK, OURS, Contender
from benchmarks.bench.contenders.task import Task
from benchmarks.bench.files import Files
from benchmarks.bench.found import Found, Goal, Options
from benchmarks.bench.processes import Took, contenders, delivered, is_installed
from benchmarks.rows import SourceFormat
from benchmarks.table import say

# What there is to deliver, from where, and how much memory that may take over the start (MB).
_OURS: tuple[tuple[str, SourceFormat, float | None], ...] = (
    ("users", "jsonl", 40),
    ("users", "csv", 40),
    ("users", "parquet", 40),
    ("narrow users", "jsonl", None),
    ("events", "jsonl", None),
    ("ids", "jsonl", 60),
    ("ids", "csv", 60),
    ("ids", "parquet", 60),
)
_CPU_GOAL, _RATIO_GOAL = 12.0, 0.29


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One of the deliveries that are compared.

    :param memory_goal: MB over the start; ``None`` where no goal is set.
    """

    contender: Contender
    what: str
    source: SourceFormat
    count: int
    memory_goal: float | None = None


Runs = dict[Plan, list[Took]]


def measure(options: Options, files: Files) -> Found:
    """Measure everything, round by round."""
    runs: Runs = defaultdict(list)
    for number in range(1, options.runs + 1):
        for plan in plans(options):
            say(f"cost, run {number}: {plan.contender.title}, {plan.count:,} {plan.what} from {plan.source} ...")
            runs[plan].append(_run(plan, files))
    return found(runs)


def plans(options: Options) -> list[Plan]:
    """Return what is delivered in each round."""
    counts = {"events": options.events, "ids": options.ids}
    peers = [Plan(contender=peer, what="users", source="jsonl", count=options.peer_users) for peer in contenders()[1:]]
    ours = [
        Plan(contender=OURS, what=what, source=source, count=counts.get(what, options.users), memory_goal=memory)
        for what, source, memory in _OURS
    ]
    narrow = Plan(contender=HTTP_HOOK, what="narrow users", source="jsonl", count=options.peer_users)
    return [ours[0], *peers, *ours[1:], *[narrow] * is_installed(HTTP_HOOK)]


def found(runs: Runs) -> Found:
    """Return the table, and where the goals stand."""
    hooks = {plan.what: of for plan, of in runs.items() if plan.contender == HTTP_HOOK}
    return Found(
        title="Cost without limit or latency",
        columns=(
            "",
            "records",
            "CPU s per 1M records",
            "of `HttpHook`'s",
            "memory over the start (MB)",
            "records/s",
        ),
        rows=[_row(plan, of, hooks.get(plan.what, [])) for plan, of in runs.items()],
        goals=[*_cpu_goals(runs, hooks), *_memory_goals(runs)],
    )


def ratio(of: Sequence[Took], to: Sequence[Took]) -> float:
    """Return the median of what each run cost of the other's run of the same round."""
    return median(one.cpu_a_million / other.cpu_a_million for one, other in zip(of, to, strict=True))


def _row(plan: Plan, of: Sequence[Took], hook: Sequence[Took]) -> tuple[object, ...]:
    return (
        f"{plan.contender.title}: {plan.what}, {plan.source}",
        f"{plan.count:,}",
        f"{median(took.cpu_a_million for took in of):.2f}",
        f"{ratio(of, hook):.2f}" if hook else "",
        f"{median(took.memory for took in of):.1f}",
        f"{median(took.delivered / took.seconds for took in of):,.0f}",
    )


def _cpu_goals(runs: Runs, hooks: Mapping[str, Sequence[Took]]) -> list[Goal]:
    """Return the goals for CPU.

    :param hooks: what ``HttpHook`` took, by what it delivered.
    """
    (users, of), *others = [(plan, of) for plan, of in runs.items() if plan.contender == OURS]
    cpu = median(took.cpu_a_million for took in of)
    goals = [
        Goal(
            what=f"CPU per 1 million {users.what}, {users.source}",
            goal=f"at most {_CPU_GOAL:g} s on a machine where `HttpHook` needs 42",
            measured=f"{cpu:.2f} s",
        )
    ]
    if hook := hooks.get(users.what):
        to_hook = ratio(of, hook)
        theirs = median(took.cpu_a_million for took in hook)
        goals.append(
            Goal(
                what=f"the same, of what `HttpHook` needs ({theirs:.2f} s)",
                goal=f"at most {_RATIO_GOAL}",
                measured=f"{to_hook:.3f}",
                reached=to_hook <= _RATIO_GOAL,
            )
        )
    for plan, took in others:
        millions = 10 if plan.what == "ids" else 1
        measured = f"{median(one.cpu_a_million for one in took) * millions:.2f} s"
        if hook := hooks.get(plan.what, []):
            measured += f", {ratio(took, hook):.3f} of what `HttpHook` needs"
        goals.append(
            Goal(what=f"CPU per {millions} million {plan.what}, {plan.source}", goal="reported", measured=measured)
        )
    return goals


def _memory_goals(runs: Runs) -> list[Goal]:
    goals = []
    for plan, of in runs.items():
        if plan.memory_goal is not None:
            memory = median(took.memory for took in of)
            goals.append(
                Goal(
                    what=f"memory over the start, {plan.count:,} {plan.what}, {plan.source}",
                    goal=f"at most {plan.memory_goal:g} MB",
                    measured=f"{memory:.1f} MB",
                    reached=memory <= plan.memory_goal,
                )
            )
    return goals


def _run(plan: Plan, files: Files) -> Took:
    path = files.path(plan.what, plan.count, plan.source)
    # Airflow 3.3 keeps the progress of every task; others keep none.
    with servers.stub() as server, tempfile.TemporaryDirectory() as store:
        took = delivered(plan.contender, Task(url=server.url, path=path, what=plan.what, store=store))
    if took.delivered != plan.count:
        raise RuntimeError(f"{took.delivered:,} of {plan.count:,} were delivered")
    return took

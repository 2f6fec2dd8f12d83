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
from benchmarks.bench.contenders import AIOHTTP, HTTP_HOOK, OURS, Contender
from benchmarks.bench.contenders.task import Task
from benchmarks.bench.databases import Table, filled_tables
from benchmarks.bench.files import Files
from benchmarks.bench.processes import Usage, contenders, is_installed, lost, usage_of
from benchmarks.bench.section import Goal, Options, Section, at_most
from benchmarks.rows import FileFormat
from benchmarks.table import say

# What there is to deliver, and from where.
_OURS: tuple[tuple[str, FileFormat], ...] = (
    ("users", "jsonl"),
    ("users", "csv"),
    ("users", "parquet"),
    ("narrow users", "jsonl"),
    ("events", "jsonl"),
    ("ids", "jsonl"),
    ("ids", "csv"),
    ("ids", "parquet"),
)
UNGUARDED = "ids, no guard"
# MB over the start, from files.
_MEMORY_GOALS = {"users": 40, "ids": 60}
_JSONL_OF_HTTP_HOOK, _JSONL_OF_AIOHTTP, _SQL_OF_HTTP_HOOK, _GUARD = 0.65, 1.0, 0.8, 1.3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One of the deliveries that are compared.

    :param source: the format of a file, or the name of a database.
    """

    contender: Contender
    what: str
    source: str
    count: int


Runs = Mapping[Plan, Sequence[Usage]]


def measure(options: Options, files: Files) -> Section:
    """Measure everything, round by round."""
    runs: dict[Plan, list[Usage]] = defaultdict(list)
    with filled_tables(options.users, files.folder) as (tables, missing):
        for number in range(1, options.runs + 1):
            for plan in plans(options, [table.title for table in tables]):
                say(f"cost, run {number}: {plan.contender.title}, {plan.count:,} {plan.what} from {plan.source} ...")
                runs[plan].append(_run(plan, files, {table.title: table for table in tables}))
    return section(runs, missing)


def plans(options: Options, databases: Sequence[str]) -> list[Plan]:
    """Return what is delivered in each round."""
    counts = {"events": options.events, "ids": options.ids}

    def ours(what: str, source: str) -> Plan:
        count = counts.get(what.partition(",")[0], options.users)
        return Plan(contender=OURS, what=what, source=source, count=count)

    peers = [Plan(contender=peer, what="users", source="jsonl", count=options.peer_users) for peer in contenders()[1:]]
    files = [ours(what, source) for what, source in _OURS]
    unguarded = [ours(UNGUARDED, source) for what, source in _OURS if what == "ids"]
    narrow = Plan(contender=HTTP_HOOK, what="narrow users", source="jsonl", count=options.peer_users)
    return [
        files[0],
        *peers,
        *(ours("typed users", database) for database in databases),
        *files[1:],
        *unguarded,
        *[narrow] * is_installed(HTTP_HOOK),
    ]


def section(runs: Runs, missing: Mapping[str, str]) -> Section:
    """Return the table, and whether the goals are reached.

    :param missing: why a database could not be read from, by its name.
    """
    hooks = {plan.what: of for plan, of in runs.items() if plan.contender == HTTP_HOOK}
    # `HttpHook` reads no database: typed users are compared with those that it delivers from a file.
    hooks["typed users"] = hooks.get("users", [])
    return Section(
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
        goals=[*_cpu_goals(runs, missing), *_memory_goals(runs)],
        notes=[f"Users from {database} were left out: {why}." for database, why in missing.items()],
    )


def ratio(of: Sequence[Usage], to: Sequence[Usage]) -> float | None:
    """Return the median of what each run cost of the other's run of the same round; ``None`` where one is missing."""
    if not of or not to:
        return None
    return median(one.cpu_a_million / other.cpu_a_million for one, other in zip(of, to, strict=True))


def check(plan: Plan, usage: Usage, lost: int) -> Usage:
    """Make sure that a delivery which is compared has delivered everything.

    :param lost: records that the server has not accepted.
    :raises RuntimeError: it has not.
    """
    if usage.delivered != plan.count or lost:
        raise RuntimeError(
            f"{plan.contender.title} reports {usage.delivered:,} of {plan.count:,} {plan.what} from {plan.source} "
            f"as delivered, and the server has not accepted {lost:,}"
        )
    return usage


def _row(plan: Plan, of: Sequence[Usage], hook: Sequence[Usage]) -> tuple[object, ...]:
    to_hook = ratio(of, hook)
    return (
        f"{plan.contender.title}: {plan.what}, {plan.source}",
        f"{plan.count:,}",
        f"{median(usage.cpu_a_million for usage in of):.2f}",
        "" if to_hook is None else f"{to_hook:.2f}",
        f"{median(usage.memory for usage in of):.1f}",
        f"{median(usage.records / usage.seconds for usage in of):,.0f}",
    )


def _cpu_goals(runs: Runs, missing: Mapping[str, str]) -> list[Goal]:
    def of(contender: Contender, what: str, source: str) -> Sequence[Usage]:
        found = (
            of for plan, of in runs.items() if (plan.contender, plan.what, plan.source) == (contender, what, source)
        )
        return next(found, [])

    users = of(OURS, "users", "jsonl")
    typed = of(OURS, "typed users", "PostgreSQL")
    hook, aiohttp = (of(peer, "users", "jsonl") for peer in (HTTP_HOOK, AIOHTTP))
    no_peer = "the other is not installed"
    goals = [
        at_most("CPU of users from jsonl, of `HttpHook`'s", ratio(users, hook), _JSONL_OF_HTTP_HOOK, why_not=no_peer),
        at_most("the same, of aiohttp's", ratio(users, aiohttp), _JSONL_OF_AIOHTTP, why_not=no_peer),
        at_most(
            "CPU of users from PostgreSQL with typed columns, of `HttpHook`'s from jsonl",
            ratio(typed, hook),
            _SQL_OF_HTTP_HOOK,
            why_not=missing.get("PostgreSQL", no_peer),
        ),
    ]
    for what, source in _OURS:
        if what == "ids":
            cost = ratio(of(OURS, what, source), of(OURS, UNGUARDED, source))
            goals.append(at_most(f"CPU of deletions with the guard, of those without, {source}", cost, _GUARD))
    return goals


def _memory_goals(runs: Runs) -> list[Goal]:
    return [
        at_most(
            f"memory over the start, {plan.count:,} {plan.what}, {plan.source}",
            median(usage.memory for usage in of),
            _MEMORY_GOALS[plan.what],
            unit=" MB",
        )
        for plan, of in runs.items()
        if plan.contender == OURS and plan.what in _MEMORY_GOALS
    ]


def _run(plan: Plan, files: Files, tables: Mapping[str, Table]) -> Usage:
    # The progress is kept, as Airflow 3.3 does for every task; others keep none.
    with servers.stub() as server, tempfile.TemporaryDirectory() as store:
        task = _task(plan, files, tables, server.url, store)
        usage = usage_of(plan.contender, task, plan.count)
        return check(plan, usage, lost(plan.what, plan.count, server.arrivals()))


def _task(plan: Plan, files: Files, tables: Mapping[str, Table], url: str, store: str) -> Task:
    if plan.source in tables:
        return tables[plan.source].task(url, arguments={"checkpoint_path": store})
    arguments = {"checkpoint_path": store} if plan.contender == OURS else {}
    if plan.what == UNGUARDED:
        return files.task(url, "ids", plan.count, plan.source, arguments={**arguments, "max_users": None})
    return files.task(url, plan.what, plan.count, plan.source, arguments=arguments)

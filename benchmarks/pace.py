"""How near delivery comes to the allowed rate, and whether it ever passes it: ``python -m benchmarks.pace``.

All times are the server's: the share is of the requests it accepted, from the first arrival to the last, and the
most in any one second is counted in a window that slides over every arrival, refused ones included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from airflow_provider_blux.api.endpoints import Operation, endpoints_for
from benchmarks import rows, servers
from benchmarks.delivering import deliver
from benchmarks.home import settle_in
from benchmarks.table import machine, say, table

OPERATIONS: dict[str, Operation] = {"users": "upsert_users", "deletions": "delete_users"}
# The emulator looks into every record: more than it can do for 300,000 ids a second.
SERVERS = {"users": "emulator", "deletions": "stub"}
COLUMNS = (
    "",
    "server",
    "rows from",
    "latency (s)",
    "requests",
    "share of the rate",
    "most in 1 s",
    "429s",
    "CPU s per 1M records",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run."""

    what: str
    server: str
    source: Literal["memory", "jsonl", "csv"]
    latency: float
    seconds: float
    concurrency: int | None

    @property
    def operation(self) -> Operation:
        """The operation that is measured."""
        return OPERATIONS[self.what]

    @property
    def limit(self) -> int:
        """Requests a second that its endpoint allows."""
        return int(endpoints_for(self.operation, "application")[0].max_rate)

    @property
    def records(self) -> int:
        """So many records that the run takes the planned time at the allowed rate."""
        return int(self.limit * self.seconds) * endpoints_for(self.operation, "application")[0].max_records


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every combination and print the table."""
    options = _options(arguments)
    measured = []
    with tempfile.TemporaryDirectory(prefix="blux_pace_") as folder, _load(options.load):
        settle_in(Path(folder))
        for what in options.what:
            for latency in options.latency:
                plan = Plan(
                    what=what,
                    server=options.server or SERVERS[what],
                    source=options.source,
                    latency=latency,
                    seconds=options.seconds,
                    concurrency=options.concurrency,
                )
                say(f"{what} with a latency of {latency:g} s ...")
                measured.append(_measured(plan, Path(folder)))
        say(f"\n{machine()}, {options.load} busy processes beside, concurrency {options.concurrency or 'default'}\n")
    say(table(COLUMNS, measured))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=__doc__)
    parser.add_argument("--what", nargs="+", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--latency", nargs="+", type=float, default=[0.05, 0.2, 0.8])
    parser.add_argument("--seconds", type=float, default=30, help="length of a run (default: %(default)s)")
    parser.add_argument("--server", choices=("emulator", "stub"), help=f"(default: {SERVERS})")
    parser.add_argument("--source", choices=("memory", "jsonl", "csv"), default="memory", help="where rows come from")
    parser.add_argument("--concurrency", type=int, help="(default: the operators' own)")
    parser.add_argument("--load", type=int, default=0, help="processes that keep a core busy meanwhile")
    return parser.parse_args(arguments)


def _measured(plan: Plan, folder: Path) -> list[object]:
    source = _rows(plan, folder)
    with _server(plan) as server:
        began = time.process_time()
        report = deliver(server.url, plan.operation, source, concurrency=plan.concurrency)
        cpu = time.process_time() - began
        arrivals = server.arrivals()
    return [
        f"{plan.what}, {plan.limit}/s",
        plan.server,
        plan.source,
        plan.latency,
        len(arrivals),
        f"{share_of_the_rate(arrivals, plan.limit):.2%}",
        most_in_any_second([arrived for arrived, _ in arrivals]),
        sum(status == 429 for _, status in arrivals),
        f"{cpu / report.delivered * 1e6:.2f}",
    ]


def share_of_the_rate(arrivals: Iterable[tuple[float, int | None]], limit: int) -> float:
    """Return which share of the allowed requests was accepted, from the first accepted arrival to the last."""
    accepted = [arrived for arrived, status in arrivals if status == 200]
    return (len(accepted) - 1) / (accepted[-1] - accepted[0]) / limit if len(accepted) > 1 else 0.0


def most_in_any_second(arrivals: Iterable[float]) -> int:
    """Return how many arrivals the busiest second saw, wherever it began."""
    window: deque[float] = deque()
    most = 0
    for arrived in arrivals:
        window.append(arrived)
        while arrived - window[0] >= 1:
            window.popleft()
        most = max(most, len(window))
    return most


@contextmanager
def _server(plan: Plan) -> Iterator[servers.Server]:
    server: AbstractContextManager[servers.Server]
    if plan.server == "stub":
        server = servers.stub(limit=plan.limit, latency=plan.latency)
    else:
        server = servers.emulator(police_rates=True)
    with server as started:
        if plan.server == "emulator":
            started.ask("PUT", "/_emulator/settings", {"latency": plan.latency})
        yield started


def _rows(plan: Plan, folder: Path) -> Iterable[Any]:
    if plan.source == "memory":
        make: Any = rows.user if plan.what == "users" else rows.user_id
        return map(make, range(plan.records))
    from airflow_provider_blux.sources.files import StorageSource

    path = folder / f"{plan.what}.{plan.source}"
    if not path.exists():
        write = rows.write_users if plan.what == "users" else rows.write_ids
        write(path, plan.records, plan.source)
    return StorageSource(str(path))


@contextmanager
def _load(processes: int) -> Iterator[None]:
    busy = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()


def _spin() -> None:
    while True:
        sum(range(100_000))


if __name__ == "__main__":
    main()

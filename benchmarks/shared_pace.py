"""Whether several processes keep one rate between them: ``python -m benchmarks.shared_pace``.

Each process is a task with a hook of its own. A stub on loopback polices the rate, in a window that slides over every
arrival. ``redis`` shares the pace through a Redis server (``BLUX_REDIS``, by default the one on this machine), ``gone``
names a Redis that is not there and falls back to a share each, ``share`` is the share without Redis, ``none`` lets each
process believe that it is alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_blux.api.endpoints import Operation, endpoints_for
from benchmarks import rows, servers
from benchmarks.home import settle_in
from benchmarks.pace import most_in_any_second, share_of_the_rate
from benchmarks.table import machine, say, table

OPERATIONS: dict[str, Operation] = {"users": "upsert_users", "deletions": "delete_users"}
REDIS = os.environ.get("BLUX_REDIS", "redis://127.0.0.1:6379/0")
_NOBODY = "redis://127.0.0.1:1/0"
MODES: dict[str, dict[str, Any]] = {
    "redis": {"rate_limit_conn_id": "pace"},
    "gone": {"rate_limit_conn_id": "nobody", "rate_limit_fallback": "share", "rate_limit_share": "part"},
    "share": {"rate_limit_share": "part"},
    "none": {},
}
COLUMNS = (
    "",
    "how",
    "processes",
    "latency (s)",
    "requests",
    "share of the rate",
    "most in 1 s",
    "429s",
    "requests by process",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run."""

    what: str
    mode: str
    processes: int
    latency: float
    seconds: float

    @property
    def operation(self) -> Operation:
        """The operation that is measured."""
        return OPERATIONS[self.what]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of each process."""
        part = 1 / self.processes
        return {name: part if value == "part" else value for name, value in MODES[self.mode].items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every combination and print the table."""
    options = _options(arguments)
    measured = []
    with tempfile.TemporaryDirectory(prefix="blux_shared_pace_") as folder:
        settle_in(Path(folder))
        os.environ.update(AIRFLOW_CONN_PACE=REDIS, AIRFLOW_CONN_NOBODY=_NOBODY)
        for mode in options.mode:
            for what in options.what:
                plan = Plan(
                    what=what,
                    mode=mode,
                    processes=options.processes,
                    latency=options.latency,
                    seconds=options.seconds,
                )
                say(f"{what}, {mode} ...")
                measured.append(_measured(plan))
    say(f"\n{machine()}\n")
    say(table(COLUMNS, measured))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_pace", description=__doc__)
    parser.add_argument("--mode", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--what", nargs="+", choices=OPERATIONS, default=["users"])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--seconds", type=float, default=30, help="length of a run (default: %(default)s)")
    return parser.parse_args(arguments)


def _measured(plan: Plan) -> list[object]:
    limit = int(endpoints_for(plan.operation, "application")[0].max_rate)
    with servers.stub(limit=limit, latency=plan.latency) as server:
        os.environ["AIRFLOW_CONN_BLUX_DEFAULT"] = servers.connection_json(server.url)
        spawn = multiprocessing.get_context("spawn")
        barrier = spawn.Barrier(plan.processes)
        with spawn.Pool(plan.processes, initializer=_be_ready, initargs=(barrier,)) as pool:
            requests = sorted(pool.starmap(_task, [(plan, number) for number in range(plan.processes)], chunksize=1))
        arrivals = server.arrivals()
    return [
        f"{plan.what}, {limit}/s",
        plan.mode,
        plan.processes,
        plan.latency,
        len(arrivals),
        f"{share_of_the_rate(arrivals, limit):.2%}",
        most_in_any_second([arrived for arrived, _ in arrivals]),
        sum(status == 429 for _, status in arrivals),
        " ".join(map(str, requests)),
    ]


_barrier: Any = None


def _be_ready(barrier: Any) -> None:
    global _barrier  # noqa: PLW0603 - a pool's initializer has no other way
    _barrier = barrier


def _task(plan: Plan, number: int) -> int:
    """Deliver until the time is over; return how many requests that took."""
    from airflow_provider_blux.hooks.blux import BluxHook

    _barrier.wait()
    records = _records(plan, number, time.monotonic() + plan.seconds)
    deliver = getattr(BluxHook(), plan.operation)
    guard = {"max_users": None} if plan.what == "deletions" else {}
    report = deliver(records, **plan.options, **guard)
    return int(report.requests)


def _records(plan: Plan, number: int, until: float) -> Iterator[Any]:
    make: Any = rows.user if plan.what == "users" else rows.user_id
    mine = number * 10_000_000
    while time.monotonic() < until:
        for index in range(mine, mine + 100):
            yield make(index)
        mine += 100


if __name__ == "__main__":
    main()

"""A million users on a distributed Airflow, one of whose workers is killed: ``make cluster-test``.

PostgreSQL, Redis, a scheduler and two Celery workers of four processes each. The users lie in 16 files, some of them
repeated with other values; a mapped task sends each, and all tasks share one rate through Redis. The emulator polices
it. When half of the users have arrived, everything that the first worker runs is killed with SIGKILL; it is not started
again. In the end every user that the emulator holds is compared with the files. Exit code 1: something is not as
promised; 2: a server is missing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.emulator import Emulator
from benchmarks import servers
from benchmarks.cluster import backends, verdict
from benchmarks.cluster.course import Course, Watch
from benchmarks.cluster.dag_run import AirflowApi
from benchmarks.cluster.environment import WORKERS, environment
from benchmarks.cluster.partitions import write_partitions
from benchmarks.cluster.stack import Stack
from benchmarks.cluster.waiting import Waiting
from benchmarks.soak_source import differences
from benchmarks.table import machine, say, table

DAG = "send_partitions"
_STARTS_WITHIN = 300
# What a run may take beside the time that the rate asks for: tasks start, a lost worker is noticed.
_PATIENCE = 900
_ENDPOINT = endpoints_for("upsert_users", "application")[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, print the tables and the verdict; return the exit code."""
    options = _options(arguments)
    postgresql, redis = backends.PostgreSQL(), backends.Redis(broker=options.broker_db, pace=options.pace_db)
    if missing := backends.missing(postgresql, redis):
        say("\n".join(["The cluster test cannot run; missing is", *(f"- {what}" for what in missing)]))
        return 2
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="blux_cluster_"))
    began = time.monotonic()
    evidence = _evidence(folder, postgresql, redis, options)
    faults = verdict.faults(evidence)
    say(f"\n{machine()}, seed {options.seed}, {time.monotonic() - began:.0f} s in all\n")
    say(table(("", ""), verdict.facts(evidence)))
    say()
    say(table(verdict.TASK_COLUMNS, verdict.tasks(evidence)))
    for fault in faults:
        say(f"\n**Not as promised: {fault}.**")
    if faults:
        say(f"\nThe logs are in {folder}.")
        return 1
    shutil.rmtree(folder)
    say(f"\n**All {options.users:,} users are as the source has them, property by property; none missing, none else.**")
    say("\n**The rate was kept, and the tasks of the killed worker went on from what they had saved.**")
    return 0


def _evidence(
    folder: Path, postgresql: backends.PostgreSQL, redis: backends.Redis, options: argparse.Namespace
) -> verdict.Evidence:
    source, state = folder / "partitions", folder / "state.db"
    source.mkdir()
    rng = random.Random(options.seed)  # noqa: S311 - chance for tests
    expected, records = write_partitions(source, options.users, options.tasks, rng)
    say(f"{sum(records):,} records of {options.users:,} users in {options.tasks} files; logs in {folder}")
    with ExitStack() as opened:
        opened.enter_context(postgresql.database_of_its_own())
        opened.enter_context(redis.queues_of_its_own())
        server = opened.enter_context(servers.emulator(police_rates=True, state=state))
        server.ask("PUT", "/_emulator/settings", {"rates": {"application.upsert_users": options.rate_limit}})
        variables = {
            **environment(folder, postgresql, redis),
            "AIRFLOW_CONN_BLUX_DEFAULT": servers.connection_json(server.url),
            "BLUX_CLUSTER_PARTITIONS": str(source),
            "BLUX_CLUSTER_RATE": str(options.rate_limit),
        }
        course = _course(opened.enter_context(Stack(folder, variables)), variables, server, options)
        arrivals = server.arrivals()
    with Emulator(state=state) as held:
        wrong = differences(expected, held.users())
    return verdict.Evidence(
        users=options.users,
        records=records,
        limit=options.rate_limit,
        course=course,
        arrivals=arrivals,
        wrong=wrong,
    )


def _course(stack: Stack, variables: dict[str, str], server: servers.Server, options: argparse.Namespace) -> Course:
    """Start Airflow, run the DAG, kill a worker on the way; return what became of it."""
    stack.migrate()
    for component in ("api-server", "scheduler", "dag-processor"):
        stack.start(component, component)
    api = AirflowApi(variables["AIRFLOW__API__BASE_URL"])
    stack.wait_for(api.is_healthy, "Airflow is healthy", _STARTS_WITHIN)
    for worker in WORKERS:
        stack.start_worker(worker)
        stack.wait_for(partial(stack.has_said, worker, "ready."), f"{worker} is ready", _STARTS_WITHIN)
    api.sign_in()
    stack.wait_for(lambda: api.knows(DAG), f"{DAG} is parsed", _STARTS_WITHIN)
    at_full_rate = options.users / _ENDPOINT.max_records / options.rate_limit
    say(f"Airflow and its workers are up; {at_full_rate:.0f} s at the full rate")

    def held() -> int:
        return int(server.ask("GET", "/_emulator/state")["counts"]["users"])

    kill_at = int(options.users * options.kill_at)
    watch = Watch(api.start(DAG), stack, held, kill_at=kill_at, timeout=3 * at_full_rate + _PATIENCE)
    with Waiting() as waiting:
        course = watch.until_the_end()
    course.longest_wait = str(waiting)
    return course


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    # As an exception it takes everything down that was started.
    raise SystemExit(1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--tasks", type=int, default=16, help="mapped tasks, at most 100 (default: %(default)s)")
    parser.add_argument(
        "--rate-limit", type=int, default=int(_ENDPOINT.max_rate), help="requests a second (default: %(default)s)"
    )
    parser.add_argument("--kill-at", type=float, default=0.5, help="share of the users (default: %(default)s)")
    parser.add_argument("--broker-db", type=int, default=5, help="database of Redis for Celery (default: %(default)s)")
    parser.add_argument("--pace-db", type=int, default=6, help="the same for the pace (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=os.getpid(), help="(default: another one each time)")
    options = parser.parse_args(arguments)
    if not 2 <= options.tasks <= 100 or options.users < 1000 * options.tasks:
        parser.error("2 to 100 tasks, with a thousand users each at least")
    return options


if __name__ == "__main__":
    sys.exit(main())

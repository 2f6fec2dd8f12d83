"""How long a task of a real Airflow takes to its first request: our operator, and one that does nothing else.

From the start date that Airflow gives the task to the arrival at the server, both in Unix time of one machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import servers
from benchmarks.bench.files import Files
from benchmarks.bench.section import Goal, Options, Section
from benchmarks.cluster.dag_run import AirflowApi
from benchmarks.cluster.environment import on_loopback
from benchmarks.cluster.stack import Stack
from benchmarks.table import say

DAGS = {"empty": "an operator with one request", "users": "`BluxUpsertUsersOperator`"}
_TASK = "send"
_USERS = 100_000
_GOAL = 0.3
_STARTS_WITHIN = 300
_RUNS_WITHIN = 180


def measure(options: Options, files: Files) -> Section:
    """Start Airflow, run the two DAGs in turns."""
    took: dict[str, list[float]] = {dag: [] for dag in DAGS}
    with ExitStack() as opened:
        server = opened.enter_context(servers.stub())
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="blux_bench_airflow_")))
        variables = _variables(folder, server.url, files.path("users", _USERS, "jsonl"))
        stack = opened.enter_context(Stack(folder, variables))
        api = _started(stack, variables)
        for dag in DAGS:  # the first task of its kind waits for more than its like
            _to_the_first_request(stack, api, server, dag)
        for number in range(1, options.runs + 1):
            for dag, runs in took.items():
                say(f"start, run {number}: {dag} ...")
                runs.append(_to_the_first_request(stack, api, server, dag))
    return section(took)


def section(took: Mapping[str, list[float]]) -> Section:
    """Return the table, and whether the goal is reached."""
    ours, empty = median(took["users"]), median(took["empty"])
    return Section(
        title="From the start of a task to its first request (s)",
        columns=("", "median", "least", "most"),
        rows=[(DAGS[dag], f"{median(runs):.3f}", f"{min(runs):.3f}", f"{max(runs):.3f}") for dag, runs in took.items()],
        goals=[
            Goal(
                what="time from task start to first request, over an empty operator",
                goal=f"at most {_GOAL:g} s",
                measured=f"{ours - empty:.3f} s ({ours:.3f} s and {empty:.3f} s)",
                is_reached=ours - empty <= _GOAL,
            )
        ],
    )


def _variables(folder: Path, url: str, users: str) -> dict[str, str]:
    settings = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "1",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
    }
    return {
        **on_loopback(folder, Path(__file__).parent / "dags", settings),
        "AIRFLOW_CONN_BLUX_DEFAULT": servers.connection_json(url),
        "BLUX_BENCH_STUB": url,
        "BLUX_BENCH_USERS": users,
    }


def _started(stack: Stack, variables: Mapping[str, str]) -> AirflowApi:
    """Start Airflow; return its API when it knows the DAGs."""
    say("starting Airflow ...")
    stack.migrate()
    for component in ("api-server", "scheduler", "dag-processor"):
        stack.start(component, component)
    api = AirflowApi(variables["AIRFLOW__API__BASE_URL"])
    stack.wait_for(api.is_healthy, "Airflow is healthy", _STARTS_WITHIN)
    api.sign_in()
    stack.wait_for(lambda: all(map(api.knows, DAGS)), "the DAGs are parsed", _STARTS_WITHIN)
    return api


def _to_the_first_request(stack: Stack, api: AirflowApi, server: servers.Server, dag: str) -> float:
    earlier = len(server.arrivals())
    run = api.start(dag)
    state = stack.wait_for(lambda: run.state() if run.is_over() else None, f"{dag} has ended", _RUNS_WITHIN)
    if state != "success":
        raise RuntimeError(f"{dag} ended as {state}")
    first, _ = server.arrivals()[earlier]
    return first - run.started_at(_TASK)

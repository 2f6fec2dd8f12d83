"""The benchmark beside others: its arithmetic, its verdict, and that every contender really does the work."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.records.fields import CONSENTS
from benchmarks import memory, rows, servers
from benchmarks.bench import cost, imports, pace, start
from benchmarks.bench.contenders import HTTP_HOOK, OURS, PEERS
from benchmarks.bench.contenders.task import Task
from benchmarks.bench.files import Files
from benchmarks.bench.found import Goal
from benchmarks.bench.processes import Took, delivered, failed, is_installed
from benchmarks.pace import share_of_the_rate

USERS = 250


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


def as_blux_has_it(row):
    known = {name: row[name] for name in ("phone_number", "email_address", *CONSENTS) if name in row}
    known["marketing_notification_consent"] = known["marketing_notification_consent"] in (True, "true")
    own = {name: value for name, value in row.items() if name not in {"user_id", *known}}
    return {"user_id": row["user_id"], "user_properties": known, "custom_user_properties": own}


def deliver(contender, task):
    """Let a contender work in this process: to import Airflow once is enough."""
    if not is_installed(contender):
        pytest.skip(f"{contender.needs} is not installed")
    return import_module(f"benchmarks.bench.contenders.{contender.module}").ready(task)()


@pytest.mark.parametrize("contender", [OURS, *PEERS], ids=lambda contender: contender.module)
@pytest.mark.parametrize(("what", "make"), [("users", rows.user), ("narrow users", rows.narrow_user)])
def test_every_contender_delivers_each_user_once_and_as_it_is(contender, what, make, files, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_CRM", "")  # set by who needs it, and put back in the end

    with Emulator() as blux:
        counts = deliver(contender, Task(url=blux.url, path=files.path(what, USERS, "jsonl"), what=what))
        requests, users = blux.requests(), dict(blux.users())

    assert counts["delivered"] == USERS
    assert sorted(request["records"] for request in requests) == [50, 100, 100]
    assert {request["status"] for request in requests} == {200}
    assert users == {row["user_id"]: as_blux_has_it(row) for row in map(make, range(USERS))}


def test_the_paced_peer_sends_again_what_was_over_the_limit(files):
    paced = PEERS[-1]

    with Emulator() as blux:
        blux.fault(kind="status", status=429, headers={"Retry-After": "0"}, times=1)
        counts = deliver(paced, Task(url=blux.url, path=files.path("users", USERS, "jsonl"), limit=1000))
        statuses = sorted(request["status"] for request in blux.requests())
        held = blux.counts()["users"]

    assert (counts["delivered"], held, statuses) == (USERS, USERS, [200, 200, 200, 429])


@pytest.mark.parametrize(("what", "source"), [("events", "jsonl"), ("ids", "csv"), ("ids", "parquet")])
def test_ours_delivers_events_and_deletions(what, source, files):
    if source == "parquet":
        pytest.importorskip("pyarrow")

    with Emulator() as blux:
        counts = deliver(OURS, Task(url=blux.url, path=files.path(what, USERS, source), what=what))
        arrived = [*blux.all_events()] if what == "events" else [*blux.deleted_users()]

    assert counts["delivered"] == len(arrived) == USERS


def test_a_process_goes_on_with_a_try_that_was_refused_and_tells_what_it_took(files, tmp_path):
    path = files.path("users", USERS, "jsonl")

    with servers.stub(refuse=3) as server:
        task = Task(url=server.url, path=path, store=str(tmp_path), concurrency=1)
        failed(OURS, task)
        took = delivered(OURS, task)
        statuses = [status for _, status in server.arrivals()]

    assert (took.resumed, took.delivered) == (200, USERS)
    assert took.cpu > 0
    assert 0 <= took.memory < 1000
    assert statuses == [200, 200, 401, 200]


def test_a_file_is_written_once_and_says_the_same_in_every_format(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    files = Files(tmp_path)
    path = files.path("events", 5, "jsonl")
    files.path("events", 5, "jsonl")
    table = parquet.read_table(files.path("events", 5, "parquet"))

    with open(path, encoding="utf-8") as lines:
        assert [*map(json.loads, lines)] == table.to_pylist() == [*map(rows.event, range(5))]
    assert len([*tmp_path.iterdir()]) == 2


def took(cpu, *, memory=5.0, count=100):
    return Took(delivered=count, resumed=0, cpu=cpu, memory=memory, seconds=1)


def cost_of(*, ours, hook, memory=5.0):
    users = cost.Plan(contender=OURS, what="users", source="jsonl", count=100, memory_goal=40)
    runs = {
        users: [took(cpu, memory=memory) for cpu in ours],
        replace(users, contender=HTTP_HOOK, memory_goal=None): [took(cpu) for cpu in hook],
        replace(users, what="ids", memory_goal=60): [took(1.0)],
    }
    return {goal.what: goal for goal in cost.found({plan: of for plan, of in runs.items() if of}).goals}


def test_the_ratio_is_that_of_runs_of_the_same_round():
    slower_and_slower = cost_of(ours=[0.2, 0.4, 0.8], hook=[1.0, 2.0, 4.0])

    (to_hook,) = (goal for what, goal in slower_and_slower.items() if "HttpHook" in what)
    assert (to_hook.measured, to_hook.reached) == ("0.200", True)
    assert slower_and_slower["CPU per 1 million users, jsonl"].measured == "4000.00 s"
    assert slower_and_slower["CPU per 10 million ids, jsonl"].measured == "100000.00 s"


def test_without_the_hook_there_is_no_ratio():
    assert [what for what in cost_of(ours=[1], hook=[]) if "HttpHook" in what] == []


def test_memory_beyond_the_goal_is_a_miss():
    memory = "memory over the start, 100 users, jsonl"

    assert cost_of(ours=[1], hook=[1], memory=40.0)[memory].reached
    assert not cost_of(ours=[1], hook=[1], memory=40.1)[memory].reached


def run(share, *, most=20, refused=0):
    return pace.Run(share=share, most=most, refused=refused, lost=0, cpu_a_million=1)


def test_the_share_is_the_median_and_what_must_not_be_is_the_worst():
    assert pace.told([run(0.5, most=19), run(0.99, most=21, refused=3), run(0.98)]) == ("98.00%", 21, 3)


@pytest.mark.parametrize(
    ("runs", "reached"),
    [
        ([[run(0.99), run(0.9), run(1)], [run(0.995)]], True),
        ([[run(0.989)], [run(1)]], False),
        ([[run(1), run(1, refused=1), run(1)]], False),
    ],
)
def test_a_pace_is_reached_at_every_latency_without_a_429_or_not_at_all(runs, reached):
    assert pace.goal("users", 0.99, runs).reached is reached


def test_a_share_counts_what_was_accepted():
    assert share_of_the_rate([(0.0, 200), (0.1, 429), (0.5, 200), (1.0, 200)], 4) == 0.5
    assert share_of_the_rate([(0.0, 200), (0.1, 429)], 4) == 0


def test_an_import_of_what_is_not_wanted_is_a_miss():
    assert imports.goal(29.9, ["requests", "tenacity"]).reached
    assert not imports.goal(29.9, ["pandas", "requests"]).reached
    assert not imports.goal(30.1, []).reached


def test_a_start_is_told_over_that_of_an_empty_operator():
    (goal,) = start.found({"empty": [0.1, 0.2, 0.9], "users": [0.4, 0.5, 0.6]}).goals

    assert (goal.measured, goal.reached) == ("0.300 s (0.500 s and 0.200 s)", True)


def test_a_goal_says_whether_it_is_reached():
    goal = Goal(what="this", goal="at most 1", measured="2")

    assert [replace(goal, reached=reached).row()[-1] for reached in (True, False, None)] == [
        "reached",
        "**missed**",
        "reported",
    ]


def test_users_of_a_table_which_has_no_booleans_are_all_delivered_where_memory_is_measured(capsys):
    memory.main(["--users", "120", "--only", "users sqlite"])

    assert "| users, sqlite | 120 |" in capsys.readouterr().out

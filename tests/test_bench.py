"""The comparative benchmark: its calculations and goals, and a check that every contender really delivers."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from importlib import import_module

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.records.fields import CONSENTS
from benchmarks import rows, servers, stub
from benchmarks.bench import __main__ as bench
from benchmarks.bench import cost, formats, imports, in_flight, pace, rejects, resume, stages, start
from benchmarks.bench.contenders import AIOHTTP, HTTP_HOOK, OURS, PEERS
from benchmarks.bench.databases import MariaDbTable, PostgreSqlTable
from benchmarks.bench.files import Files
from benchmarks.bench.mariadb_provider import install
from benchmarks.bench.processes import Usage, expect_failure, is_installed, lost, run_module, usage_of
from benchmarks.bench.section import Goal, Section, at_most
from benchmarks.measuring import Measuring
from benchmarks.pace import most_in_any_second, share_of_the_rate

USERS = 250


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    # Set by who needs it, and put back in the end.
    for name in ("AIRFLOW_CONN_BLUX_DEFAULT", "AIRFLOW_CONN_CRM", "AIRFLOW_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


def as_blux_has_it(row):
    known = {name: row[name] for name in ("phone_number", "email_address", *CONSENTS) if name in row}
    known["marketing_notification_consent"] = known["marketing_notification_consent"] in (True, "true")
    own = {name: value for name, value in row.items() if name not in {"user_id", *known}}
    return {"user_id": row["user_id"], "user_properties": known, "custom_user_properties": own}


def deliver(contender, task):
    """Run a contender in this process, so that Airflow is imported only once."""
    if not is_installed(contender):
        pytest.skip(f"{contender.needs} is not installed")
    return import_module(f"benchmarks.bench.contenders.{contender.module}").prepare(task)()


# What is delivered.


@pytest.mark.parametrize("contender", [OURS, *PEERS], ids=lambda contender: contender.module)
@pytest.mark.parametrize(("what", "make"), [("users", rows.user), ("narrow users", rows.narrow_user)])
def test_every_contender_delivers_each_user_once_and_as_it_is(contender, what, make, files):
    with Emulator() as blux:
        counts = deliver(contender, files.task(blux.url, what, USERS))
        requests, users = blux.requests(), dict(blux.users())

    assert counts["delivered"] == USERS
    assert sorted(request["records"] for request in requests) == [50, 100, 100]
    assert {request["status"] for request in requests} == {200}
    assert users == {row["user_id"]: as_blux_has_it(row) for row in map(make, range(USERS))}


def test_the_paced_peer_sends_again_what_was_over_the_limit(files):
    with Emulator() as blux:
        blux.fault(kind="status", status=429, headers={"Retry-After": "0"}, times=1)
        counts = deliver(AIOHTTP, files.task(blux.url, "users", USERS, limit=1000))
        statuses = sorted(request["status"] for request in blux.requests())
        held = blux.counts()["users"]

    assert (counts["delivered"], held, statuses) == (USERS, USERS, [200, 200, 200, 429])


@pytest.mark.parametrize(("what", "file_format"), [("events", "jsonl"), ("ids", "csv"), ("ids", "parquet")])
def test_ours_delivers_events_and_deletions(what, file_format, files):
    with Emulator() as blux:
        counts = deliver(OURS, files.task(blux.url, what, USERS, file_format))
        arrived = [row["user_id"] for row in blux.all_events()] if what == "events" else [*blux.deleted_users()]

    assert (counts["read"], counts["delivered"]) == (USERS, USERS)
    assert sorted(arrived) == [rows.user_id(number) for number in range(USERS)]


def test_deletions_are_measured_with_the_guard_on(files):
    with Emulator() as blux:
        task = files.task(blux.url, "ids", USERS)
        one_too_many = replace(task, arguments={"max_users": task.arguments["max_users"] - 1})
        with pytest.raises(AirflowFailException, match="max_users"):
            deliver(OURS, one_too_many)
        requests = blux.requests()

    assert (task.arguments["max_users"], requests) == (USERS, [])


def test_without_a_limit_of_the_server_no_argument_but_the_rate_is_other_than_the_default(files):
    ours = import_module("benchmarks.bench.contenders.ours")

    assert set(ours.unlimited("users")) == {"rate_limit", "concurrency"}
    assert files.task("http://127.0.0.1:1", "users", 1, limit=20).arguments == {}


@pytest.mark.parametrize(("stage", "read"), [("read", 0), ("check", USERS)])
def test_a_stage_before_sending_sends_nothing(stage, read, files):
    with Emulator() as blux:
        counts = deliver(OURS, files.task(blux.url, "users", USERS, stage=stage))
        requests = blux.requests()

    assert (counts["read"], counts["delivered"], requests) == (read, 0, [])


@pytest.mark.parametrize("what", rejects.SOURCES)
def test_as_many_records_are_rejected_as_the_source_has_invalid_ones(what, files, tmp_path):
    arguments = {"max_rejects": 1.0, "rejects_path": str(tmp_path)}

    with Emulator() as blux:
        counts = deliver(OURS, files.task(blux.url, what, USERS, arguments=arguments))
        held = blux.counts()["users"]

    assert counts["rejected"] == rejects.SOURCES[what] * USERS
    assert counts["delivered"] == held == USERS - counts["rejected"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PostgreSqlTable, MariaDbTable])
def test_typed_users_of_a_database_arrive_as_they_are(kind, tmp_path):
    table = kind()
    if why := table.missing():
        pytest.skip(why)
    install(tmp_path)

    with Emulator() as blux, table.filled(3):
        usage = usage_of(OURS, table.task(blux.url), 3)
        users = dict(blux.users())

    assert usage.delivered == 3
    for number in range(3):
        row, held = rows.typed_user(number), users[rows.user_id(number)]
        custom = held["custom_user_properties"]
        assert held["user_properties"] == {
            "phone_number": row["phone_number"],
            "email_address": row["email_address"],
            **{name: row[name] for name in CONSENTS},
        }
        assert (custom["spent"], custom["joined_on"]) == (float(row["spent"]), row["joined_on"].isoformat())
        if kind is MariaDbTable:  # where a time has no zone, and JSON is text
            assert custom["last_seen_at"] == row["last_seen_at"].replace(tzinfo=None).isoformat()
            assert json.loads(custom["preferences"]) == row["preferences"]
        else:
            assert custom["last_seen_at"] == row["last_seen_at"].isoformat()
            assert custom["preferences"] == row["preferences"]


def test_a_database_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("MYSQL_TCP_PORT", "1")

    assert "no MariaDB answers at 127.0.0.1:1" in MariaDbTable().missing()


@pytest.mark.slow
def test_a_retry_passes_over_what_its_first_try_has_sent(files):
    seconds, usage = resume.retry(files, USERS, 200)

    assert (usage.resumed, usage.delivered) == (200, USERS)
    assert 0 < seconds < usage.seconds


@pytest.mark.slow
def test_a_contender_that_should_fail_and_does_not_is_an_error(files):
    with servers.stub() as server, pytest.raises(RuntimeError, match="should have failed"):
        expect_failure(OURS, files.task(server.url, "users", 1))


@pytest.mark.parametrize("what", ["events", "users"])
def test_a_file_is_written_once_and_has_the_same_rows_in_every_format(what, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    files = Files(tmp_path)
    path = files.path(what, 5, "jsonl")
    written = os.stat(path).st_mtime_ns
    files.path(what, 5, "jsonl")
    table = parquet.read_table(files.path(what, 5, "parquet"))

    with open(path, encoding="utf-8") as lines:
        assert [*map(json.loads, lines)] == table.to_pylist() == [*map(rows.ROWS[what], range(5))]
    assert os.stat(path).st_mtime_ns == written


# What is measured.


@pytest.mark.parametrize("name", [name for name in formats.FORMATS if name != "lmdb"])
def test_a_format_finds_every_user_and_writes_less_for_a_change_only_where_files_are_added(name, tmp_path):
    found = run_module("one_format", name, "20000", str(tmp_path))

    assert found["bytes"] >= 20_000 * 19
    assert (found["changed"] < found["bytes"] / 10) == (name in {"entries", "parquet"})


def test_cpu_and_memory_are_those_of_the_block():
    with Measuring() as usage:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        data = bytearray(b"x" * 2**25)
    del data

    assert 0.05 <= usage.cpu <= usage.seconds + 0.05
    assert 30 <= usage.as_dict()["memory"] <= 200


def test_a_server_counts_what_is_in_flight():
    police = stub.Police(limit=None, latency=0, refuse=None)
    for _ in range(2):
        police.begin()
    police.arrive(10.0)
    police.end(10.0, 11.0)
    police.arrive(10.0)
    police.end(10.0, 12.0)
    police.begin()
    police.arrive(13.0)
    police.end(13.0, 14.0)

    assert police.in_flight() == {"most": 2, "mean": 1.0}


def test_a_share_counts_what_was_accepted():
    assert share_of_the_rate([(0.0, 200), (0.1, 429), (0.5, 200), (1.0, 200)], 4) == 0.5
    assert share_of_the_rate([(0.0, 200), (0.1, 429)], 4) == 0


def test_the_busiest_second_may_begin_anywhere():
    assert most_in_any_second([0.0, 0.9, 1.0, 1.5, 1.8]) == 4


def test_a_record_is_lost_that_no_accepted_request_can_have_carried():
    assert lost("users", 250, [(0.0, 200), (0.1, 200), (0.2, 200)]) == 0
    assert lost("users", 250, [(0.0, 200), (0.1, 429), (0.2, 200)]) == 50
    assert lost("ids", 6000, [(0.0, 200)]) == 3000


# Whether the goals are reached.


def usage(cpu, *, memory=5.0, count=100, **more):
    return Usage(**{"records": count, "delivered": count, "cpu": cpu, "memory": memory, "seconds": 1, **more})


USERS_PLAN = cost.Plan(contender=OURS, what="users", source="jsonl", count=100)
IDS_PLAN = replace(USERS_PLAN, what="ids")


def goals_of(runs, missing=()):
    section = cost.section({plan: [usage(cpu) for cpu in of] for plan, of in runs.items()}, dict(missing))
    return {goal.what: (goal.measured, goal.is_reached) for goal in section.goals}, section.notes


def test_a_ratio_is_that_of_runs_of_the_same_round():
    hook = replace(USERS_PLAN, contender=HTTP_HOOK)
    goals, _ = goals_of({USERS_PLAN: [0.2, 0.4, 0.8], hook: [1.0, 2.0, 4.0]})

    assert goals["CPU of users from jsonl, of `HttpHook`'s"] == ("0.200", True)


@pytest.mark.parametrize(("cpu", "is_reached"), [(0.649, True), (0.651, False)])
def test_users_cost_at_most_two_thirds_of_the_hooks(cpu, is_reached):
    goals, _ = goals_of({USERS_PLAN: [cpu], replace(USERS_PLAN, contender=HTTP_HOOK): [1.0]})

    assert goals["CPU of users from jsonl, of `HttpHook`'s"][1] is is_reached
    assert goals["the same, of aiohttp's"] == ("the other is not installed", None)


@pytest.mark.parametrize(("guarded", "is_reached"), [(1.299, True), (1.301, False)])
def test_the_guard_is_compared_with_deletions_without_it(guarded, is_reached):
    goals, _ = goals_of({IDS_PLAN: [guarded], replace(IDS_PLAN, what=cost.UNGUARDED): [1.0]})

    assert goals["CPU of deletions with the guard, of those without, jsonl"] == (f"{guarded:.3f}", is_reached)


def test_a_database_that_is_not_there_is_no_goal_missed_but_one_not_measured():
    why = "no PostgreSQL answers at 127.0.0.1:5432"
    hook = replace(USERS_PLAN, contender=HTTP_HOOK)
    typed = "CPU of users from PostgreSQL with typed columns, of `HttpHook`'s from jsonl"

    goals, notes = goals_of({USERS_PLAN: [0.2], hook: [1.0]}, {"PostgreSQL": why})
    assert (goals[typed], notes) == ((why, None), [f"Users from PostgreSQL were left out: {why}."])

    there = replace(USERS_PLAN, what="typed users", source="PostgreSQL")
    goals, notes = goals_of({USERS_PLAN: [0.2], hook: [1.0], there: [0.81]})
    assert (goals[typed], notes) == (("0.810", False), [])


@pytest.mark.parametrize(("memory", "is_reached"), [(40.0, True), (40.1, False)])
def test_memory_beyond_the_goal_is_a_miss(memory, is_reached):
    (goal,) = (
        goal
        for goal in cost.section({USERS_PLAN: [usage(1, memory=memory)]}, {}).goals
        if goal.what == "memory over the start, 100 users, jsonl"
    )

    assert goal.is_reached is is_reached


def test_a_contender_that_loses_records_is_not_compared():
    complete = usage(1)

    assert cost.check(USERS_PLAN, complete, 0) is complete
    with pytest.raises(RuntimeError, match="this package reports 99 of 100 users from jsonl as delivered"):
        cost.check(USERS_PLAN, replace(complete, delivered=99), 0)
    with pytest.raises(RuntimeError, match="the server has not accepted 100"):
        cost.check(USERS_PLAN, complete, 100)


PACED = pace.Plan(contender=OURS, what="users", file_format="jsonl", latency=0.2, count=300)


def run(share, *, most=20, refused=0, lost=0):
    return pace.Run(share=share, most=most, refused=refused, lost=lost, cpu_a_million=1)


def test_the_arrivals_tell_what_a_paced_delivery_was():
    arrivals = [(0.0, 200), (0.05, 429), (0.1, 200)]

    assert pace.run_of(PACED, arrivals, 3.0) == pace.Run(share=0.5, most=3, refused=1, lost=100, cpu_a_million=3.0)


def test_the_share_is_the_median_and_what_must_not_happen_is_the_worst():
    runs = {PACED: [run(0.5, most=19), run(0.99, most=21, refused=3), run(0.98, lost=7)]}

    assert pace.section("Pace", runs).rows == [("this package", "jsonl", 0.2, "98.00%", 21, 3, 7, "1.00")]


@pytest.mark.parametrize(
    ("runs", "is_reached"),
    [
        ([[run(0.99), run(0.9), run(1)], [run(0.985)]], True),
        ([[run(0.984)], [run(1)]], False),
        ([[run(1), run(1, refused=1), run(1)]], False),
        ([[run(1), run(1, lost=1), run(1)]], False),
    ],
)
def test_a_pace_is_reached_everywhere_without_a_429_and_a_loss_or_not_at_all(runs, is_reached):
    assert pace.goal("users", runs).is_reached is is_reached


def test_what_a_peer_misses_is_no_miss_of_ours():
    peer = replace(PACED, contender=HTTP_HOOK)

    (goal,) = pace.section("Pace", {PACED: [run(0.99)], peer: [run(0.2, refused=9)]}).goals
    assert (goal.measured, goal.is_reached) == ("99.00% to 99.00%, 0 times 429", True)


def test_concurrency_is_reached_exactly():
    section = in_flight.section({4: [(4, 3.9), (1, 1.0), (4, 3.8)], 32: [(33, 30.0)]})

    assert section.rows == [(4, "4", "3.8"), (32, "33", "30.0")]
    assert [goal.is_reached for goal in section.goals] == [True, False]


def test_rejects_are_told_by_the_row_and_must_be_as_many_as_were_made():
    some, wrong = usage(1e-4, rejected=10, delivered=90), usage(1e-4, rejected=9, delivered=91)

    assert rejects.section({"users, 10 % invalid": [some]}).rows[0][:3] == ("10%", "100", "1.0")
    with pytest.raises(RuntimeError, match="9 of 100 users, 10 % invalid were rejected"):
        rejects.section({"users, 10 % invalid": [wrong]})


def test_a_stage_is_told_without_those_before_it():
    assert stages.row([[1.0, 3.0, 3.5], [2.0, 4.0, 4.5], [1.5, 3.5, 9.0]]) == ["1.50", "2.00", "1.00", "4.50"]


def test_an_import_of_what_is_not_wanted_is_a_miss():
    assert imports.goal(29.9, ["requests", "tenacity"]).is_reached
    assert not imports.goal(29.9, ["pandas", "requests"]).is_reached
    assert not imports.goal(30.1, []).is_reached


def test_a_start_is_told_over_that_of_an_empty_operator():
    (goal,) = start.section({"empty": [0.1, 0.2, 0.9], "users": [0.4, 0.5, 0.6]}).goals

    assert (goal.measured, goal.is_reached) == ("0.300 s (0.500 s and 0.200 s)", True)


def test_a_goal_says_whether_it_is_reached():
    verdicts = [at_most("this", value, 1, why_not="nothing there").row() for value in (1.0, 1.1, None)]

    assert verdicts == [
        ("this", "at most 1", "1.000", "reached"),
        ("this", "at most 1", "1.100", "**missed**"),
        ("this", "at most 1", "nothing there", "not measured"),
    ]


def test_a_section_that_fails_costs_neither_the_others_nor_their_goals(monkeypatch, capsys):
    def broken(options, files):
        raise RuntimeError("no scheduler")

    goal = Goal(what="this", goal="at most 1", measured="2", is_reached=False)
    found = Section(title="Rejects", columns=("a",), rows=[(1,)], goals=[goal], notes=["Some were left out."])
    monkeypatch.setattr(bench, "SECTIONS", {"start": broken, "rejects": lambda options, files: found})

    bench.main([])

    output = capsys.readouterr().out
    assert "**start could not be measured: no scheduler**" in output
    assert "| a |\n| --- |\n| 1 |\n\nSome were left out.\n" in output
    assert "| this | at most 1 | 2 | **missed** |" in output

"""The cluster test: its source, the faults that it detects, and its message if a server is missing."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cluster.course import Course, Kill
from benchmarks.cluster.dag_run import Saved, Try
from benchmarks.cluster.partitions import write_partitions
from benchmarks.cluster.verdict import TASK_COLUMNS, Evidence, facts, faults, tasks
from benchmarks.soak_source import differences

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def partitions(tmp_path_factory):
    """Three files of a thousand users, the expected users at the end, and the records of each file."""
    folder = tmp_path_factory.mktemp("partitions")
    expected, records = write_partitions(folder, 1000, 3, random.Random(7))  # noqa: S311 - chance for tests
    files = [[*map(json.loads, file.read_text("utf-8").splitlines())] for file in sorted(folder.iterdir())]
    return files, expected, records


def test_every_user_is_in_exactly_one_file(partitions):
    files, expected, records = partitions
    ids = [{row["user_id"] for row in rows} for rows in files]

    assert [len(rows) for rows in files] == records
    assert sum(map(len, ids)) == len(set().union(*ids)) == len(expected) == 1000


def test_some_users_are_repeated_with_other_values_and_the_last_is_expected(partitions):
    files, expected, records = partitions
    repeated = Counter(row["user_id"] for rows in files for row in rows)
    last = {row["user_id"]: row["points"] for rows in files for row in rows}

    assert sum(records) == 1010
    assert max(repeated.values()) > 1
    assert {user_id: json.loads(user)["custom_user_properties"]["points"] for user_id, user in expected.items()} == last


def test_a_user_who_is_missing_wrong_or_made_up_is_counted(partitions):
    _, expected, _ = partitions
    first, second, third, *others = expected.items()
    held = [(user_id, json.loads(user)) for user_id, user in (second, third, *others)]
    held[0][1]["custom_user_properties"]["points"] = -1

    assert differences(dict(expected), [*held, ("nobody", {})]) == {
        "are missing": 1,
        "differ from the source": 1,
        "are held that the source does not have": 1,
    }
    assert not differences(dict([first]), [(first[0], json.loads(first[1]))])


def report(read=300, *, resumed=0, **counts):
    zero = dict.fromkeys(("rejected", "suppressed", "unknown"), 0)
    merged = 1
    return {
        "read": read,
        "delivered": read - merged,
        "merged": merged,
        "resumed": resumed,
        "batches": 3,
        "requests": 3,
        "retries": 0,
        **zero,
    } | counts


def evidence(**course):
    """Three tasks; the worker of the first was killed when two of its batches were saved and the third had arrived."""
    reports = {0: report(resumed=200, requests=1), 1: report(), 2: report()}
    sums = {
        name: sum(one[name] for one in reports.values()) for name in reports[0] if name not in ("requests", "retries")
    }
    ran = {
        "state": "success",
        "kill": Kill(at=105.0, held=150, processes=9, saved={0: Saved(delivered=200, batches=2, at=104.0)}),
        "tries": [
            Try(map_index=index, number=2 if index == 0 else 1, state="success", pid=1, seconds=1) for index in range(3)
        ],
        "workers": {0: ["worker-1", "worker-2"], 1: ["worker-2"], 2: ["worker-1"]},
        "retried_at": {0: 170.0},
        "reports": reports,
        "summary": sums,
    }
    return Evidence(
        users=894,
        records=[300, 300, 300],
        limit=20,
        course=Course(**{**ran, **course}),
        arrivals=[(100.0 + number / 2, 200) for number in range(10)],
        wrong=Counter(),
    )


def test_a_run_as_promised_has_no_fault():
    good = evidence()

    assert faults(good) == []
    assert dict(facts(good))["requests sent again"] == "1 (at most 4 were not saved)"
    assert [row[TASK_COLUMNS.index("ran on")] for row in tasks(good)] == [
        "worker-1, killed; worker-2",
        "worker-2",
        "worker-1",
    ]


def test_a_wrong_user_is_a_fault():
    assert faults(replace(evidence(), wrong=Counter({"are missing": 2}))) == ["2 users are missing"]


def test_a_run_that_failed_or_ended_too_soon_is_a_fault():
    assert "the run ended as failed" in faults(evidence(state="failed"))
    assert "no worker was killed: the run was over too soon" in faults(evidence(kill=None))


def test_a_request_too_many_in_a_second_is_a_fault_from_the_second_one_on():
    good = evidence()
    burst = [(200.0 + number / 100, 429) for number in range(22)]

    assert faults(replace(good, arrivals=good.arrivals + burst[:21])) == []
    (fault,) = faults(replace(good, arrivals=good.arrivals + burst))
    assert fault.startswith("22 requests in one second, with 20 allowed")


def test_more_requests_than_resume_promises_are_a_fault():
    good = evidence()
    again = [(200.0 + number, 200) for number in range(4)]

    assert faults(replace(good, arrivals=good.arrivals + again)) == ["5 requests sent again, with 0 to 4 promised"]


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (report(299), "task 1: read 299 of 300 records"),
        (report(rejected=1, delivered=298), "task 1: its counts do not add up"),
        (report(resumed=100), "task 1: resumed 100, where 0 were saved"),
        (report(requests=5, retries=1), "task 1: sent 4 requests for 3 batches"),
    ],
)
def test_a_report_that_is_not_as_it_should_be_is_a_fault(wrong, fault):
    good = evidence()
    reports = {**good.course.reports, 1: wrong}
    sums = {name: sum(one[name] for one in reports.values()) for name in good.course.summary}

    assert faults(evidence(reports=reports, summary=sums)) == [fault]


def test_a_killed_task_that_started_from_the_beginning_is_a_fault():
    reports = {**evidence().course.reports, 0: report()}

    assert "task 0: resumed 0, where 200 were saved" in faults(evidence(reports=reports))


def test_a_task_that_was_lost_without_a_kill_or_not_tried_again_is_a_fault():
    one = evidence().course.tries[0]

    found = faults(evidence(tries=[replace(one, number=1), replace(one, map_index=1)]))

    assert found == [
        "task 0: took 1 tries instead of 2",
        "task 1: took 2 tries instead of 1",
        "task 2: took no tries instead of 1",
    ]


def test_a_second_try_that_was_too_short_to_be_seen_is_no_fault_but_one_on_the_killed_worker_is():
    ran = evidence().course.workers

    assert faults(evidence(workers={**ran, 0: ["worker-1"]})) == []
    assert faults(evidence(workers={**ran, 0: ["worker-1", "worker-1"]})) == [
        "task 0: ran on worker-1, worker-1 instead of on one worker, then on the other"
    ]


def test_a_sum_that_is_not_that_of_the_reports_is_a_fault():
    assert faults(evidence(summary={}))[0].startswith("the DAG's own sum is {} instead of")


@pytest.mark.slow
def test_it_says_what_is_missing_where_no_server_answers(tmp_path):
    pytest.importorskip("psycopg2")
    pytest.importorskip("redis")
    nowhere = {"PGHOST": "127.0.0.1", "PGPORT": "1", "BLUX_REDIS": "redis://127.0.0.1:1/0", "TMPDIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster"],
        env={**os.environ, **nowhere},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, "")
    assert "PostgreSQL: none answers at 127.0.0.1:1" in done.stdout
    assert "Redis: none answers at 127.0.0.1:1" in done.stdout
    assert "redis-server --bind 127.0.0.1 --port 1" in done.stdout
    assert list(tmp_path.iterdir()) == []

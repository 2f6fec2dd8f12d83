"""The deletion workflow on PostgreSQL: the example DAG as it stands, on a table whose times are no text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome
from tests.postgres import PostgresDatabase, why_not

pytest.importorskip("airflow.providers.postgres")

EXAMPLES = Path(__file__).parents[2] / "example_dags"
TABLE = """CREATE TABLE deletion_requests (
    request_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text, requested_at {kind} NOT NULL, reason text,
    done_at {kind})"""
REQUESTS = """INSERT INTO deletion_requests (user_id, requested_at)
    SELECT user_id, now() - days * interval '1 day'
    FROM (VALUES ('a', 0), ('b', 1), ('a', 8), (' blank', 8), (' in time', 1)) AS asked (user_id, days)"""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresDatabase]:
    if reason := why_not(for_a_database_of_its_own=True):
        pytest.skip(reason)
    with PostgresDatabase() as database:
        yield database


@pytest.fixture(scope="module")
def examples(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, emulator: Emulator, database: PostgresDatabase
) -> Iterator[DagTester]:
    blux = emulator.connection()
    blux["extra"]["receipt_key"] = "a receipt key"
    home = AirflowHome(
        tmp_path_factory.mktemp("examples"),
        AIRFLOW_CONN_BLUX_DEFAULT=json.dumps(blux),
        AIRFLOW_CONN_BLUX_EXAMPLE_SHOP=json.dumps(database.connection()),
        AIRFLOW__CORE__DAGS_FOLDER=str(EXAMPLES),
        AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY="0",
        BLUX_EXAMPLE_OUTPUT=str(tmp_path_factory.mktemp("output")),
    )
    home.migrate(migrated_home)
    with DagTester(home) as tester:
        yield tester


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_requests_are_deleted_and_marked_done_and_the_late_one_is_named(
    examples: DagTester, blux: Emulator, database: PostgresDatabase, kind: str
) -> None:
    database.execute(f"DROP TABLE IF EXISTS deletion_requests; {TABLE.format(kind=kind)}; {REQUESTS}")
    run = examples.run("delete_users")

    assert run.state == "success", run.log
    assert set(blux.deleted_users()) == set(blux.deleted_profiles()) == {"a", "b"}
    assert run.result("mark_done") == {"done": 3, "open": 2}
    assert run.result("report_deadlines") == {"open": 2, "near_deadline": [4]}
    query = "SELECT done_at > now() - interval '1 day' AS is_done FROM deletion_requests ORDER BY request_no"
    assert [row["is_done"] for row in database.select(query)] == [True, True, True, None, None]

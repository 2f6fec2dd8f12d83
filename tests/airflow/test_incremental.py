"""The example of an incremental query: the rows that each run reads, whether or not earlier runs succeeded."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_blux.emulator import Emulator
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAG = "sync_users_from_sql"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((EXAMPLES / "data" / "shop.sql").read_text("utf-8"))
    return path


@pytest.fixture(scope="module")
def examples(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, emulator: Emulator, shop: Path
) -> Iterator[DagTester]:
    home = AirflowHome(
        tmp_path_factory.mktemp("incremental"),
        AIRFLOW__CORE__DAGS_FOLDER=str(EXAMPLES),
        AIRFLOW_CONN_BLUX_DEFAULT=json.dumps(emulator.connection()),
        AIRFLOW_CONN_BLUX_EXAMPLE_SHOP=json.dumps({"conn_type": "sqlite", "host": str(shop)}),
    )
    home.migrate(migrated_home)
    with DagTester(home) as tester:
        yield tester


def change(shop: Path, number: int) -> None:
    with closing(sqlite3.connect(shop)) as database, database:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        database.execute("UPDATE customers SET updated_at = ?, name = 'changed' WHERE customer_no = ?", (now, number))


def name_of(blux: Emulator, number: int) -> object:
    return (blux.user(str(number)) or {}).get("custom_user_properties", {}).get("name")


@pytest.mark.skipif(airflow_version.startswith("3.0"), reason="only a scheduler of Airflow 3.0 activates the outlet")
def test_no_change_is_lost_by_a_run_that_fails(examples: DagTester, blux: Emulator, shop: Path) -> None:
    first = examples.run(DAG)
    assert first.state == "success", first.log
    read_first = first.result("send_customers")["read"]
    assert read_first > 100

    change(shop, 100001)
    blux.fault(kind="status", status=404)
    assert examples.run(DAG).state == "failed"
    blux.clear_faults()
    change(shop, 100002)
    third = examples.run(DAG)

    assert third.state == "success", third.log
    assert 2 <= third.result("send_customers")["read"] < read_first / 2
    assert (name_of(blux, 100001), name_of(blux, 100002)) == ("changed", "changed")

"""What upstream tasks return, under real Airflow, with the XCom backend that keeps large values in object storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
pytest.importorskip("airflow.providers.common.io")

DAGS = Path(__file__).with_name("dags")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that large values go to."""
    return tmp_path_factory.mktemp("xcom")


@pytest.fixture(scope="module")
def dag_tester(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator, bucket: Path) -> Iterator[DagTester]:
    home = AirflowHome(
        tmp_path_factory.mktemp("airflow"),
        AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
        AIRFLOW__CORE__XCOM_BACKEND="airflow.providers.common.io.xcom.backend.XComObjectStorageBackend",
        AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH=f"file://{bucket}",
        AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD="1000",
        AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_COMPRESSION="gzip",
        AIRFLOW_CONN_BLUX_DEFAULT=json.dumps(emulator.connection()),
    )
    home.migrate()
    with DagTester(home) as tester:
        yield tester


@pytest.mark.parametrize(
    ("dag_id", "count", "files"),
    [("users_from_a_large_list", 1500, 1), ("users_from_mapped_tasks", 2100, 3), ("users_from_a_frame", 150, 0)],
)
def test_a_large_value_is_read_from_where_the_backend_put_it(
    dag_tester: DagTester, emulator: Emulator, bucket: Path, dag_id: str, count: int, files: int
) -> None:
    if dag_id == "users_from_a_frame" and metadata.version("apache-airflow").startswith("2."):
        pytest.skip("Airflow 2 keeps no DataFrame of this pandas")
    emulator.reset()
    run = dag_tester.run(dag_id)

    assert run.state == "success", run.log
    assert run.result("deliver")["delivered"] == count
    assert len(dict(emulator.users())) == count
    kept = [path for path in bucket.rglob("*") if path.is_file() and dag_id in str(path)]
    assert len(kept) >= files


def test_a_skipped_upstream_follows_on_empty(dag_tester: DagTester) -> None:
    run = dag_tester.run("users_of_a_skipped_task")

    assert {name: run.task(name).state for name in ("succeed", "skip", "fail")} == {
        "succeed": "success",
        "skip": "skipped",
        "fail": "failed",
    }, run.log
    assert run.result("succeed")["read"] == 0


def test_an_upstream_that_returned_nothing_is_an_error(dag_tester: DagTester) -> None:
    run = dag_tester.run("users_of_a_task_without_a_value")

    assert run.state == "failed"
    assert "the upstream task returned nothing" in run.log

"""Outputs of upstream tasks under real Airflow, with the XCom backend that keeps large values in object storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
pytest.importorskip("airflow.providers.common.io")

FORMS = (
    "map",
    "map_map",
    "concat",
    "concat_map",
    "zip",
    "zip_map",
    "mapped_map",
    "mapped_concat",
    "mapped_zip",
)
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

    for of in ("", "_without_a_path"):
        assert {name: run.task(f"{name}{of}").state for name in ("succeed", "skip", "fail")} == {
            "succeed": "success",
            "skip": "skipped",
            "fail": "failed",
        }, run.log
        assert run.result(f"succeed{of}")["read"] == 0


def test_an_upstream_that_returned_nothing_is_an_error(dag_tester: DagTester) -> None:
    run = dag_tester.run("users_of_a_task_without_a_value")

    assert [run.task(name).state for name in ("deliver", "deliver_files")] == ["failed", "failed"], run.log
    assert "the upstream task returned nothing" in run.log


def test_a_skipped_instance_of_a_mapped_group_concerns_no_other(dag_tester: DagTester) -> None:
    run = dag_tester.run("users_of_a_mapped_group")

    assert [run.task("group.deliver", index).state for index in (0, 1)] == ["failed", "success"], run.log
    assert "the upstream task returned nothing" in run.log


@pytest.fixture(scope="module")
def forms(dag_tester: DagTester, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Run]:
    """The values that a task gets, and the run in which an operator gets the same values."""
    folder = tmp_path_factory.mktemp("received")
    run = dag_tester.run("lazy_values", folder=str(folder))
    assert run.state == "success", run.log
    return json.loads((folder / "received.json").read_text()), run


@pytest.mark.parametrize("form", FORMS)
def test_an_operator_gets_what_a_task_gets(forms: tuple[dict[str, Any], Run], emulator: Emulator, form: str) -> None:
    received, report = forms[0][form], forms[1].result(f"deliver_{form}")

    assert report["read"] == report["delivered"] + report["merged"] == len(received) >= 3
    for user in received:
        arrived = emulator.user(user["user_id"])
        assert user.items() <= {"user_id": arrived["user_id"], **arrived["custom_user_properties"]}.items()


def test_each_record_argument_takes_lazy_values(dag_tester: DagTester, emulator: Emulator) -> None:
    run = dag_tester.run("lazy_values_of_each_kind")

    assert run.state == "success", run.log
    assert {name: run.result(name)["delivered"] for name in ("deletions", "events", "devices")} == {
        "deletions": 8,
        "events": 8,
        "devices": 8,
    }
    assert [run.result("partial", index)["delivered"] for index in range(2)] == [8, 8]
    assert [run.result("expanded", index)["delivered"] for index in range(5)] == [1] * 5


def test_an_index_error_of_a_mapped_function_fails_the_task(dag_tester: DagTester) -> None:
    assert dag_tester.run("lazy_values_with_an_error").state == "failed"


def test_no_id_is_chosen_from_a_pair(dag_tester: DagTester) -> None:
    run = dag_tester.run("ids_in_pairs")

    assert run.state == "failed"
    assert "0 were delivered, 5 rejected" in run.log


def test_paths_may_be_lazy_values_too(dag_tester: DagTester, tmp_path: Path) -> None:
    run = dag_tester.run("lazy_paths", folder=str(tmp_path))

    assert run.state == "success", run.log
    assert (run.result("mapped")["delivered"], run.result("mapped_map")["suppressed"]) == (3, 3)

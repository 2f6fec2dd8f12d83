"""Real Airflow for the tests of this folder: its own home, its own processes, nothing of the developer's machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome
from tests.airflow.scheduler import Scheduler, settings_of_a_scheduler

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.airflow)
            item.add_marker(pytest.mark.timeout(600))
            # One scheduler, and one process that tests DAGs, however many processes share the tests.
            shared = {"scheduler", "dag_tester"} & set(getattr(item, "fixturenames", ()))
            item.add_marker(pytest.mark.xdist_group("+".join(sorted(shared)) or item.path.name))


@pytest.fixture(scope="session")
def keys() -> Canaries:
    """The keys of the connections."""
    return Canaries()


@pytest.fixture(scope="session")
def emulator(keys: Canaries) -> Iterator[Emulator]:
    with Emulator(secret_key=keys.secret(), open_api_key=keys.secret()) as running:
        yield running


@pytest.fixture
def blux(emulator: Emulator) -> Emulator:
    """The emulator, empty."""
    emulator.reset()
    return emulator


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to read users from."""
    return tmp_path_factory.mktemp("warehouse") / "warehouse.db"


@pytest.fixture(scope="session")
def connections(emulator: Emulator, keys: Canaries, warehouse: Path) -> dict[str, str]:
    """The connections that the DAGs name."""
    right = emulator.connection()
    wrong = {**right, "password": keys.secret()}
    empty = {"conn_type": "blux", "host": right["host"]}
    named = {
        "blux_default": right,
        "wrong_key": wrong,
        "no_credentials": empty,
        "warehouse": {"conn_type": "sqlite", "host": str(warehouse)},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in named.items()}


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    home = AirflowHome(tmp_path_factory.mktemp("migrated"))
    home.migrate()
    return home


@pytest.fixture(scope="session")
def dag_tester(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, connections: dict[str, str]
) -> Iterator[DagTester]:
    home = AirflowHome(tmp_path_factory.mktemp("dag_tester"), **connections)
    home.migrate(migrated_home)
    with DagTester(home) as tester:
        yield tester


@pytest.fixture(scope="session")
def scheduler(
    tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome, connections: dict[str, str]
) -> Iterator[Scheduler]:
    if metadata.version("apache-airflow").startswith("2."):
        pytest.skip("Airflow 2 refuses SQLite where tasks run in processes of their own")
    home = AirflowHome(tmp_path_factory.mktemp("scheduler"), **connections, **settings_of_a_scheduler())
    home.migrate(migrated_home)
    with Scheduler(home) as running:
        yield running


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Write records as JSON lines, return the file."""

    def write(records: list[Any], name: str = "records.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records), "utf-8")
        return path

    return write

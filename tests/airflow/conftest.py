"""Real Airflow for the tests of this folder: its own home, its own processes, nothing of the developer's machine.

Its fixtures end with the last test of this folder: an Airflow with nothing to do slows the other tests down.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import DAGS_FOLDER, AirflowHome
from tests.airflow.lineage import settings_of_lineage
from tests.airflow.metadata import Database
from tests.airflow.rest import AIRFLOW_2
from tests.airflow.scheduler import Scheduler, settings_of_a_scheduler
from tests.airflow.statsd import StatsdListener, settings_of_metrics
from tests.postgres import SERVER, PostgresDatabase, why_not

HERE = Path(__file__).parent
DOCUMENTATION = "https://docs.example.com/blux"


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.airflow)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="package")
def keys() -> Canaries:
    """The keys of the connections."""
    return Canaries()


@pytest.fixture(scope="package")
def emulator(keys: Canaries) -> Iterator[Emulator]:
    with Emulator(secret_key=keys.secret(), open_api_key=keys.secret()) as running:
        yield running


@pytest.fixture
def blux(emulator: Emulator) -> Emulator:
    """The emulator, empty."""
    emulator.reset()
    return emulator


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to read users from."""
    return tmp_path_factory.mktemp("warehouse") / "warehouse.db"


@pytest.fixture(scope="package")
def connections(emulator: Emulator, keys: Canaries, warehouse: Path) -> dict[str, str]:
    """The connections that the DAGs name."""
    right = emulator.connection()
    right["extra"]["receipt_key"] = keys.secret()
    wrong = {**right, "password": keys.secret(), "extra": {**right["extra"], "open_api_key": keys.secret()}}
    empty = {"conn_type": "blux", "host": right["host"]}
    named = {
        "blux_default": right,
        "impatient": {**right, "extra": {**right["extra"], "timeout": 1}},
        "wrong_key": wrong,
        "no_credentials": empty,
        "warehouse": {"conn_type": "sqlite", "host": str(warehouse)},
        "warehouse_server": {
            "conn_type": "postgres",
            "login": SERVER["user"],
            "schema": SERVER["dbname"],
            **{name: SERVER[name] for name in ("host", "port", "password")},
        },
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in named.items()}


@pytest.fixture(scope="package")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    home = AirflowHome(tmp_path_factory.mktemp("migrated"))
    home.migrate()
    return home


@pytest.fixture(scope="package")
def metrics() -> Iterator[StatsdListener]:
    """The StatsD server that receives Airflow's metrics."""
    with StatsdListener() as listener:
        yield listener


@pytest.fixture(scope="package")
def dag_tester(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_home: AirflowHome,
    connections: dict[str, str],
    metrics: StatsdListener,
) -> Iterator[DagTester]:
    folder = tmp_path_factory.mktemp("dag_tester")
    home = AirflowHome(folder, **connections, **settings_of_metrics(metrics), **settings_of_lineage(folder))
    home.migrate(migrated_home)
    with DagTester(home) as tester:
        yield tester


@pytest.fixture(scope="package")
def scheduler_database() -> Iterator[Database | None]:
    """A database that several processes can share: not SQLite on Airflow 2."""
    with contextlib.ExitStack() as opened:
        if AIRFLOW_2 and (reason := why_not(for_a_database_of_its_own=True)):
            pytest.skip(f"Airflow 2 refuses SQLite where tasks run in processes of their own, and {reason}")
        yield opened.enter_context(PostgresDatabase()) if AIRFLOW_2 else None


@pytest.fixture(scope="package")
def parsed() -> Canaries:
    """The values in the DAGs with a mistake while they are parsed."""
    return Canaries()


@pytest.fixture(scope="package")
def rows_of_wrong_dags(tmp_path_factory: pytest.TempPathFactory, parsed: Canaries) -> Path:
    """The file that the DAGs with a mistake read."""
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    path.write_text(json.dumps([parsed.user() for _ in range(3)]))
    return path


@pytest.fixture(scope="package")
def scheduler(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    scheduler_database: Database | None,
    connections: dict[str, str],
    rows_of_wrong_dags: Path,
    metrics: StatsdListener,
) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("scheduler")
    shutil.copytree(DAGS_FOLDER, folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE / "wrong_dags", folder / "dags" / "wrong", ignore=shutil.ignore_patterns("__pycache__"))
    own = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__BLUX__DOCS_URL": f"{DOCUMENTATION}/",
        "BLUX_TESTS_ROWS": str(rows_of_wrong_dags),
        **settings_of_metrics(metrics),
        **settings_of_lineage(folder),
    }
    home = AirflowHome(folder, scheduler_database, **connections, **settings_of_a_scheduler(), **own)
    home.migrate(None if scheduler_database else request.getfixturevalue("migrated_home"))
    with Scheduler(home) as running:
        yield running


if AIRFLOW_2:

    @pytest.fixture
    def airflow(dag_tester: DagTester) -> DagTester:
        """A scheduler where there is one: its tasks run, and write the logs, as in production."""
        return dag_tester

else:

    @pytest.fixture
    def airflow(scheduler: Scheduler) -> Scheduler:
        """A scheduler where there is one: its tasks run, and write the logs, as in production."""
        return scheduler


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Write records as JSON lines, return the file."""

    def write(records: list[Any], name: str = "records.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records), "utf-8")
        return path

    return write

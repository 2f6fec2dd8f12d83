"""An Airflow that has only an API server, with deliveries in its database that never ran."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.airflow.browser.permissions import USERS
from tests.airflow.home import AirflowHome
from tests.airflow.scheduler import PROCESS_TREE, settings_of_a_scheduler

ROOT = Path(__file__).parents[3]
PAGE = "plugin/blux-deliveries"


def report(**counts: Any) -> dict[str, Any]:
    """Return a report like that of an operator, for a delivery of ten seconds."""
    empty = dict.fromkeys(("delivered", "rejected", "suppressed", "merged", "unknown", "resumed", "valid"), 0)
    read = sum(number for name, number in counts.items() if name in {*empty, "unchanged"} - {"resumed"})
    speed = {"batches": 10, "requests": 190, "retries": 0, "seconds": 10.0, "rate_limit": 20.0}
    others = {"records_per_second": read / 10, "rejects": None, "receipts": None, "validate_only": False}
    return {"read": read, **empty, **speed, **others} | counts


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A run of a DAG with one task, which sends records.

    :param parts: number of mapped task instances; 0 for a task that is not mapped.
    :param report: the report that each instance returned; ``None`` if it returned nothing.
    """

    dag_id: str
    operation: str = "upsert_users"
    state: str = "success"
    hours_ago: float = 1
    seconds: float = 12
    parts: int = 0
    report: dict[str, Any] | None = field(default_factory=lambda: report(delivered=1000))


class SeededSite:
    """The API server, from the first request to the end of the tests.

    :param folder: an empty folder.
    :param migrated: a home whose database is copied.
    :param settings: more settings of Airflow.
    """

    def __init__(
        self,
        folder: Path,
        migrated: AirflowHome,
        deliveries: Iterable[Delivery],
        *,
        timeout: float = 180,
        **settings: str,
    ) -> None:
        self._settings = settings_of_a_scheduler() | {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:viewer" for name in USERS),
            "AIRFLOW__CORE__AUTH_MANAGER": "tests.airflow.browser.auth_manager.AuthManagerByDag",
            "PYTHONPATH": str(ROOT),
        }
        self.home = AirflowHome(folder, **self._settings, **settings)
        self.home.migrate(migrated)
        self.url = self.home.environment["AIRFLOW__API__BASE_URL"]
        self.log = folder / "api-server.log"
        self._timeout = timeout
        (folder / "simple_auth_manager_passwords.json.generated").write_text(json.dumps(USERS))
        self._seed([asdict(delivery) for delivery in deliveries])

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "airflow", "api-server"]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-P", str(PROCESS_TREE), json.dumps({str(self.log): command})],
            env=self.home.environment,
            cwd=self.home.folder,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.session = requests.Session()
        self.session.trust_env = False
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()
        self._process.communicate(timeout=60)

    def token(self, name: str) -> str:
        """Return the token of a person's session."""
        answer = self.session.post(
            f"{self.url}/auth/token", json={"username": name, "password": USERS[name]}, timeout=60
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def _seed(self, deliveries: list[dict[str, Any]]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.airflow.browser.seed_deliveries"],
            env=self.home.environment,
            input=json.dumps(deliveries),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self.session.get(f"{self.url}/api/v2/version", timeout=10).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.2)
        self._process.communicate(timeout=60)
        raise TimeoutError(f"the API server did not start:\n{self.log.read_text(errors='replace')[-5000:]}")

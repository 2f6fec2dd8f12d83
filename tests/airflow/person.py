"""What a person does in Airflow's pages, done through the REST API behind them."""

from __future__ import annotations

from typing import Any

import requests

from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler


class Person:
    """Somebody with every right in a healthy Airflow 3.

    :param scheduler: the Airflow; its first run must have been triggered.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._url = scheduler.home.environment["AIRFLOW__API__BASE_URL"]
        self._session = requests.Session()
        self._session.trust_env = False
        token = self._session.get(f"{self._url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def mark_failed(self, run: Run, task_id: str) -> None:
        """Mark a running task as failed: Airflow then stops its process."""
        self._patch(f"{self._task(run, task_id)}", {"new_state": "failed"})

    def answer(self, run: Run, task_id: str, option: str) -> None:
        """Choose an option of a task that asks."""
        self._patch(f"{self._task(run, task_id)}/-1/hitlDetails", {"chosen_options": [option]})

    def extra_of(self, connection_id: str) -> str:
        """Return the extra of a stored connection as the pages show it."""
        answer = self._session.get(f"{self._url}/api/v2/connections/{connection_id}", timeout=30)
        answer.raise_for_status()
        extra: str = answer.json()["extra"]
        return extra

    def store_connection(self, **connection: Any) -> None:
        """Store a connection."""
        self._session.post(f"{self._url}/api/v2/connections", json=connection, timeout=30).raise_for_status()

    def _task(self, run: Run, task_id: str) -> str:
        return f"{self._url}/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}"

    def _patch(self, url: str, body: dict[str, Any]) -> None:
        self._session.patch(url, json=body, timeout=30).raise_for_status()

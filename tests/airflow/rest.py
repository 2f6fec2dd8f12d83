"""Airflow's REST API, the same for both of its versions: v1 of Airflow 2, v2 of Airflow 3."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from tests.airflow.metadata import Run

# A busy machine may take long; what waits for an answer that never comes has a limit of its own.
TIMEOUT = 120
# Airflow answers 500, and has done nothing, when another of its processes wrote to SQLite meanwhile.
WHILE_BUSY = Retry(
    total=5, connect=0, read=0, status_forcelist=[500], allowed_methods=None, backoff_factor=0.2, raise_on_status=False
)
AIRFLOW_2 = metadata.version("apache-airflow").startswith("2.")


class RestApi:
    """The requests of a user with all permissions.

    :param environment: the settings of an Airflow on the loopback address.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._base = environment["AIRFLOW__WEBSERVER__BASE_URL" if AIRFLOW_2 else "AIRFLOW__API__BASE_URL"]
        self._url = f"{self._base}/api/{'v1' if AIRFLOW_2 else 'v2'}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount(self._base, HTTPAdapter(max_retries=WHILE_BUSY))

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def is_healthy(self) -> bool:
        """Tell whether the scheduler and the DAG processor are at work."""
        # Airflow 2's scheduler answers for the DAG processor that it has started.
        parts = ("scheduler",) if AIRFLOW_2 else ("scheduler", "dag_processor")
        try:
            answer = self._session.get(f"{self._url}/{'health' if AIRFLOW_2 else 'monitor/health'}", timeout=TIMEOUT)
        except requests.ConnectionError:
            return False
        health = answer.json() if answer.ok else {}
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def sign_in(self) -> None:
        """Get a token for Airflow 3; Airflow 2 is configured to need none."""
        if not AIRFLOW_2:
            token = self._session.get(f"{self._base}/auth/token", timeout=TIMEOUT).json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"

    def unpause(self, dag_id: str) -> None:
        """Let the runs of a paused DAG begin."""
        self._patch(f"{self._url}/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> dict[str, Any] | None:
        """Start a run of a DAG; return ``None`` when the DAG is not there (yet)."""
        body = {"conf": conf} if AIRFLOW_2 else {"conf": conf, "logical_date": None}
        answer = self._session.post(f"{self._url}/dags/{dag_id}/dagRuns", json=body, timeout=TIMEOUT)
        return None if answer.status_code == 404 else _content(answer)

    def state(self, run: Run) -> str:
        """Return the state of a run."""
        state: str = _content(self._session.get(self._run(run), timeout=TIMEOUT))["state"]
        return state

    def task_state(self, run: Run, task_id: str) -> dict[str, Any]:
        """Return the task state of a task by key (Airflow 3.3 and later)."""
        answer = self._session.get(f"{self._run(run)}/taskInstances/{task_id}/state-store", timeout=TIMEOUT)
        return {entry["key"]: entry["value"] for entry in _content(answer)["task_state_store"]}

    def links(self, run: Run, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """Return the links of a task instance by their names."""
        url = f"{self._run(run)}/taskInstances/{task_id}/links"
        found = _content(self._session.get(url, params={"map_index": map_index}, timeout=TIMEOUT))
        return found if AIRFLOW_2 else found["extra_links"]

    def clear(self, run: Run, *task_ids: str, only_failed: bool = False) -> None:
        """Clear tasks, so that they run again.

        :param only_failed: do not clear task instances that succeeded, including mapped ones.
        """
        body = {
            "dag_run_id": run.run_id,
            "task_ids": task_ids,
            "dry_run": False,
            "only_failed": only_failed,
            "reset_dag_runs": True,
        }
        _content(self._session.post(f"{self._url}/dags/{run.dag_id}/clearTaskInstances", json=body, timeout=TIMEOUT))

    def mark_failed(self, run: Run, task_id: str) -> None:
        """Mark a running task as failed: Airflow then stops its process."""
        body = {"new_state": "failed", "dry_run": False} if AIRFLOW_2 else {"new_state": "failed"}
        self._patch(f"{self._run(run)}/taskInstances/{task_id}", body)

    def answer(self, run: Run, task_id: str, option: str) -> None:
        """Choose an option of a task that waits for a human decision."""
        self._patch(f"{self._run(run)}/taskInstances/{task_id}/-1/hitlDetails", {"chosen_options": [option]})

    def extra_of(self, connection_id: str) -> str:
        """Return the extra of a stored connection as the pages show it."""
        extra: str = _content(self._session.get(f"{self._url}/connections/{connection_id}", timeout=TIMEOUT))["extra"]
        return extra

    def store_connection(self, **connection: Any) -> None:
        """Store a connection."""
        _content(self._session.post(f"{self._url}/connections", json=connection, timeout=TIMEOUT))

    def test_connection(self, **connection: Any) -> tuple[bool, str]:
        """Test a connection; Airflow 3.3 takes missing fields from the stored connection."""
        found = _content(self._session.post(f"{self._url}/connections/test", json=connection, timeout=TIMEOUT))
        return found["status"], found["message"]

    def import_errors(self) -> dict[str, str]:
        """Return the import errors of DAG files by file name."""
        found = _content(self._session.get(f"{self._url}/importErrors", timeout=TIMEOUT))["import_errors"]
        return {error["filename"].rpartition("/")[2]: error["stack_trace"] for error in found}

    def _run(self, run: Run) -> str:
        return f"{self._url}/dags/{run.dag_id}/dagRuns/{run.run_id}"

    def _patch(self, url: str, body: dict[str, Any]) -> None:
        _content(self._session.patch(url, json=body, timeout=TIMEOUT))


def _content(answer: requests.Response) -> dict[str, Any]:
    if not answer.ok:
        raise RuntimeError(f"{answer.request.method} {answer.url} gave {answer.status_code}: {answer.text}")
    content: dict[str, Any] = answer.json()
    return content

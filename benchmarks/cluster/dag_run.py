"""One run of a DAG, started and looked at through Airflow's REST API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

_ANSWERS_WITHIN = 60


@dataclass(frozen=True, kw_only=True)
class Try:
    """A task instance as it is now."""

    map_index: int
    number: int
    state: str | None
    pid: int | None
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What a task has saved for its next try.

    :param delivered: records.
    :param batches: batches that need no other request.
    :param at: when, in Unix time.
    """

    delivered: int
    batches: int
    at: float


class AirflowApi:
    """A client of Airflow's REST API; signs in when Airflow is healthy."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def is_healthy(self) -> bool:
        """Return whether scheduler and DAG processor are at work."""
        try:
            answer = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=_ANSWERS_WITHIN)
        except requests.RequestException:
            return False
        health = answer.json() if answer.ok else {}
        return all(health.get(part, {}).get("status") == "healthy" for part in ("scheduler", "dag_processor"))

    def sign_in(self) -> None:
        """Take the token that everybody is given on this machine."""
        answer = self._session.get(f"{self._url}/auth/token", timeout=_ANSWERS_WITHIN)
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def knows(self, dag_id: str) -> bool:
        """Return whether a DAG has been parsed."""
        return self._session.get(f"{self._url}/api/v2/dags/{dag_id}", timeout=_ANSWERS_WITHIN).ok

    def start(self, dag_id: str) -> DagRun:
        """Start a run of a DAG."""
        document: dict[str, Any] = {"logical_date": None, "conf": {}}
        run = self.ask("POST", f"/dags/{dag_id}/dagRuns", document)
        return DagRun(self, dag_id, run["dag_run_id"])

    def ask(self, method: str, path: str, document: Any = None, **query: Any) -> Any:
        """Return what the API answers; ``None`` for a 404."""
        answer = self._session.request(
            method, f"{self._url}/api/v2{path}", json=document, params=query, timeout=_ANSWERS_WITHIN
        )
        if answer.status_code == requests.codes.not_found:
            return None
        if not answer.ok:
            raise RuntimeError(f"{method} {path} gave {answer.status_code}: {answer.text}")
        return answer.json()


class DagRun:
    """One run of a DAG."""

    def __init__(self, api: AirflowApi, dag_id: str, run_id: str) -> None:
        self._api = api
        self._path = f"/dags/{dag_id}/dagRuns/{run_id}"

    def state(self) -> str:
        """Return the state of the run."""
        return str(self._api.ask("GET", self._path)["state"])

    def is_over(self) -> bool:
        """Return whether the run has ended, well or not."""
        return self.state() in ("success", "failed")

    def started_at(self, task_id: str) -> float:
        """Return when a task that is not mapped was started, in Unix time."""
        found = self._api.ask("GET", f"{self._path}/taskInstances/{task_id}")
        return datetime.fromisoformat(found["start_date"]).timestamp()

    def tries(self, task_id: str) -> list[Try]:
        """Return the instances of a mapped task, in order."""
        found = self._api.ask("GET", f"{self._path}/taskInstances/{task_id}/listMapped", limit=100)
        return [
            Try(
                map_index=one["map_index"],
                number=one["try_number"],
                state=one["state"],
                pid=one["pid"],
                seconds=one["duration"],
            )
            for one in (found or {}).get("task_instances", ())
        ]

    def result(self, task_id: str, map_index: int = -1) -> Any:
        """Return what a task returned; ``None`` when nothing."""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value"
        found = self._api.ask("GET", path, map_index=map_index, deserialize=False)
        return found and found["value"]

    def saved(self, task_id: str, map_index: int) -> Saved | None:
        """Return what a task has saved for its next try; ``None`` when nothing."""
        path = f"{self._path}/taskInstances/{task_id}/state-store/blux_checkpoint"
        found = self._api.ask("GET", path, map_index=map_index)
        if found is None:
            return None
        counts = found["value"]["counts"]
        return Saved(
            delivered=counts.get("delivered", 0),
            batches=counts.get("batches", 0),
            at=datetime.fromisoformat(found["updated_at"]).timestamp(),
        )

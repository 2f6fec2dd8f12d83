"""The events that Airflow's OpenLineage provider has written to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.emulator.client import until

FILE = "openlineage.jsonl"
_ENDS = {"COMPLETE", "FAIL"}


def settings_of_lineage(folder: Path) -> dict[str, str]:
    """Return the settings of an Airflow that writes lineage to a file of ``folder``, for DAGs that enable it."""
    transport = {"type": "file", "log_file_path": str(folder / FILE), "append": True}
    return {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        "AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE": "True",
        # On a busy machine the provider would give an event up after ten seconds, and go on without it.
        "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "120",
    }


def events_of(folder: Path, job: str) -> list[dict[str, Any]]:
    """Return the events of a job (``dag.task``) in the order in which they were written.

    A run that has ended may be without its last event for a moment: Airflow 3 tells the state of a task first.
    """
    until(lambda: any(event["eventType"] in _ENDS for event in _written(folder / FILE, job)[-1:]))
    return _written(folder / FILE, job)


def _written(file: Path, job: str) -> list[dict[str, Any]]:
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    events = [json.loads(line) for line in lines]
    return [event for event in events if event["job"]["name"] == job]

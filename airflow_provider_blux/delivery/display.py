"""Shows where a delivery stands in Airflow's task state (3.3 and later), for whoever looks while the task runs."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow_provider_blux.delivery.progress import Standing

KEY = "blux_progress"

log = logging.getLogger(__name__)


class TaskStateDisplay:
    """The running account under the key ``blux_progress``: numbers, a state and a time, never a record.

    It stays after the end, when it is all that a failed task leaves in numbers. As Airflow keeps it even when the
    task is cleared, it names the try it belongs to, and another try begins by removing it.

    :param store: ``context["task_state_store"]``.
    """

    def __init__(self, store: Any, try_number: int) -> None:
        self._store = store
        self._try_number = try_number

    def __str__(self) -> str:
        return "Airflow's task state"

    def clear(self) -> None:
        """Remove what an earlier try left: it says nothing about this one."""
        try:
            self._store.delete(KEY)
        except Exception as error:  # noqa: BLE001 - what is only shown must not stop what is delivered
            log.warning("The progress of an earlier try stays in %s (%s).", self, type(error).__name__)

    def __call__(self, standing: Standing) -> None:
        """Put the standing in place of the one before (about 20 ms)."""
        self._store.set(KEY, self._shown(standing))

    def _shown(self, standing: Standing) -> dict[str, Any]:
        report = standing.report.as_dict()
        files_and_flags = ("rejects", "receipts", "validate_only")
        shown: dict[str, Any] = {
            "state": "running" if standing.state == "started" else standing.state,
            "try_number": self._try_number,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: value for name, value in report.items() if name not in files_and_flags},
        }
        if not standing.report.validate_only:
            del shown["valid"]
        if standing.total is not None:
            shown["total"] = standing.total
        if standing.seconds_left is not None:
            shown["seconds_left"] = round(standing.seconds_left)
        return shown

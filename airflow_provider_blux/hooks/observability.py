"""Watchers that report a delivery to Airflow: metrics, hook lineage, and progress in the task state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import Stats, conf

from airflow_provider_blux.delivery.progress import Standing
from airflow_provider_blux.delivery.report import OUTCOMES
from airflow_provider_blux.delivery.traffic import Counted


class HookLineage:
    """A watcher of the progress of a delivery; it adds the changed asset to Airflow's hook lineage."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def __str__(self) -> str:
        return "Airflow's hook lineage"

    def __call__(self, standing: Standing) -> None:
        """Add the asset if the delivery is over and has delivered records in this try."""
        if not standing.is_over or standing.report.delivered == standing.report.resumed:
            return
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        collector.add_output_asset(context=self._hook, uri=self._hook.asset(standing.endpoint.operation).uri)


NO_ANSWER = "none"


class Metrics:
    """A watcher of the progress of a delivery; it sends the counts to Airflow's metrics.

    Each call sends only the increments, so that the counters grow during a delivery and add up over its tries.

    StatsD has no tags, so each metric is sent twice, as Airflow does: with tags, and under a dotted name that contains
    the tag values. The second is not sent if ``[metrics] legacy_names_on`` is off (Airflow 3.2 and later).
    """

    def __init__(self) -> None:
        self._dotted = conf.getboolean("metrics", "legacy_names_on", fallback=True)
        self._outcomes: Mapping[str, int] = {}
        self._counted = Counted()

    def __str__(self) -> str:
        return "Airflow's metrics"

    def __call__(self, standing: Standing) -> None:
        """Send how much each count has grown since the last call, and the mean time that requests waited for a slot.

        The first call, at the start of a delivery, sends nothing: it only stores the counts of earlier tries, since
        those tries have already sent them.
        """
        outcomes = {outcome: getattr(standing.report, outcome) for outcome in (*OUTCOMES, "valid")}
        counted = standing.counted
        sent_outcomes, sent = self._outcomes, self._counted
        self._outcomes, self._counted = outcomes, counted
        if standing.state == "started":  # counts of earlier tries were sent by those tries
            return
        for outcome, number in outcomes.items():
            self._count(standing, "records", number - sent_outcomes[outcome], outcome=outcome)
        for status, number in counted.statuses.items():
            new = number - sent.statuses.get(status, 0)
            self._count(standing, "requests", new, status=str(status or NO_ANSWER))
        self._count(standing, "retries", counted.retries - sent.retries)
        if requests := counted.requests - sent.requests:
            self._send(Stats.timing, standing, "pace_wait", (counted.waited - sent.waited) * 1000 / requests)

    def _count(self, standing: Standing, name: str, number: int, **tag: str) -> None:
        if number:
            self._send(Stats.incr, standing, name, number, **tag)

    def _send(self, send: Callable[..., Any], standing: Standing, name: str, value: float, **tag: str) -> None:
        api, operation = standing.endpoint.api, standing.endpoint.operation
        send(f"blux.{name}", value, tags={"api": api, "operation": operation, **tag})
        if self._dotted:
            send(".".join(["blux", api, operation, name, *tag.values()]), value)


KEY = "blux_progress"

log = logging.getLogger(__name__)


class TaskStateDisplay:
    """A watcher of the progress of a delivery; it writes the progress to the task state (key ``blux_progress``).

    The entry has counts, a state and a time, but no records. It stays after the delivery, so that the counts of a
    failed task can be seen. Airflow keeps it even if the task is cleared. So the entry contains the number of the try,
    and the next try first removes the entry.

    :param store: ``context["task_state_store"]``.
    :param try_number: number of this try.
    """

    def __init__(self, store: Any, try_number: int) -> None:
        self._store = store
        self._try_number = try_number

    def __str__(self) -> str:
        return "Airflow's task state"

    def clear(self) -> None:
        """Remove the progress of an earlier try; an error is only logged."""
        try:
            self._store.delete(KEY)
        except Exception as error:  # noqa: BLE001 - a failing display must not stop the delivery
            log.warning("The progress of an earlier try could not be removed from %s (%s).", self, type(error).__name__)

    def __call__(self, standing: Standing) -> None:
        """Replace the stored progress with the current one."""
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
        if not shown["reasons"]:
            del shown["reasons"]
        if standing.total is not None:
            shown["total"] = standing.total
        if standing.seconds_left is not None:
            shown["seconds_left"] = round(standing.seconds_left)
        return shown

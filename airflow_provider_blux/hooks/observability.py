"""What a delivery tells Airflow while it runs and at its end: metrics, hook lineage, progress in the task state."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats, conf

from airflow_provider_blux.assets.blux import asset_of
from airflow_provider_blux.delivery.progress import Standing
from airflow_provider_blux.delivery.report import OUTCOMES, Counted

if TYPE_CHECKING:
    from airflow_provider_blux.api.auth import Access


class HookLineage:
    """Adds the changed asset to the hook lineage of the task, at the end of a delivery that delivered something.

    :param hook: the hook, by which readers of the lineage tell where it comes from.
    """

    def __init__(self, hook: Any, access: Access) -> None:
        self._hook = hook
        self._application = access.application

    def __str__(self) -> str:
        return "Airflow's hook lineage"

    def __call__(self, standing: Standing) -> None:
        """Add the asset, unless nothing has changed or nothing is over yet."""
        if not standing.is_over or standing.report.delivered == standing.report.resumed:
            return
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        collector.add_output_asset(context=self._hook, uri=asset_of(standing.endpoint.operation, self._application).uri)


NO_ANSWER = "none"


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """What was sent to the metrics so far."""

    outcomes: Mapping[str, int]
    counted: Counted = field(default_factory=Counted)


class Metrics:
    """Sends what has come since the last time, so that counters grow while a delivery runs and add up over tries.

    StatsD itself has no tags, so everything is sent twice, as Airflow sends its own: by name and tags, and under a
    dotted name that holds them, unless ``[metrics] legacy_names_on`` is off (Airflow 3.2 and later).
    """

    def __init__(self) -> None:
        self._dotted = conf.getboolean("metrics", "legacy_names_on", fallback=True)
        self._sent = _Sent(outcomes={})

    def __str__(self) -> str:
        return "Airflow's metrics"

    def __call__(self, standing: Standing) -> None:
        """Send what has come since the last standing."""
        before, now = self._sent, _Sent(outcomes=_outcomes(standing), counted=standing.counted)
        self._sent = now
        if standing.state == "started":  # what an earlier try delivered was counted by that one
            return
        for outcome, number in now.outcomes.items():
            self._count(standing, "records", number - before.outcomes[outcome], outcome=outcome)
        for status, number in now.counted.statuses.items():
            new = number - before.counted.statuses.get(status, 0)
            self._count(standing, "requests", new, status=str(status or NO_ANSWER))
        self._count(standing, "retries", now.counted.retries - before.counted.retries)
        self._time_waited(standing, before.counted, now.counted)

    def _count(self, standing: Standing, name: str, number: int, **tag: str) -> None:
        if number:
            tags = _tags(standing, **tag)
            Stats.incr(f"blux.{name}", number, tags=tags)
            if self._dotted:
                Stats.incr(_dotted(standing, name, *tag.values()), number)

    def _time_waited(self, standing: Standing, before: Counted, now: Counted) -> None:
        if requests := now.requests - before.requests:
            milliseconds = (now.waited - before.waited) * 1000 / requests
            Stats.timing("blux.pace_wait", milliseconds, tags=_tags(standing))
            if self._dotted:
                Stats.timing(_dotted(standing, "pace_wait"), milliseconds)


def _outcomes(standing: Standing) -> dict[str, int]:
    counted = (*OUTCOMES, "valid")
    return {outcome: getattr(standing.report, outcome) for outcome in counted}


def _tags(standing: Standing, **more: str) -> dict[str, str]:
    return {"api": standing.endpoint.api, "operation": standing.endpoint.operation, **more}


def _dotted(standing: Standing, *name: str) -> str:
    return ".".join(["blux", standing.endpoint.api, standing.endpoint.operation, *name])


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
        if not shown["reasons"]:
            del shown["reasons"]
        if standing.total is not None:
            shown["total"] = standing.total
        if standing.seconds_left is not None:
            shown["seconds_left"] = round(standing.seconds_left)
        return shown

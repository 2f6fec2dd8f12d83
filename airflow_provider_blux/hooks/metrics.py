"""What a delivery counts, sent to Airflow's own metrics: StatsD, Datadog or OpenTelemetry, as Airflow is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow.providers.common.compat.sdk import Stats, conf

from airflow_provider_blux.delivery.progress import Standing
from airflow_provider_blux.delivery.report import OUTCOMES, Counted

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

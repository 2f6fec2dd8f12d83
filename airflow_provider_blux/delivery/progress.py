"""The progress of a delivery: written to the task log while records are sent and at the end, and passed to watchers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.traffic import Counted, Traffic

EVERY_SECONDS = 10.0
# With a slow watcher, progress is reported less often: at most a tenth of the time goes into it.
_SHARE_OF_TIME = 10

State = Literal["started", "running", "ended", "stopped early"]
"""The state of a delivery: ``"ended"`` after the whole source, ``"stopped early"`` after an error or a stop."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The progress of a delivery at one moment.

    :param endpoint: the endpoint that receives the records.
    :param report: the report so far; the delivery continues to update this object.
    :param counted: the counts of the requests of this try so far.
    :param total: number of records in the source; ``None`` if unknown.
    """

    state: State
    endpoint: Endpoint
    report: Report
    counted: Counted
    total: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether this try sends no more requests."""
        return self.state in ("ended", "stopped early")

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end at the current rate; ``None`` if unknown."""
        if self.is_over or not self.total or not self.report.records_per_second:
            return None
        return (self.total - self.report.read) / self.report.records_per_second


Watcher = Callable[[Standing], None]
"""Called with the progress of a delivery: at its start, about every ten seconds, and once at its end.

An exception in a watcher is logged and does not stop the delivery.
"""


class Progress:
    """Logs the progress and passes it to the watchers about every ten seconds.

    :param report: the report with the counts of earlier tries, which the delivery keeps up to date.
    :param total: number of records in the source; ``None`` if unknown.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        report: Report,
        traffic: Traffic,
        *,
        total: int | None = None,
        watchers: Sequence[Watcher] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._report = report
        self._read_earlier = report.read
        self._traffic = traffic
        self._total = total
        self._watchers = watchers
        self._failed: set[int] = set()
        self._clock = clock
        self._started = clock()
        self._due = self._started + EVERY_SECONDS

    def open(self) -> None:
        """Tell the watchers that the delivery starts, with the counts of earlier tries."""
        self._tell(self._standing("started"))

    def log_if_due(self) -> None:
        """Log the progress and call the watchers if ten seconds have passed since the last time."""
        now = self._clock()
        if now < self._due:
            return
        standing = self._standing("running")
        self._log(standing)
        self._tell(standing)
        self._due = now + max(EVERY_SECONDS, (self._clock() - now) * _SHARE_OF_TIME)

    def close(self, how: Literal["ended", "stopped early"]) -> None:
        """Log the final counts and tell the watchers that the delivery is over."""
        standing = self._standing(how)
        report = self._report
        log.info(
            "Blux %s %s: %s%s; batches %d, requests %d, retries %d, %.1f s (%.0f records/s).",
            self._endpoint,
            how,
            report.in_words(),
            f"; absent from the source: {report.absent:,} of the snapshot" if report.absent else "",
            report.batches,
            report.requests,
            report.retries,
            report.seconds,
            report.records_per_second,
        )
        self._tell(standing)

    def _standing(self, state: State) -> Standing:
        """Update the report with the requests and the time so far, and return the progress."""
        counted, report = self._traffic.counted(), self._report
        report.requests, report.retries = counted.requests, counted.retries
        report.seconds = round(self._clock() - self._started, 3)
        report.records_per_second = round((report.read - self._read_earlier) / max(report.seconds, 0.001), 1)
        return Standing(state=state, endpoint=self._endpoint, report=report, counted=counted, total=self._total)

    def _log(self, standing: Standing) -> None:
        report, share = self._report, ""
        if (left := standing.seconds_left) is not None:
            share = f" of {self._total:,} ({report.read / (self._total or 1):.0%}, about {left:.0f} s left)"
        log.info(
            "Blux %s: %s %s%s%s; %.0f records/s, %.1f requests/s, %d retries, %d rejected.",
            self._endpoint,
            f"{report.valid if report.validate_only else report.delivered:,}",
            "valid" if report.validate_only else "delivered",
            f", {report.unchanged:,} unchanged" if report.unchanged else "",
            share,
            report.records_per_second,
            report.requests / max(report.seconds, 0.001),
            report.retries,
            report.rejected,
        )

    def _tell(self, standing: Standing) -> None:
        for index, watcher in enumerate(self._watchers):
            try:
                watcher(standing)
            except Exception as error:  # noqa: BLE001 - a failing watcher must not stop the delivery
                if index not in self._failed:
                    self._failed.add(index)
                    log.warning(
                        "The progress cannot be sent to %s (%s); the delivery continues.", watcher, type(error).__name__
                    )

"""What the task log says while records travel, and at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_provider_blux.delivery.report import Report, Traffic

EVERY_SECONDS = 10.0

log = logging.getLogger(__name__)


class Progress:
    """The running account, said about every ten seconds.

    :param what: what is delivered and where to (``application.upsert_users``).
    :param total: records in the source, where it is known.
    """

    def __init__(
        self, what: str, total: int | None, traffic: Traffic, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._total = total
        self._traffic = traffic
        self._clock = clock
        self._started = self._said = clock()

    def due_in(self) -> float:
        """Return the seconds until the next line is due."""
        return max(0.0, self._said + EVERY_SECONDS - self._clock())

    def say(self, report: Report) -> None:
        """Say where the delivery stands, if it is time to."""
        if self.due_in() > 0:
            return
        self._said = self._clock()
        self.measure(report)
        share = ""
        if self._total and report.records_per_second:
            left = (self._total - report.read) / report.records_per_second
            share = f" of {self._total:,} ({report.read / self._total:.0%}, about {left:.0f} s left)"
        log.info(
            "Blux %s: %s delivered%s; %.0f records/s, %.1f requests/s, %d retries, %d rejected.",
            self._what,
            f"{report.delivered:,}",
            share,
            report.records_per_second,
            report.requests / max(report.seconds, 0.001),
            report.retries,
            report.rejected,
        )

    def close(self, report: Report, how: str) -> None:
        """Say how the delivery ended."""
        self.measure(report)
        log.info(
            "Blux %s %s: %s; batches %d, requests %d, retries %d, %.1f s (%.0f records/s).",
            self._what,
            how,
            report.account(),
            report.batches,
            report.requests,
            report.retries,
            report.seconds,
            report.records_per_second,
        )

    def measure(self, report: Report) -> None:
        """Put the requests and the time so far into the report."""
        report.requests, report.retries = self._traffic.requests, self._traffic.retries
        report.seconds = round(self._clock() - self._started, 3)
        report.records_per_second = round((report.read - report.resumed) / max(report.seconds, 0.001), 1)

"""The account of a run: every record that was read has exactly one outcome."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_blux.delivery.batches import Reject
from airflow_provider_blux.exceptions import BluxError

OUTCOMES = ("delivered", "rejected", "suppressed", "merged", "unknown")
_ADDED_UP = ("read", *OUTCOMES, "resumed", "valid", "batches", "requests", "retries", "seconds")


@dataclass
class Report:
    """What became of the records.

    ``read`` is the sum of the five outcomes, and of ``valid`` where nothing was to be sent.

    :param delivered: the API accepted the request that carried it.
    :param rejected: invalid here, or refused by the API.
    :param suppressed: its user is on the suppression list.
    :param merged: folded into another record with the same id in the same request.
    :param unknown: may or may not have arrived, and was not to be sent again.
    :param resumed: how many of the delivered an earlier try had delivered.
    :param valid: with ``validate_only``, what would have been sent.
    :param requests: requests of this try, ``retries`` of them repeating another; the times are this try's too.
    :param rejects: the files that hold the rejected and the unknown records, one for each try that had any.
    :param receipts: the files that hold the receipts of deletions.
    """

    read: int = 0
    delivered: int = 0
    rejected: int = 0
    suppressed: int = 0
    merged: int = 0
    unknown: int = 0
    resumed: int = 0
    valid: int = 0
    batches: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    records_per_second: float = 0.0
    rejects: list[str] | None = None
    receipts: list[str] | None = None
    validate_only: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the report as XCom keeps it: numbers, paths and booleans, never a record."""
        return asdict(self)

    def closed(self) -> bool:
        """Return whether every record that was read has one outcome."""
        return self.read == sum((self.valid, *(getattr(self, outcome) for outcome in OUTCOMES)))

    def account(self) -> str:
        """Return the account in words, outcomes that did not occur left out."""
        shown = [outcome for outcome in (*OUTCOMES, "valid") if getattr(self, outcome)] or ["delivered"]
        return f"{self.read:,} read = " + " + ".join(f"{getattr(self, outcome):,} {outcome}" for outcome in shown)


def summary(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one report of many, as dicts, with their number (``tasks``).

    :raises BluxError: an account does not close.
    """
    many = [Report(**report) for report in reports]
    whole = Report(
        **{name: sum(getattr(report, name) for report in many) for name in _ADDED_UP},
        rejects=[url for report in many for url in report.rejects or []] or None,
        receipts=[url for report in many for url in report.receipts or []] or None,
        validate_only=any(report.validate_only for report in many),
    )
    whole.seconds = round(whole.seconds, 3)
    if not all(report.closed() for report in many):
        raise BluxError(f"The account of a task does not close; together: {whole.account()}.")
    added = whole.as_dict()
    del added["records_per_second"]  # of tasks that may have worked at the same time it would say nothing
    return {"tasks": len(many), **added}


@dataclass
class Outcome:
    """What became of one batch; the counts are those of the report."""

    delivered: int = 0
    merged: int = 0
    valid: int = 0
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The requests of a try at one moment.

    :param statuses: answers by HTTP status; ``None`` stands for no answer.
    :param waited: seconds that requests waited for their turn, summed over all of them.
    """

    requests: int = 0
    retries: int = 0
    statuses: Mapping[int | None, int] = field(default_factory=dict)
    waited: float = 0.0


class Traffic:
    """Counts the requests of a try, and how long they waited for their turn; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._requests = self._retries = 0
        self._statuses: Counter[int | None] = Counter()
        self._waited = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time until a request may start."""
        since = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._waited += self._clock() - since

    def count_request(self) -> None:
        """Count a request, when it starts."""
        with self._lock:
            self._requests += 1

    def count_answer(self, status: int | None) -> None:
        """Count what a request was answered; ``None`` where no answer came."""
        with self._lock:
            self._statuses[status] += 1

    def count_retry(self) -> None:
        """Count that a request is going to be repeated."""
        with self._lock:
            self._retries += 1

    def counted(self) -> Counted:
        """Return the counts as they are now."""
        with self._lock:
            return Counted(
                requests=self._requests,
                retries=self._retries,
                statuses=dict(self._statuses),
                waited=self._waited,
            )

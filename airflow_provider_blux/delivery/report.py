"""The report of a run, and its counts. Each record has one outcome, the same in report, rejects and checkpoint."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.delivery.reasons import Reasons, in_words
from airflow_provider_blux.delivery.storage import PART
from airflow_provider_blux.delivery.tolerance import is_exceeded, limit_in_words
from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxRejectLimitError

if TYPE_CHECKING:
    from airflow_provider_blux.delivery.audit import ReceiptsFile, RejectsFile
    from airflow_provider_blux.delivery.batches import Batch, Place, Reject
    from airflow_provider_blux.delivery.checkpoint import Checkpoint

OUTCOMES = ("delivered", "rejected", "suppressed", "unchanged", "merged", "unknown")
_ADDED_UP = ("read", *OUTCOMES, "resumed", "valid", "batches", "requests", "retries", "seconds")

log = logging.getLogger(__name__)


@dataclass
class Report:
    """The counts of a run by outcome.

    ``read`` is the sum of the six outcomes ``delivered`` to ``unknown``. With ``validate_only``, ``valid`` is added.

    :param delivered: records whose request the API accepted.
    :param rejected: records that are invalid, or that the API refused.
    :param suppressed: records of users on the suppression list.
    :param unchanged: records that equal the last row sent for their user; only with a snapshot.
    :param merged: records merged into another record with the same id in the same request.
    :param unknown: records that may have arrived, and are not sent again.
    :param resumed: how many of the ``delivered`` records an earlier try has delivered.
    :param absent: users of the snapshot that are not in the source; ``None`` without a snapshot, after an early stop,
        for deletions, and for a mapped task, which reads only a part of the source.
    :param valid: with ``validate_only``, records that would have been sent.
    :param requests: requests of this try, including ``retries``. ``retries``, ``seconds`` and ``records_per_second``
        are those of this try as well.
    :param rate_limit: requests a second allowed in this try; with a shared rate limit, the limit of all tasks.
    :param rejects: URLs of the rejects files, with rejected and unknown records, of all tries; ``None`` if none.
    :param receipts: URLs of the files with the receipts of deletions, of all tries; ``None`` if none.
    :param reasons: the most frequent reasons of rejected and unknown records, at most twenty; each with ``field``,
        ``reason`` and ``number``. The last one may stand for all others, so the numbers add up to all these records.
    """

    read: int = 0
    delivered: int = 0
    rejected: int = 0
    suppressed: int = 0
    unchanged: int = 0
    merged: int = 0
    unknown: int = 0
    resumed: int = 0
    absent: int | None = None
    valid: int = 0
    batches: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    records_per_second: float = 0.0
    rate_limit: float | None = None
    rejects: list[str] | None = None
    receipts: list[str] | None = None
    reasons: list[dict[str, Any]] | None = None
    validate_only: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dict for XCom: numbers, paths, booleans and reasons, never a record."""
        return asdict(self)

    def adds_up(self) -> bool:
        """Return whether the counts add up: every record that was read has one outcome."""
        return self.read == sum((self.valid, *(getattr(self, outcome) for outcome in OUTCOMES)))

    def in_words(self) -> str:
        """Return the counts as text, without the outcomes that did not occur."""
        shown = [outcome for outcome in (*OUTCOMES, "valid") if getattr(self, outcome)] or [
            "valid" if self.validate_only else "delivered"
        ]
        return f"{self.read:,} read = " + " + ".join(f"{getattr(self, outcome):,} {outcome}" for outcome in shown)


def files_in_words(files: Iterable[str]) -> str:
    """Return the URLs of files as text; the parts of one file in object storage, maybe thousands, become one glob."""
    parts: dict[str, list[str]] = {}
    for file in files:
        parts.setdefault(PART.sub(".part*.jsonl", file), []).append(file)
    return ", ".join(same[0] if len(same) == 1 else glob for glob, same in parts.items())


def is_report(value: Any) -> bool:
    """Return whether a value is the report of one task as a dict, and not a summary of reports or any other dict."""
    return (
        isinstance(value, Mapping)
        and value.keys() >= {"read", *OUTCOMES}
        and value.keys() <= {one.name for one in fields(Report)}
        and all(isinstance(value.get(name, 0), int | float) for name in _ADDED_UP)
    )


def _report(number: int, value: Any) -> Report:
    if not is_report(value):
        raise BluxConfigError(
            f"reports: value {number} is of type {type(value).__name__} and is not the report of a task with an "
            "operator or a decorator of Blux. Pass what such tasks returned, or report.as_dict() of the hook, and "
            "leave out a task that was skipped."
        )
    return Report(**value)


def summary(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of several reports as a dict, with the number of reports as ``tasks``.

    The dict has no ``records_per_second`` and no ``rate_limit``.

    :raises BluxConfigError: a value is not a report.
    :raises BluxError: the counts of a report do not add up.
    """
    many = [_report(number, value) for number, value in enumerate(reports, 1)]
    whole = Report(
        **{name: sum(getattr(report, name) for report in many) for name in _ADDED_UP},
        absent=sum(absent) if (absent := [it.absent for it in many if it.absent is not None]) else None,
        rejects=[url for report in many for url in report.rejects or []] or None,
        receipts=[url for report in many for url in report.receipts or []] or None,
        reasons=Reasons(
            (one["field"], one["reason"], one["number"]) for report in many for one in report.reasons or []
        ).most_frequent(),
        validate_only=any(report.validate_only for report in many),
    )
    whole.seconds = round(whole.seconds, 3)
    if not all(report.adds_up() for report in many):
        raise BluxError(f"The counts of a task do not add up; together: {whole.in_words()}.")
    added = whole.as_dict()
    for name in ("records_per_second", "rate_limit"):
        del added[name]  # meaningless as a sum, since the tasks may have run at the same time
    return {"tasks": len(many), **added}


@dataclass
class Outcome:
    """The outcomes of the records of one batch; the numbers have the same meaning as in :class:`Report`.

    :param rejects: records that the API rejected, or whose outcome is unknown. Records that were rejected before
        sending are in ``Batch.rejects``.
    :param accepted: the keys, as in ``Batch.records``, of the records that were delivered.
    """

    delivered: int = 0
    merged: int = 0
    valid: int = 0
    rejects: list[Reject] = field(default_factory=list)
    accepted: list[Any] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The request counts of a try at one moment.

    :param requests: number of requests that have ended.
    :param statuses: these requests by the HTTP status of the answer; ``None`` stands for no answer.
    :param waited: seconds that requests waited for the rate limiter, summed over all requests.
    """

    requests: int = 0
    retries: int = 0
    statuses: Mapping[int | None, int] = field(default_factory=dict)
    waited: float = 0.0


class Traffic:
    """Counts the requests of a try, and the time that they waited for the rate limiter; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._retries = 0
        self._statuses: Counter[int | None] = Counter()
        self._waited = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Return a context; the seconds spent in it are counted as waiting for the rate limiter."""
        since = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._waited += self._clock() - since

    def count_request(self, status: int | None) -> None:
        """Count a request that has ended by the HTTP status of its answer; ``None`` stands for no answer."""
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
                requests=self._statuses.total(),
                retries=self._retries,
                statuses=dict(self._statuses),
                waited=self._waited,
            )


_SHOWN = 10
_IN_CHECKPOINT = ("read", "batches", "valid", *OUTCOMES)


class OutcomeCounter:
    """Counts the outcomes of a run over all tries of its task, in the report and in the checkpoint.

    :param report: updated after each batch, so that it is correct even if the run fails.
    :param place_of: returns the position of a record in the source.
    """

    def __init__(
        self,
        report: Report,
        checkpoint: Checkpoint,
        rejects: RejectsFile | None = None,
        receipts: ReceiptsFile | None = None,
        *,
        place_of: Place = lambda _number: None,
    ) -> None:
        self.report = report
        self._checkpoint = checkpoint
        self._rejects = rejects
        self._receipts = receipts
        self._place_of = place_of
        self._reasons = Reasons()
        self._earlier_rejects: list[str] = []
        self._earlier_receipts: list[str] = []
        self._in_no_file = 0  # rejects of tries without a rejects file
        self._first: list[tuple[int, str | None, str, str | None]] = []
        #: What `Snapshot.begin` returned; the checkpoint stores it for the next try.
        self.replaces: str | None = None

    def resume(self, counts: dict[str, Any]) -> None:
        """Continue the counts of an earlier try; start at zero if there are none."""
        for name in _IN_CHECKPOINT:
            setattr(self.report, name, counts.get(name, 0))
        self.report.resumed = self.report.delivered
        self._earlier_rejects = counts.get("rejects", [])
        self._earlier_receipts = counts.get("receipts", [])
        self.replaces = counts.get("replaces")
        self._take_rejects_of(counts)

    def _take_rejects_of(self, counts: dict[str, Any]) -> None:
        self._in_no_file = counts.get("in_no_file", 0)
        self._first = [tuple(reject) for reject in counts.get("first_rejects", [])]
        self._reasons = Reasons(counts.get("reasons", []))
        self.report.reasons = self._reasons.most_frequent()

    def settle(self, batch: Batch, outcome: Outcome) -> None:
        """Store the outcomes of a batch; called when each of its records has one.

        They are added to the counts of the report, rejects are written to the rejects file, and the checkpoint stores
        that the batch is settled.
        """
        report, rejects = self.report, [*batch.rejects, *outcome.rejects]
        unknown = sum(reject.outcome == "unknown" for reject in rejects)
        # Added to what the settled batches have, not to what the report has: Airflow's signal handler may have raised
        # (`execution_timeout`) while the batch before was counted, which is then not settled.
        self._take_rejects_of(self._checkpoint.counts)
        self._add_rejects(rejects)  # this may fail, so it comes before the counting
        added = {
            "read": batch.read,
            "delivered": outcome.delivered,
            "rejected": len(rejects) - unknown,
            "suppressed": batch.suppressed,
            "unchanged": batch.unchanged,
            "merged": outcome.merged,
            "unknown": unknown,
            "valid": outcome.valid,
            "batches": 1,
        }
        for name, number in added.items():
            setattr(report, name, self._checkpoint.counts.get(name, 0) + number)
        self._checkpoint.settle(batch, self._counts())

    def close(self, max_rejects: float) -> None:
        """Check the counts of a delivery that read its whole source, and log the rejects.

        :raises BluxError: the counts do not add up.
        :raises BluxRejectLimitError: more records were rejected or left unknown than allowed.
        """
        self.name_files()
        report = self.report
        if not report.adds_up():
            error = BluxError(
                f"The counts do not add up, which is a bug in this package; please report it: {report.in_words()}."
            )
            error.retry_helps = False  # the next try would send events a second time
            raise error
        too_many = is_exceeded(max_rejects, report.rejected + report.unknown, report.read)
        if report.reasons and not too_many:
            log.warning("%s", self._summary(max_rejects))
        self.log_reasons()
        if too_many:
            raise BluxRejectLimitError(self._summary(max_rejects))

    def log_reasons(self) -> None:
        """Log why records were rejected or have an unknown outcome, if there are any."""
        if reasons := self.report.reasons:
            log.warning(
                "Rejected or unknown, by field and reason:%s", "".join(f"\n  {line}" for line in in_words(reasons))
            )

    def name_files(self) -> None:
        """Set the rejects and receipts files in the report: those of this try and of earlier tries."""
        self.report.rejects = [*self._earlier_rejects, *(self._rejects.urls if self._rejects else [])] or None
        self.report.receipts = [*self._earlier_receipts, *(self._receipts.urls if self._receipts else [])] or None

    def _add_rejects(self, rejects: list[Reject]) -> None:
        if not rejects:
            return
        if self._rejects:
            self._rejects.add_rejects(rejects, self._place_of)
        else:
            self._in_no_file += len(rejects)
        for reject in rejects[: _SHOWN - len(self._first)]:
            number = reject.record_number
            self._first.append((number, reject.field, reject.reason, self._place_of(number)))
        for reject in rejects:
            self._reasons.add(reject.field, reject.reason)
        self.report.reasons = self._reasons.most_frequent()

    def _counts(self) -> dict[str, Any]:
        self.name_files()
        report = self.report
        return {
            **{name: getattr(report, name) for name in _IN_CHECKPOINT},
            "rejects": report.rejects or [],
            "receipts": report.receipts or [],
            "in_no_file": self._in_no_file,
            "replaces": self.replaces,
            "first_rejects": [list(reject) for reject in self._first],  # Airflow's task state takes nothing but JSON
            "reasons": self._reasons.counted(),
        }

    def _summary(self, max_rejects: float) -> str:
        report = self.report
        refused = [f"{report.rejected:,} rejected"] * bool(report.rejected)
        refused += [f"{report.unknown:,} unknown (they may or may not have arrived)"] * bool(report.unknown)
        if report.validate_only:
            others = f"{report.valid:,} {'is' if report.valid == 1 else 'are'} valid"
        else:
            others = f"{report.delivered:,} {'was' if report.delivered == 1 else 'were'} delivered"
        limit = limit_in_words(max_rejects)
        return "".join(
            [
                f"Of {report.read:,} {'record' if report.read == 1 else 'records'}, {others}, ",
                f"{' and '.join(refused)}; allowed are {limit} (max_rejects). ",
                self._way_out(),
                " Check in Blux which unknown ones have arrived, and send only the others." * bool(report.unknown),
                *self._first_in_words(),
            ]
        )

    def _first_in_words(self) -> Iterator[str]:
        for number, name, reason, place in self._first:
            yield f"\n  record {number}, {name or 'as a whole'}: {reason}{f' ({place})' if place else ''}"
        left = self.report.rejected + self.report.unknown - len(self._first)
        if left > 0:
            yield f"\n  and {left:,} more"

    def _way_out(self) -> str:
        if files := self.report.rejects:
            which = "All of them"
            if self._in_no_file:
                which = f"{self._in_no_file:,} of them are in no file, as a try had no rejects_path. The others"
            kept = f"{which}, with the reasons, are in {files_in_words(files)}."
            return f"{kept} Correct the records in a copy, and send the copy with file_format='rejects'."
        fix = "Fix them at the source; with" if self.report.rejected else "With"
        return f"{fix} rejects_path, all of them are written to a file."

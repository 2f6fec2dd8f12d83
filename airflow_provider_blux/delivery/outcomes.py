"""Counts the outcomes of records. Each record has one, the same in report, rejects and checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.reading import Place
from airflow_provider_blux.delivery.reasons import Reasons, in_words
from airflow_provider_blux.delivery.receipts import ReceiptsFile
from airflow_provider_blux.delivery.record import Reject
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.report import OUTCOMES, Report, files_in_words
from airflow_provider_blux.delivery.tolerance import is_exceeded, limit_in_words
from airflow_provider_blux.exceptions import BluxError, BluxRejectLimitError

_SHOWN = 10
_IN_CHECKPOINT = ("read", "batches", "valid", *OUTCOMES)

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """The outcomes of the records of one batch; ``merged`` and ``valid`` have the same meaning as in :class:`Report`.

    :param delivered: the keys, as in ``Batch.records``, of the records that the API accepted.
    :param rejects: records that the API rejected, or whose outcome is unknown. Records that were rejected before
        sending are in ``Batch.rejects``.
    """

    delivered: list[Any] = field(default_factory=list)
    merged: int = 0
    valid: int = 0
    rejects: list[Reject] = field(default_factory=list)


class OutcomeCounter:
    """Counts the outcomes of a run over all tries of its task, in the report and in the checkpoint.

    :param report: updated after each batch, so that it is correct even if the run fails. It starts with the counts of
        the checkpoint: those of earlier tries.
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
        counts = checkpoint.counts
        for name in _IN_CHECKPOINT:
            setattr(report, name, counts.get(name, 0))
        report.resumed = report.delivered
        self._earlier_rejects: list[str] = counts.get("rejects", [])
        self._earlier_receipts: list[str] = counts.get("receipts", [])
        #: What `Snapshot.begin` returned; the checkpoint stores it for the next try.
        self.replaces: str | None = counts.get("replaces")
        self._take_rejects_of(counts)

    def _take_rejects_of(self, counts: dict[str, Any]) -> None:
        self._in_no_file: int = counts.get("in_no_file", 0)  # rejects of tries without a rejects file
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
            "delivered": len(outcome.delivered),
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
        for name in ("suppressed", "unchanged", "merged"):
            if number := getattr(report, name):
                others += f", {number:,} {name}"
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

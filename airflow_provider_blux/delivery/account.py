"""Gives every record its outcome: in the report, in the rejects file, in the checkpoint, in that order."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from airflow_provider_blux.delivery.batches import Batch, Reject
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.receipts import ReceiptsFile
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.report import OUTCOMES, Outcome, Report
from airflow_provider_blux.exceptions import BluxError, BluxRejectLimitError

_SHOWN = 10
_KEPT = ("read", "batches", *OUTCOMES)


class Account:
    """The account of a run, across the tries of its task.

    :param report: is kept true all the while, so that it can be read whatever happens.
    """

    def __init__(
        self,
        report: Report,
        checkpoint: Checkpoint,
        rejects: RejectsFile | None = None,
        receipts: ReceiptsFile | None = None,
    ) -> None:
        self.report = report
        self._checkpoint = checkpoint
        self._rejects = rejects
        self._receipts = receipts
        self._earlier_rejects: list[str] = []
        self._earlier_receipts: list[str] = []
        self._first: list[tuple[int, str | None, str]] = []

    def resume(self, counts: dict[str, Any]) -> None:
        """Go on from the counts that an earlier try left; from nothing when they are empty."""
        for name in _KEPT:
            setattr(self.report, name, counts.get(name, 0))
        self.report.resumed = self.report.delivered
        self._earlier_rejects = counts.get("rejects", [])
        self._earlier_receipts = counts.get("receipts", [])
        self._first = [tuple(reject) for reject in counts.get("first_rejects", [])]

    def settle(self, batch: Batch, outcome: Outcome) -> None:
        """Count a batch whose records all have their outcome."""
        report, rejects = self.report, [*batch.rejects, *outcome.rejects]
        unknown = sum(reject.outcome == "unknown" for reject in rejects)
        self._keep(rejects)  # what may fail comes before what counts
        report.read += batch.read
        report.unknown += unknown
        report.rejected += len(rejects) - unknown
        for name in ("delivered", "merged", "valid"):
            setattr(report, name, getattr(report, name) + getattr(outcome, name))
        report.suppressed += batch.suppressed
        report.batches += 1
        self._checkpoint.settle(batch, self._counts())

    def close(self, max_rejects: float) -> None:
        """Close the account of a delivery that came to its end.

        :raises BluxRejectLimitError: more records were rejected or left unknown than allowed.
        """
        self.name_files()
        report = self.report
        if not report.closed():
            raise BluxError(f"The account does not close, which is a fault of this package: {report.account()}.")
        allowed = max_rejects if isinstance(max_rejects, int) else Fraction(str(max_rejects)) * report.read
        if report.rejected + report.unknown > allowed:
            raise BluxRejectLimitError(self._too_many(max_rejects))

    def name_files(self) -> None:
        """Put into the report where the rejected records and the receipts are, this try's and those of earlier ones."""
        self.report.rejects = [*self._earlier_rejects, *(self._rejects.urls if self._rejects else [])] or None
        self.report.receipts = [*self._earlier_receipts, *(self._receipts.urls if self._receipts else [])] or None

    def _keep(self, rejects: list[Reject]) -> None:
        if self._rejects:
            self._rejects.add(rejects)
        shown = rejects[: _SHOWN - len(self._first)]
        self._first.extend((reject.record_number, reject.field, reject.reason) for reject in shown)

    def _counts(self) -> dict[str, Any]:
        self.name_files()
        report = self.report
        counts: dict[str, Any] = {name: getattr(report, name) for name in _KEPT}
        files = {"rejects": report.rejects or [], "receipts": report.receipts or []}
        # Lists, since Airflow's task state takes nothing but JSON.
        return {**counts, **files, "first_rejects": [list(reject) for reject in self._first]}

    def _too_many(self, max_rejects: float) -> str:
        report = self.report
        refused = [f"{report.rejected:,} rejected"] * bool(report.rejected)
        refused += [f"{report.unknown:,} unknown (they may or may not have arrived)"] * bool(report.unknown)
        others = f"{report.valid:,} are valid" if report.validate_only else f"{report.delivered:,} were delivered"
        limit = f"{max_rejects:,}" if isinstance(max_rejects, int) else f"{max_rejects:.4%} of them"
        left = report.rejected + report.unknown - len(self._first)
        return "".join(
            [
                f"Of {report.read:,} records, {others}, {' and '.join(refused)}; allowed are {limit} (max_rejects). ",
                self._way_out(),
                *(f"\n  record {number}, {field or 'as a whole'}: {reason}" for number, field, reason in self._first),
                f"\n  and {left:,} more" if left > 0 else "",
            ]
        )

    def _way_out(self) -> str:
        if files := self.report.rejects:
            return f"All of them, with the reasons, are in {', '.join(files)}. Mend and send those records."
        return "Mend them at the source; with rejects_path, all of them are written to a file."

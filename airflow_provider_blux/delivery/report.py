"""The report of a run: how many records had which outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_provider_blux.delivery.reasons import Reasons
from airflow_provider_blux.delivery.storage import PART
from airflow_provider_blux.exceptions import BluxConfigError, BluxError

OUTCOMES = ("delivered", "rejected", "suppressed", "unchanged", "merged", "unknown")
_ADDED_UP = ("read", *OUTCOMES, "resumed", "valid", "batches", "requests", "retries", "seconds")


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

"""From rows to a report: what the hook calls, and all that there is to a delivery without Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.api.pacing import Pace
from airflow_provider_blux.delivery.batches import Batch, Reject, cut
from airflow_provider_blux.delivery.loop import Loop
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import Outcome, Report
from airflow_provider_blux.delivery.sender import Sender
from airflow_provider_blux.delivery.settings import Settings
from airflow_provider_blux.delivery.stopping import Stop
from airflow_provider_blux.exceptions import BluxError, BluxRejectLimitError
from airflow_provider_blux.records.shapes import merge_of, shape_of


def deliver(
    rows: Iterable[Any], client: BluxClient, endpoints: Sequence[Endpoint], settings: Settings, stop: Stop
) -> Report:
    """Send every record and account for each.

    :param rows: records as people have them; a :class:`BluxRecordError` stands for one that could not be read.
    :param endpoints: all endpoints of one operation of one API.
    :raises BluxRejectLimitError: when everything else is delivered and a record was rejected.
    :raises BluxError: what stopped the delivery; what was on its way has been waited for and counted.
    """
    operation, api = endpoints[0].operation, endpoints[0].api
    pace = Pace(settings.rate_limit, sleep=stop.sleep)
    send = _count if settings.validate_only else Sender(client, endpoints, pace, stop)
    report = Report(validate_only=settings.validate_only)
    progress = Progress(str(endpoints[0]), len(rows) if isinstance(rows, Sequence) else None)
    loop = Loop(send, report, settings.concurrency, progress)
    try:
        loop.run(cut(rows, shape_of(operation, api), size=settings.batch_size, merge=merge_of(operation)))
    except BaseException:
        stop.set()
        loop.finish()
        progress.close(report, "stopped early")
        raise
    loop.finish()
    progress.close(report, "ended")
    _check(report, loop.first_rejects)
    return report


def _count(batch: Batch) -> Outcome:
    """Stand in for sending where only the records are to be checked."""
    return Outcome(valid=len(batch.records), merged=sum(len(parts) - 1 for parts in batch.parts.values()))


def _check(report: Report, first_rejects: Sequence[Reject]) -> None:
    if not report.closed():
        raise BluxError(f"The account does not close, which is a fault of this package: {report.account()}.")
    if not report.rejected:
        return
    shown = "".join(
        f"\n  record {reject.record_number}, {reject.field or 'the whole record'}: {reject.reason}"
        for reject in first_rejects
    )
    more = f"\n  and {report.rejected - len(first_rejects):,} more" if report.rejected > len(first_rejects) else ""
    rest = f"{report.valid:,} are valid" if report.validate_only else f"{report.delivered:,} were delivered"
    raise BluxRejectLimitError(
        f"{report.rejected:,} of {report.read:,} records were rejected, {rest}. "
        f"Mend these at the source and run the task again:{shown}{more}"
    )

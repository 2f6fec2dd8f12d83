"""Runs a delivery from source rows to the report. The hook calls this module; it does not import Airflow."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from functools import partial
from hashlib import blake2b
from typing import Any

from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.api.redis_rate_limiter import Limiter
from airflow_provider_blux.delivery.batches import Batch, cut
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.checkpoint_store import Store
from airflow_provider_blux.delivery.engine import Engine
from airflow_provider_blux.delivery.filters import Freshness, Suppression
from airflow_provider_blux.delivery.outcomes import Outcome, OutcomeCounter
from airflow_provider_blux.delivery.progress import Progress, Watcher
from airflow_provider_blux.delivery.reading import Place, Reading, place_in
from airflow_provider_blux.delivery.receipts import ReceiptsFile
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.sender import Sender
from airflow_provider_blux.delivery.settings import Settings
from airflow_provider_blux.delivery.snapshot import Snapshot, check_absent
from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.exceptions import BluxCheckpointError, BluxStopped
from airflow_provider_blux.records.data_quality import Suspicions
from airflow_provider_blux.records.encoding import decode, merge_of
from airflow_provider_blux.records.shapes import RowShape

# Batches for this many seconds of the rate limit are read and encoded in advance, because a source may be bursty.
_AHEAD_SECONDS = 0.25
_LEAST_AHEAD = 2

log = logging.getLogger(__name__)


class Delivery:
    """One delivery with its settings and files; the rows are passed to :meth:`run`.

    :param endpoints: all endpoints of one operation of one API.
    :param limiter: rate limiter for the requests.
    :param store: stores the checkpoint for the next try; ``None`` for no checkpoint. If the settings say not to resume,
        the checkpoint of an earlier try is deleted, except with ``validate_only``.
    :param rejects: file for rejected and unknown records; ``None`` for no file.
    :param receipts: file for the receipts of accepted deletions; ``None`` for no file.
    :param suppression: suppression list of users that are not sent; ``None`` for no list.
    :param snapshot: stores accepted rows, which are not sent again; forgets deleted users. ``None`` for no snapshot.
    :param watchers: called with the progress of the delivery.
    """

    def __init__(
        self,
        client: BluxClient,
        endpoints: Sequence[Endpoint],
        settings: Settings,
        *,
        stop: Stop,
        limiter: Limiter,
        store: Store | None = None,
        rejects: RejectsFile | None = None,
        receipts: ReceiptsFile | None = None,
        suppression: Suppression | None = None,
        snapshot: Snapshot | None = None,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._settings = settings
        self._stop = stop
        self._limiter = limiter
        self._rejects = rejects
        self._receipts = receipts
        self._suppression = suppression
        self._snapshot = snapshot
        self._watchers = watchers
        self._suspicions = Suspicions()
        self._shape = RowShape(endpoints[0].operation, endpoints[0].api, settings.shaping)
        self._operation = endpoints[0].operation
        self._at_most_once = self._operation == "send_events" and settings.on_unknown == "keep"
        self._store = store
        self._checkpoint = Checkpoint(
            store if settings.resume and not settings.validate_only else None,
            self._fingerprint(),
            before_save=rejects.flush if rejects else lambda: None,
        )

    def run(self, rows: Iterable[Any]) -> Report:
        """Send all records and count the outcome of each; with ``validate_only``, check and count them only.

        :param rows: rows of the source; a :class:`BluxRecordError` in place of a row that could not be read.
        :raises BluxRejectLimitError: more records were rejected or unknown than allowed; the delivery of all others is
            complete.
        :raises BluxCheckpointError: the checkpoint of an earlier try cannot be used. If this is because the source has
            changed, upserts and deletions start again from the first record instead, if ``rows`` can be read again.
        :raises BluxSnapshotError: the snapshot cannot be used; this try has sent nothing.
        :raises BluxAbsentError: everything is delivered, but more users are missing from the source than allowed.
        :raises BluxError: the delivery stopped early; requests in flight have been waited for and counted.
        """
        if self._store is not None and not self._settings.resume and not self._settings.validate_only:
            self._store.clear()
        self._checkpoint.load()
        counts = self._checkpoint.counts
        if counts and self._settings.full_refresh and not counts.get("replaces"):
            log.info("An earlier try was not a full refresh, so the whole source is sent.")
            self._checkpoint.clear()
        try:
            return self._reported(rows)
        except BluxCheckpointError as error:
            # Repeating upserts and deletions is safe. Repeated events would arrive twice.
            if self._operation == "send_events" or not _can_be_read_again(rows):
                raise
            log.warning("The source has changed since the last try, so all of it is sent again. (%s)", error)
        self._checkpoint.clear()
        return self._reported(rows)

    def _reported(self, rows: Iterable[Any]) -> Report:
        """Run the delivery and return the report; every error carries the report so far, as ``report``."""
        report = Report(validate_only=self._settings.validate_only, rate_limit=self._settings.rate_limit)
        try:
            self._run(rows, report)
        except BaseException as error:  # also Airflow's time-out, and an error of the function that gives the records
            vars(error)["report"] = report.as_dict()
            raise
        return report

    def _run(self, rows: Iterable[Any], report: Report) -> None:
        settings, place_of = self._settings, place_in(rows)
        counter = OutcomeCounter(report, self._checkpoint, self._rejects, self._receipts, place_of=place_of)
        if self._snapshot:
            counter.replaces = self._snapshot.begin(counter.replaces)
        traffic = Traffic()
        total = len(rows) if isinstance(rows, Sized) else None
        progress = Progress(self._endpoints[0], report, traffic, total=total, watchers=self._watchers)
        progress.open()
        if self._checkpoint.counts:
            log.info("Continuing where the last try stopped. Records already processed: %s.", f"{report.read:,}")
        engine = Engine(
            self._sender(traffic),
            partial(self._settle, counter),
            progress=progress,
            stop=self._stop,
            concurrency=settings.concurrency,
            ahead=min(settings.concurrency, max(_LEAST_AHEAD, math.ceil(settings.rate_limit * _AHEAD_SECONDS))),
        )
        try:
            batches = self._batches(rows, place_of)
            if settings.validate_only:
                self._count(batches, counter, progress)
            else:
                engine.run(self._snapshot.announced(batches) if self._snapshot else batches)
            engine.finish()
            self._checkpoint.save()  # if a later step fails, the next try must not send everything again
            totals = self._snapshot.end(is_whole=True) if self._snapshot else None
        except BaseException as error:
            self._finish_early(engine, counter, error)
            progress.close("stopped early")
            counter.log_reasons()
            if isinstance(error, BluxStopped | BluxCheckpointError) and engine.failure:
                raise engine.failure from engine.failure.__cause__
            raise
        report.absent = totals and totals.absent
        progress.close("ended")
        self._end(counter, place_of)
        check_absent(totals, settings.max_absent, validate_only=settings.validate_only)

    def _settle(self, counter: OutcomeCounter, batch: Batch, outcome: Outcome) -> None:
        if self._snapshot:
            self._snapshot.accepted(batch.records[key] for key in outcome.delivered)
        counter.settle(batch, outcome)

    def _batches(self, rows: Iterable[Any], place_of: Place) -> Iterator[Batch]:
        """Yield the batches that no earlier try has completed."""
        settings, merge = self._settings, merge_of(self._operation)
        reading = Reading(
            shape=self._shape,
            merges=merge is not None,
            is_suppressed=self._suppression.covers if self._suppression else None,
            check=self._freshness(),
            key_is_user=self._operation != "update_devices",
            snapshot=self._snapshot,
            keeps_rows=self._rejects is not None,
            is_stopped=self._stop.is_requested,
        )
        cutting = partial(cut, size=settings.batch_size, merge=merge)
        for batch in self._checkpoint.pending(reading.records(rows), cutting, place_of):
            batch.place = place_of(batch.first)
            yield batch

    def _count(self, batches: Iterable[Batch], counter: OutcomeCounter, progress: Progress) -> None:
        """With ``validate_only``: count the records that would be sent, and look for suspicious values of users."""
        for batch in batches:
            if self._operation == "upsert_users":
                for record in batch.records.values():
                    self._suspicions.look(record.number, decode(record.content))
            counter.settle(batch, Outcome(valid=len(batch.records), merged=batch.number_merged(batch.records)))
            progress.log_if_due()

    def _freshness(self) -> Callable[[str, Any], None] | None:
        field = self._settings.updated_at_field
        return None if field is None else Freshness(field, self._settings.shaping, self._shape.header.lowered).check

    def _end(self, counter: OutcomeCounter, place_of: Place) -> None:
        """Finish a delivery whose source was read to the end: log warnings, remove the checkpoint.

        :raises BluxRejectLimitError: more records were rejected or unknown than allowed.
        """
        for suspicion in self._suspicions.found(place_of):
            log.warning("Suspicious: %s", suspicion)
        # Unchanged rows were not checked, so the warning could be wrong.
        if counter.report.read and not counter.report.unchanged:
            for argument, names in self._shape.unused().items():
                log.warning("%s names what no record has: %s. Check the spelling.", argument, ", ".join(names))
        self._checkpoint.clear()
        counter.close(self._settings.max_rejects)

    def _finish_early(self, engine: Engine, counter: OutcomeCounter, error: BaseException) -> None:
        """End a delivery that has failed or was stopped; ``error`` is the reason.

        The checkpoint is saved first, since Airflow may kill a task five seconds after asking it to stop. Then requests
        in flight are waited for, the last file of the snapshot is written, and the checkpoint is saved again. An error
        in one of these steps is logged and not raised.
        """
        # After a changed source the delivery starts again in this process, so the stop flag must stay unset.
        if not isinstance(error, BluxCheckpointError):
            self._stop.set()
        end = partial(self._snapshot.end, is_whole=False) if self._snapshot else lambda: None
        for step in (self._checkpoint.save, engine.finish, end, self._checkpoint.save, counter.name_files):
            try:
                step()
            except Exception as failed:  # noqa: BLE001 - it must not hide why the delivery ends
                log.warning(
                    "The progress could not be saved (%s); the next try %s.",
                    type(failed.__cause__ or failed).__name__,
                    "takes more events for unknown" if self._at_most_once else "sends more records again",
                )

    def _sender(self, traffic: Traffic) -> Sender:
        return Sender(
            self._client,
            self._endpoints,
            self._limiter,
            checkpoint=self._checkpoint,
            traffic=traffic,
            stop=self._stop,
            receipts=self._receipts,
            at_most_once=self._at_most_once,
        )

    def _fingerprint(self) -> str:
        """Return a digest of the settings that decide the batches and their destination."""
        addresses = [self._client.address(endpoint) for endpoint in self._endpoints]
        settings = self._settings
        decisive = (
            addresses,
            self._endpoints,
            settings.batch_size,
            self._at_most_once,
            settings.shaping,
            settings.updated_at_field,
            # What an earlier try has sent is missing from a snapshot in another folder.
            self._snapshot and str(self._snapshot),
        )
        return blake2b(repr(decisive).encode(), digest_size=12).hexdigest()


def _can_be_read_again(rows: Iterable[Any]) -> bool:
    """Return whether rows are a source of this package, or have a length.

    Other iterables, such as the cursor of a database, may go on where the first reading stopped, even if they are no
    iterators.
    """
    return not isinstance(rows, Iterator) and (isinstance(rows, Sized) or hasattr(rows, "place_of"))

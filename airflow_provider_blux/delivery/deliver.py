"""From rows to a report: what the hook calls, and all that there is to a delivery without Airflow."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import blake2b
from typing import Any

from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.api.rate_limiter import Pace, Pacing, Start
from airflow_provider_blux.delivery.audit import ReceiptsFile, RejectsFile
from airflow_provider_blux.delivery.batches import Batch, cut
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.crew import NO_PACE_SECONDS
from airflow_provider_blux.delivery.filters import Freshness, Suppression
from airflow_provider_blux.delivery.loop import Loop
from airflow_provider_blux.delivery.progress import Progress, Watcher
from airflow_provider_blux.delivery.report import Account, Outcome, Report, Traffic
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.sender import Sender
from airflow_provider_blux.delivery.settings import Settings
from airflow_provider_blux.delivery.storage import Store
from airflow_provider_blux.exceptions import BluxCheckpointError, BluxRecordError, BluxStopped
from airflow_provider_blux.line import Unparsed, decode, parsed
from airflow_provider_blux.records.data_quality import Suspicions
from airflow_provider_blux.records.mapping import Shape
from airflow_provider_blux.records.shapes import encoded_merge_of, encoded_shape_of, shape_of

Check = Callable[[str, Any], None]

# A request may have to wait for another thread several times before it has left.
_SWITCHES_A_TURN = 20

log = logging.getLogger(__name__)


class Delivery:
    """One delivery: everything about it but the rows.

    :param endpoints: all endpoints of one operation of one API.
    :param pace: the starts of its requests; ``None`` for a pace of its own at the rate of the settings.
    :param store: where progress is kept for the next try; ``None`` for nowhere.
    :param rejects: where records that are not delivered go; ``None`` for nowhere.
    :param receipts: where accepted deletions are written down; ``None`` for nowhere.
    :param suppression: users that are left out; ``None`` for nobody.
    :param watchers: are told where the delivery stands.
    """

    def __init__(
        self,
        client: BluxClient,
        endpoints: Sequence[Endpoint],
        settings: Settings,
        *,
        stop: Stop,
        pace: Pacing | None = None,
        store: Store | None = None,
        rejects: RejectsFile | None = None,
        receipts: ReceiptsFile | None = None,
        suppression: Suppression | None = None,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._settings = settings
        self._stop = stop
        self._pace = pace or Pace(settings.rate_limit, sleep=stop.sleep)
        self._rejects = rejects
        self._receipts = receipts
        self._suppression = suppression
        self._watchers = watchers
        self._suspicions = Suspicions()
        self._operation = endpoints[0].operation
        self._at_most_once = self._operation == "send_events" and settings.on_unknown == "reject"
        if store and not settings.resume and not settings.validate_only:
            store.clear()
        self._checkpoint = Checkpoint(
            store if settings.resume and not settings.validate_only else None,
            self._fingerprint(),
            at_most_once=self._at_most_once,
            before_save=rejects.flush if rejects else lambda: None,
        )

    def run(self, rows: Iterable[Any]) -> Report:
        """Send every record and account for each.

        :param rows: records as people have them; a :class:`BluxRecordError` stands for one that could not be read.
        :raises BluxRejectLimitError: everything else is delivered, but more were rejected than allowed.
        :raises BluxCheckpointError: an earlier try cannot be gone on with.
        :raises BluxError: what stopped the delivery; what was on its way has been waited for and counted.
        """
        counts = self._checkpoint.load()
        with _tuned_interpreter(1 / self._settings.rate_limit):
            try:
                return self._run(rows, counts)
            except BluxCheckpointError as error:
                # Upserts and deletions may be repeated safely, events would arrive twice.
                if self._operation == "send_events" or isinstance(rows, Iterator):
                    raise
                log.warning("The source has changed since the last try, so all of it is sent again. (%s)", error)
            self._checkpoint.forget()
            return self._run(rows, {})

    def _run(self, rows: Iterable[Any], counts: dict[str, Any]) -> Report:
        settings = self._settings
        report = Report(validate_only=settings.validate_only)
        account = Account(report, self._checkpoint, self._rejects, self._receipts)
        account.resume(counts)
        traffic = Traffic()
        total = len(rows) if isinstance(rows, Sized) else None
        progress = Progress(self._endpoints[0], report, traffic, total=total, watchers=self._watchers)
        progress.open()
        if counts:
            log.info("Going on where the last try stopped: %s are settled.", f"{report.read:,} records")
        sender, batches = self._sender(traffic), self._batches(rows)
        loop = Loop(
            sender or _Counting(self._suspicions, self._operation),
            account.settle,
            progress=progress,
            stop=self._stop,
            concurrency=settings.concurrency,
            turns_apart=1 / settings.rate_limit,
        )
        try:
            loop.run(map(sender.prepare, batches) if sender else batches)
        except BaseException as error:
            self._finish_early(loop, error)
            progress.close("stopped early")
            if isinstance(error, BluxStopped | BluxCheckpointError) and loop.failure:
                raise loop.failure from None
            raise
        loop.finish()
        self._checkpoint.save()  # what fails from here on is not to send everything again
        progress.close("ended")
        self._end(account)
        return report

    def _batches(self, rows: Iterable[Any]) -> Iterator[Batch]:
        """Yield the batches that no earlier try has settled."""
        kind, check = (self._operation, self._endpoints[0].api, self._settings.shaping), self._freshness()
        left = rows.unparsed() if isinstance(rows, Unparsed) else iter(rows)
        first = self._checkpoint.pass_over(left, None if check is None else partial(_remember, shape_of(*kind), check))
        batches = cut(
            left,
            encoded_shape_of(*kind),
            size=self._settings.batch_size,
            merge=encoded_merge_of(self._operation),
            is_suppressed=self._suppression.covers if self._suppression else None,
            check=check,
            first=first,
        )
        for batch in self._checkpoint.pending(batches):
            if self._rejects is None:  # they would only be kept for the rejects file
                batch.rows.clear()
            yield batch

    def _freshness(self) -> Check | None:
        field = self._settings.updated_at_field
        return None if field is None else Freshness(field, self._settings.shaping.zone).check

    def _end(self, account: Account) -> None:
        """Close a delivery that came to its end, be it green or red."""
        for suspicion in self._suspicions.found():
            log.warning("Suspicious: %s", suspicion)
        if self._rejects:
            self._rejects.flush()
        self._checkpoint.clear()
        account.close(self._settings.max_rejects)

    def _finish_early(self, loop: Loop, error: BaseException) -> None:
        """Save what is settled at once, since Airflow kills five seconds after it asked; then what was on its way."""
        # After a changed source another run follows, for which nothing must be stopped.
        if not isinstance(error, BluxCheckpointError):
            self._stop.set()
        for step in (self._checkpoint.save, loop.finish, self._checkpoint.save):
            try:
                step()
            except Exception as failed:  # noqa: BLE001 - it must not hide why the delivery ends
                log.warning("The progress could not be kept (%s); the next try repeats more.", type(failed).__name__)

    def _sender(self, traffic: Traffic) -> Sender | None:
        if self._settings.validate_only:
            return None
        return Sender(
            self._client,
            self._endpoints,
            self._pace,
            checkpoint=self._checkpoint,
            traffic=traffic,
            stop=self._stop,
            receipts=self._receipts,
            at_most_once=self._at_most_once,
        )

    def _fingerprint(self) -> str:
        """Return a digest of what decides how the source is cut and where it goes."""
        addresses = [self._client.address(endpoint) for endpoint in self._endpoints]
        settings = self._settings
        decisive = (
            addresses,
            self._endpoints,
            settings.batch_size,
            self._at_most_once,
            settings.shaping,
            settings.updated_at_field,
        )
        return blake2b(repr(decisive).encode(), digest_size=12).hexdigest()


class _Counting:
    """Stands in for sending where the records are only to be checked."""

    def __init__(self, suspicions: Suspicions, operation: str) -> None:
        self._suspicions = suspicions
        self._operation = operation

    def wait(self, _batch: Batch) -> None:
        """Wait for nothing."""

    def __call__(self, batch: Batch, _start: Start | None) -> Outcome:
        """Count a batch, and look at its users."""
        if self._operation == "upsert_users":
            for key, user in batch.records.items():
                self._suspicions.look(batch.parts(key)[0].number, decode(user))
        return Outcome(valid=len(batch.records), merged=batch.merged(batch.records))


@contextmanager
def _tuned_interpreter(turns_apart: float) -> Iterator[None]:
    """Keep the garbage collector away from what there is already, and let threads change more often.

    The collector would go through all that Airflow has loaded each time that some ten thousand records have come and
    gone: a seventh of the CPU of a delivery of users. And a request whose turn it is would wait up to 5 ms, several
    times, for the thread that reads: of 100 requests a second, two would be lost by that. Where there is no pace to
    keep, threads change as rarely as ever, which saves a fifth of the CPU.

    :param turns_apart: seconds between two requests.
    """
    interval = sys.getswitchinterval()
    if turns_apart > NO_PACE_SECONDS:
        sys.setswitchinterval(min(interval, turns_apart / _SWITCHES_A_TURN))
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)


def _remember(shape: Shape, check: Check, row: Any) -> None:
    """Let ``check`` know of a row that an earlier try has settled."""
    row = parsed(row)
    if not isinstance(row, BluxRecordError):
        with suppress(BluxRecordError):  # the earlier try has rejected it
            check(shape(row)[0], row)

"""Sends one batch with rate limit and retries. A refused batch is split until each record has an outcome."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from airflow_provider_blux.api.client import BluxClient, Request
from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.api.rate_limiter import Slot
from airflow_provider_blux.api.redis_rate_limiter import Limiter
from airflow_provider_blux.api.retry import LONGEST_RETRY_AFTER, retrying
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.outcomes import Outcome
from airflow_provider_blux.delivery.receipts import ReceiptsFile
from airflow_provider_blux.delivery.record import Record, Reject
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.exceptions import BluxAuthError, BluxError, BluxRequestError, BluxStopped, BluxUnavailable

TOO_LARGE = 413
_REFUSED = frozenset({400, 422})
# After this many requests in a row without an answer the delivery fails: further records would be unknown, too.
_LOST_IN_A_ROW = 6


class Sender:
    """Delivers batches to one operation; safe to call from many threads.

    :param endpoints: the endpoints of the operation, the one with the most records per request first. A request goes to
        the one with the smallest limit that has room for all of its records.
    :param receipts: file for receipts; a receipt is written before the records count as delivered.
    :param at_most_once: whether a record that may have arrived is not sent again, and counted as unknown.
    """

    def __init__(
        self,
        client: BluxClient,
        endpoints: Sequence[Endpoint],
        limiter: Limiter,
        *,
        checkpoint: Checkpoint,
        traffic: Traffic,
        stop: Stop,
        receipts: ReceiptsFile | None = None,
        at_most_once: bool = False,
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._limiter = limiter
        self._checkpoint = checkpoint
        self._traffic = traffic
        self._receipts = receipts
        self._stop = stop
        self._at_most_once = at_most_once
        self._lost_in_a_row = 0
        self._refusals = _Refusals()
        self._retrying = retrying(sleep=stop.sleep, on_retry=traffic.count_retry, repeat_in_doubt=not at_most_once)

    def __call__(self, batch: Batch, on_first_left: Callable[[], None]) -> Outcome:
        """Send a batch; return the outcomes of its records. If this fails, the whole run is asked to stop.

        :param on_first_left: called when the first request of the batch has been written to the network.
        :raises BluxApiError: the batch could be neither delivered nor rejected record by record.
        :raises BluxStopped: the run was asked to stop.
        """
        outcome = Outcome()
        try:
            if self._at_most_once and batch.in_doubt:
                self._leave(batch, batch.records, "an earlier try ended while it sent this", outcome)
            else:
                self._deliver(batch, batch.records.keys(), outcome, on_first_left)
        except BluxError as error:
            if not (outcome.delivered or outcome.rejects):
                self._checkpoint.withdraw(batch)
            if isinstance(error, BluxStopped):
                raise
            self._stop.set()
            raise error.located(str(batch)) from error.__cause__
        return outcome

    def _deliver(
        self,
        batch: Batch,
        keys: Collection[Any],
        outcome: Outcome,
        on_left: Callable[[], None] = lambda: None,
        *,
        counts: bool = True,
    ) -> None:
        """Send some records of a batch in one request; split the request if the API refuses it.

        :param keys: the keys of these records.
        :param outcome: the result of the batch, to which the results of these records are added.
        :param on_left: called when a request has been written to the network.
        :param counts: whether a refusal counts towards those in a row that show a wrong schema.
        """
        endpoint = next(row for row in reversed(self._endpoints) if row.max_records >= len(keys))
        request = Request(endpoint, endpoint.body([batch.records[key].content for key in keys]))
        try:
            status = self._retrying(self._attempt, batch, request, outcome, on_left)
            self._refusals.accepted()
            if self._receipts:
                self._receipts.write(endpoint, self._client.address(endpoint), status, list(keys))
        except BluxRequestError as error:
            if error.status in _REFUSED:
                with self._refusals.search:
                    if counts:
                        self._refusals.count(error, len(batch.records))
                    self._cut(batch, keys, error, outcome)
            elif error.status == TOO_LARGE:
                if len(keys) == 1 and counts:
                    self._refusals.count(error, len(batch.records))
                self._cut(batch, keys, error, outcome)
            else:
                raise
        except BluxUnavailable as error:
            if not (self._at_most_once and error.in_doubt):
                raise
            self._leave(batch, keys, error.message, outcome)
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= _LOST_IN_A_ROW:
                raise
        else:
            self._lost_in_a_row = 0
            outcome.delivered += keys
            outcome.merged += batch.number_merged(keys)

    def _leave(self, batch: Batch, keys: Iterable[Any], why: str, outcome: Outcome) -> None:
        """Add records to ``outcome`` as unknown: they may have arrived, so they must not be sent again.

        :param why: why it is unknown, for the rejects file and the report.
        """
        reason = f"may or may not have arrived: {why}"
        for key in keys:
            outcome.rejects.extend(part.rejected("unknown", None, reason) for part in batch.parts(key))

    def _cut(self, batch: Batch, keys: Collection[Any], error: BluxRequestError, outcome: Outcome) -> None:
        """Send the records of a refused request again in two halves; reject a record that was refused alone.

        A record that was merged from several source records is not rejected: these are sent one by one.
        """
        if len(keys) > 1:
            half = len(keys) // 2
            self._deliver(batch, list(keys)[:half], outcome)
            self._deliver(batch, list(keys)[half:], outcome)
            return
        [key] = keys
        parts = batch.parts(key)
        if len(parts) == 1:
            outcome.rejects.append(_rejected(parts[0], error))
            return
        # Perhaps only one of the merged records is invalid, so each is sent on its own, in the order of the source.
        # The refusal of the merged record has been counted; a user with many rows that are all bad is one bad user.
        for part in parts:
            alone = replace(batch, records={key: part}, merged={})
            self._deliver(alone, [key], outcome, counts=False)

    def _attempt(self, batch: Batch, request: Request, outcome: Outcome, on_left: Callable[[], None]) -> int:
        """Wait for a slot of the rate limiter, send a request once and count it; return the HTTP status.

        If the API asks to send less (429) or later (``Retry-After``), the rate limiter is told.

        :param on_left: called when the request has been written.
        """
        slot = self._wait_for_slot(batch)

        def left() -> None:
            slot.left()
            on_left()

        status = None
        try:
            status = self._client.send(request, on_leaving=slot.leaves, on_left=left)
        except BluxUnavailable as error:
            status = error.status
            self._hold_back(error)
            if not (error.in_doubt or outcome.delivered or outcome.rejects):
                self._checkpoint.withdraw(batch)
            raise
        except BluxError as error:
            status = error.status
            if isinstance(error, BluxAuthError):
                error.after_acceptance = self._refusals.any_accepted
            raise
        finally:
            self._traffic.count_request(status)
        return status

    def _wait_for_slot(self, batch: Batch) -> Slot:
        intend = partial(self._checkpoint.intend, batch) if self._at_most_once else None
        with self._traffic.waiting():
            while True:
                slot = self._limiter.wait(before=intend)
                if not self._refusals.waited_for_search():
                    break
        self._stop.check()
        return slot

    def _hold_back(self, error: BluxUnavailable) -> None:
        if error.retry_after is not None and error.retry_after > LONGEST_RETRY_AFTER:
            return  # this try ends; it must not pause other tasks that share the rate limit
        if error.status == 429:
            self._limiter.throttled(error.retry_after)
        elif error.retry_after is not None:
            self._limiter.pause(error.retry_after)


class _Refusals:
    """Counts refused requests, to tell single invalid records from a wrong schema, for which all requests are refused.

    Only one batch at a time is split to search for invalid records. Until the API has accepted a request, no other
    request starts during a search. So a wrong schema costs about a dozen requests, and one more for each row of a
    merged user that the search comes to.
    """

    _AFTER_SUCCESS = 5
    _FEW = 8

    def __init__(self) -> None:
        #: Held by the thread that searches for invalid records.
        self.search = threading.RLock()
        self._in_a_row = 0
        self.any_accepted = False

    def waited_for_search(self) -> bool:
        """If no request was accepted yet and another thread searches for invalid records, wait until it has finished.

        Return whether there was such a search.
        """
        if self.any_accepted:
            return False
        at_once = self.search.acquire(blocking=False)
        if not at_once:
            self.search.acquire()
        self.search.release()
        return not at_once

    def accepted(self) -> None:
        self._in_a_row, self.any_accepted = 0, True

    def count(self, error: BluxRequestError, size: int) -> None:
        """Count a refused request.

        :param error: the refusal.
        :param size: number of records in the batch. The limit depends on it, since finding one invalid record takes
            about log2(size) refusals.
        :raises BluxRequestError: too many requests in a row were refused.
        """
        self._in_a_row += 1
        patience = math.ceil(math.log2(max(size, self._FEW))) + 4
        if self.any_accepted:
            patience *= self._AFTER_SUCCESS
        if self._in_a_row >= patience:
            raise BluxRequestError(
                f"Blux refused {self._in_a_row} requests in a row, down to single records, so all records probably "
                f"have the same error: {_said(error)}. Fix that error first.",
                endpoint=error.endpoint,
                api_message=error.api_message,
            ) from error


def _rejected(part: Record, error: BluxRequestError) -> Reject:
    reason = (
        "is larger than Blux takes in one request"
        if error.status == TOO_LARGE
        else f"Blux refused it ({error.status}): {_said(error)}"
    )
    return part.rejected("rejected", None, reason)


def _said(error: BluxRequestError) -> str:
    """Return the API's message in quotes; if it is empty, a text that says that there is none to show."""
    return f'"{error.api_message}"' if error.api_message else f"its answer {error.status} has no message to show"

"""Every record arrives, although requests fail."""

from __future__ import annotations

import contextlib
import errno
import threading
import traceback

import pytest
import requests
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.receipts import Hashes, ReceiptsFile
from airflow_provider_blux.delivery.run import Run, Stop
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxAuthError, BluxError, BluxSourceError, BluxStopped, BluxUnavailable
from tests.delivery.pushing import Impatient, Memory, held, in_order, own_threads, push
from tests.emulator.client import until

FIVE_PERCENT = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503, "processed": True},
    {"kind": "status", "status": 429},
    {"kind": "reset", "processed": False},
    {"kind": "reset", "processed": True},
    {"kind": "truncate"},
]


def test_five_percent_of_every_fault_and_everything_arrives_and_the_retries_are_counted(blux):
    """More than a quarter of the requests fail. If all six attempts of a request fail, the test starts another try.

    Eight requests at a time, because a slow machine does not answer more of them within the timeout.
    """
    for fault in FIVE_PERCENT:
        blux.fault(**fault, probability=0.05)
    blux.fault(kind="delay", seconds=60, probability=0.02, times=3)
    rows = [{"user_id": str(number % 3000), "n": number} for number in range(6000)]
    store = Memory()

    for _ in range(20):
        with contextlib.suppress(BluxUnavailable):
            report = push(blux, "upsert_users", rows, batch_size=20, timeout=1.0, concurrency=8, store=store)
            break

    assert held(blux) == in_order(rows)
    assert report.read == 6000 == report.delivered + report.merged
    assert len(blux.requests()) > 300
    assert report.retries > 0
    assert report.requests - report.retries <= 300


def test_a_source_that_fails_ends_the_waits_of_requests_that_are_tried_again(blux):
    blux.fault(kind="status", status=503, headers={"Retry-After": "200"})

    def rows():
        yield from ({"user_id": str(number)} for number in range(2))
        until(blux.requests)
        raise BluxSourceError("The file is cut off.")

    with pytest.raises(BluxSourceError):
        push(blux, "upsert_users", rows(), batch_size=1, concurrency=4, stop=Stop())
    assert 1 <= len(blux.requests()) <= 2


def test_a_retry_after_is_obeyed_by_every_request(blux):
    blux.fault(kind="status", status=429, headers={"Retry-After": "1"}, times=1)

    push(blux, "upsert_users", [{"user_id": number} for number in range(300)], concurrency=1)

    refused, *later = (request["arrived"] for request in blux.requests())
    assert len(later) == 3
    assert all(arrived - refused >= 1 for arrived in later)


def test_when_the_attempts_run_out_progress_is_saved_and_another_try_sends_only_the_rest(blux):
    store = Memory()
    rows = [{"user_id": str(number)} for number in range(1000)]
    blux.fault(kind="status", status=503, skip=4)
    with pytest.raises(BluxUnavailable):
        push(blux, "upsert_users", rows, store=store, concurrency=2)
    arrived = blux.counts()["users"]
    blux.clear_faults()
    sent = len(blux.requests())

    report = push(blux, "upsert_users", rows, store=store)

    assert arrived == 400
    assert (report.read, report.delivered, report.resumed) == (1000, 1000, 400)
    assert len(blux.requests()) - sent == report.requests == 6
    assert store.text is None


def test_a_stop_ends_between_requests_saves_and_leaves_no_thread(blux):
    store, stop = Memory(), Impatient()
    before = own_threads()

    def rows():
        for number in range(10_000):
            if number == 1500:
                stop.set()
            yield {"user_id": str(number)}

    with pytest.raises(BluxStopped):
        push(blux, "upsert_users", rows(), store=store, stop=stop, concurrency=4)

    assert own_threads() == before
    held_now = blux.counts()["users"]
    saved = store.load()
    assert held_now == 100 * saved["counts"]["batches"]
    assert held_now < 1600


def test_a_stop_ends_the_reading_within_a_batch(blux):
    stop, read = Impatient(), []

    def rows():
        for number in range(1000):
            read.append(number)
            if number == 150:
                stop.set()
            yield {"user_id": str(number)}

    with pytest.raises(BluxStopped):
        push(blux, "upsert_users", rows(), stop=stop)

    assert len(read) <= 152


def test_a_stop_ends_a_wait_for_the_api(blux):
    blux.fault(kind="status", status=503, headers={"Retry-After": "3600"})
    stop = Impatient()  # an hour is 3.6 s to it

    timer = threading.Timer(0.1, stop.set)
    timer.start()
    with pytest.raises(BluxStopped):
        push(blux, "upsert_users", [{"user_id": "a"}], stop=stop)
    timer.join()


class FullDisk(LocalFileSystem):
    """A disk without space for another line."""

    def open(self, path, mode="rb", **options):
        if mode == "ab":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().open(path, mode, **options)


@pytest.mark.parametrize(
    ("fault", "attempts", "raised", "cause"),
    [
        ({"kind": "status", "status": 200}, 1, BluxError, OSError),
        ({"kind": "status", "status": 401}, 1, BluxAuthError, type(None)),
        ({"kind": "reset"}, 6, BluxUnavailable, requests.ConnectionError),
    ],
)
def test_a_failure_that_a_stop_overtakes_is_raised_with_its_own_cause(blux, tmp_path, fault, attempts, raised, cause):
    blux.fault(**fault)
    stop = Impatient()
    receipts = ReceiptsFile(Folder(FullDisk(), str(tmp_path), "receipts_path"), Run.unnamed(), Hashes(None))

    def ids():
        yield "sent"
        until(lambda: len(blux.requests()) == attempts)
        stop.set()
        yield "not sent"

    with pytest.raises(raised) as caught:
        push(blux, "delete_users", ids(), batch_size=1, stop=stop, receipts=receipts)

    assert isinstance(caught.value.__cause__, cause)
    assert "BluxStopped" not in "".join(traceback.format_exception(caught.value))

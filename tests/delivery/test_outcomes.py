"""How the counts of a run add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fsspec
import pytest

from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.checkpoint import Checkpoint
from airflow_provider_blux.delivery.outcomes import Outcome, OutcomeCounter
from airflow_provider_blux.delivery.record import Reject
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxError, BluxRejectLimitError
from tests.delivery.pushing import Memory


def reject(number: int, outcome: Any = "rejected") -> Reject:
    return Reject(number, outcome, "n", f"reason {number}", None)


def counter_of(store: Memory | None = None, rejects: Any = None) -> OutcomeCounter:
    return OutcomeCounter(Report(), Checkpoint(store, "settings"), rejects)


def batch(index: int, size: int, *, suppressed: int = 0, rejects: Sequence[Reject] = ()) -> Batch:
    first = (index - 1) * size + 1
    return Batch(index, first, index * size, suppressed=suppressed, rejects=list(rejects))


def test_every_record_of_a_batch_has_one_outcome():
    counter = counter_of()
    counter.settle(
        batch(1, 10, suppressed=2, rejects=[reject(1)]),
        Outcome(delivered=list(range(3)), merged=1, rejects=[reject(4), reject(5, "unknown"), reject(6, "unknown")]),
    )
    counter.settle(batch(2, 10), Outcome(delivered=list(range(10))))

    report = counter.report
    assert (report.read, report.delivered, report.rejected) == (20, 13, 2)
    assert (report.suppressed, report.merged, report.unknown, report.batches) == (2, 1, 2, 2)
    assert report.adds_up()
    assert report.in_words() == "20 read = 13 delivered + 2 rejected + 2 suppressed + 1 merged + 2 unknown"


@pytest.mark.parametrize(
    ("outcome", "way_out"),
    [
        ("rejected", "Fix them at the source; with rejects_path, all of them are written to a file."),
        ("unknown", "Check in Blux which unknown ones have arrived, and send only the others."),
    ],
)
def test_only_rejected_records_are_to_be_fixed_and_unknown_ones_to_be_looked_for(outcome: str, way_out: str):
    counter = counter_of()
    counter.settle(batch(1, 1), Outcome(rejects=[reject(1, outcome)]))

    with pytest.raises(BluxRejectLimitError) as raised:
        counter.close(0)
    [message, *_] = str(raised.value).splitlines()
    assert message.endswith(way_out)
    assert ("Fix them" in message) is (outcome == "rejected")


def test_a_batch_counts_only_once_its_rejects_are_kept():
    class Full:
        urls: tuple[str, ...] = ()

        def add_rejects(self, rejects: Any, place_of: Any) -> None:
            raise OSError("no space left")

        def flush(self) -> None:
            pass

    store = Memory()
    counter = counter_of(store, Full())
    with pytest.raises(OSError, match="no space left"):
        counter.settle(batch(1, 10, rejects=[reject(1)]), Outcome(delivered=list(range(9))))

    assert (counter.report.read, counter.report.delivered) == (0, 0)


def test_the_report_continues_the_counts_of_an_earlier_try():
    store = Memory()
    checkpoint = Checkpoint(store, "settings")
    first = OutcomeCounter(Report(), checkpoint)
    first.settle(
        batch(1, 10, suppressed=1, rejects=[reject(1)]),
        Outcome(delivered=list(range(7)), rejects=[reject(2, "unknown")]),
    )
    checkpoint.save()

    second = Checkpoint(store, "settings")
    second.load()
    later = OutcomeCounter(Report(), second)
    later.settle(batch(2, 10), Outcome(delivered=list(range(10))))

    report = later.report
    assert (report.read, report.delivered, report.rejected, report.suppressed, report.unknown) == (20, 17, 1, 1, 1)
    assert (report.resumed, report.batches) == (7, 2)
    with pytest.raises(BluxRejectLimitError) as caught:
        later.close(0)
    assert "record 1, n: reason 1" in str(caught.value)
    assert "record 2, n: reason 2" in str(caught.value)


def test_a_record_without_an_outcome_is_never_hidden():
    counter = counter_of()
    counter.settle(batch(1, 10), Outcome(delivered=list(range(9))))

    with pytest.raises(BluxError, match=r"The counts do not add up, .* 10 read = 9 delivered") as caught:
        counter.close(1.0)
    assert not caught.value.retry_helps  # the next try would send events a second time


@pytest.mark.parametrize(
    ("max_rejects", "limit"),
    [
        (2, None),
        (1, "1"),
        (0.2, None),
        (0.19, "19% of them"),
        (0.001, "0.1% of them"),
        (1.0, None),
        (0, "0"),
        (0.0, "0% of them"),
    ],
)
def test_as_many_may_be_rejected_or_unknown_as_are_allowed_and_no_more(max_rejects, limit):
    counter = counter_of()
    counter.settle(batch(1, 10), Outcome(delivered=list(range(8)), rejects=[reject(1), reject(2, "unknown")]))

    if limit is None:
        counter.close(max_rejects)
    else:
        with pytest.raises(BluxRejectLimitError, match=r"8 were delivered, 1 rejected and 1 unknown") as caught:
            counter.close(max_rejects)
        assert f"; allowed are {limit} (max_rejects). " in str(caught.value)


@pytest.mark.parametrize(("number", "left"), [(9, None), (10, None), (11, "and 1 more"), (25, "and 15 more")])
def test_ten_rejects_are_shown_and_the_others_counted(number, left):
    counter = counter_of()
    for index in range(1, number + 1):
        outcome = "unknown" if index % 2 else "rejected"
        counter.settle(batch(index, 1, rejects=[reject(index, outcome)]), Outcome())

    with pytest.raises(BluxRejectLimitError) as caught:
        counter.close(0)
    shown = str(caught.value).splitlines()[1:]
    assert [line.split(",")[0].strip() for line in shown[:10]] == [f"record {n}" for n in range(1, min(number, 10) + 1)]
    assert shown[10:] == ([f"  {left}"] if left else [])


def test_the_error_counts_the_records_that_needed_no_request_too() -> None:
    counter = counter_of()
    mixed = batch(1, 10, rejects=[reject(1)])
    mixed.suppressed, mixed.unchanged = 2, 3
    counter.settle(mixed, Outcome(delivered=list(range(3)), merged=1))

    with pytest.raises(BluxRejectLimitError, match="3 were delivered, 2 suppressed, 3 unchanged, 1 merged, 1 rejected"):
        counter.close(0)


@pytest.mark.parametrize(
    ("read", "outcome", "text"),
    [
        (1, Outcome(), "Of 1 record, 0 were delivered, 1 rejected;"),
        (2, Outcome(delivered=[0]), "Of 2 records, 1 was delivered, 1 rejected;"),
        (2, Outcome(valid=1), "Of 2 records, 1 is valid, 1 rejected;"),
    ],
)
def test_one_record_is_written_in_the_singular(read: int, outcome: Outcome, text: str) -> None:
    counter = counter_of()
    counter.report.validate_only = bool(outcome.valid)
    counter.settle(batch(1, read, rejects=[reject(1)]), outcome)

    with pytest.raises(BluxRejectLimitError, match=text):
        counter.close(0)


def test_where_nothing_was_to_be_sent_it_is_told_how_many_are_valid():
    counter = counter_of()
    counter.report.validate_only = True
    counter.settle(batch(1, 3, rejects=[reject(1)]), Outcome(valid=2))

    with pytest.raises(BluxRejectLimitError, match=r"Of 3 records, 2 are valid, 1 rejected"):
        counter.close(0)


def test_the_report_names_the_object_that_the_last_rejects_are_written_to():
    rejects = RejectsFile(Folder(fsspec.filesystem("memory"), "/bucket/report", "rejects_path"), "try1", "upsert_users")
    counter = counter_of(None, rejects)
    counter.settle(batch(1, 2, rejects=[reject(1)]), Outcome(delivered=[0]))
    rejects.flush()
    counter.close(1.0)

    assert counter.report.rejects == rejects.urls
    assert len(rejects.urls) == 1

"""A checkpoint recognises settled batches and changes when the source is read again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from airflow_provider_blux.delivery.batches import Batch, cut
from airflow_provider_blux.delivery.checkpoint import SAVE_EVERY_SECONDS, VERSION, Checkpoint
from airflow_provider_blux.delivery.reading import Reading
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.exceptions import BluxCheckpointError
from airflow_provider_blux.records.encoding import merge_of
from airflow_provider_blux.records.shapes import RowShape
from tests.delivery.pushing import Memory

ROWS = [{"user_id": str(number), "n": number} for number in range(10)]
READING = Reading(shape=RowShape("upsert_users", "application"), merges=True)


def opened(store: Memory, rows: Sequence[Any], reading: Reading = READING) -> tuple[Checkpoint, list[Batch]]:
    """Return a checkpoint and its unsettled batches of two records each."""
    checkpoint = Checkpoint(store, "settings")
    checkpoint.load()
    cut_in_twos = partial(cut, size=2, merge=merge_of("upsert_users"))
    return checkpoint, list(checkpoint.pending(reading.records(rows), cut_in_twos))


def number_of(batch: Batch) -> int:
    """Return the number of a batch of two records in the source (0-based)."""
    return batch.last // 2


def settled(store: Memory, *indexes: int, rows: Sequence[Any] = ROWS, in_doubt: int | None = None) -> None:
    """Settle some of the batches of two records, as one try, and save the checkpoint."""
    checkpoint, batches = opened(store, rows)
    for batch in batches:
        if number_of(batch) == in_doubt:
            checkpoint.intend(batch)
        if number_of(batch) in indexes:
            checkpoint.settle(batch, {"read": 1})
    checkpoint.save()


@pytest.mark.parametrize("indexes", [(), (1,), (1, 2), (2,), (1, 3), (2, 4, 5), (5,), (1, 2, 3, 4, 5)])
def test_what_is_settled_is_not_to_be_sent_again_wherever_it_stands(indexes):
    store = Memory()
    settled(store, *indexes)

    _, left = opened(store, ROWS)

    assert [number_of(batch) for batch in left] == [index for index in range(1, 6) if index not in indexes]
    assert [[*batch.records] for batch in left] == [
        [str(2 * number_of(batch) - 2), str(2 * number_of(batch) - 1)] for batch in left
    ]


def test_the_batches_of_a_later_try_are_numbered_on_from_those_that_are_settled():
    store = Memory()
    checkpoint, (first, _, third, *_) = opened(store, ROWS)
    for batches, batch in enumerate([first, third], 1):
        checkpoint.settle(batch, {"batches": batches})
    checkpoint.save()

    assert [(batch.index, batch.first) for batch in opened(store, ROWS)[1]] == [(3, 3), (4, 7), (5, 9)]


def test_a_checkpoint_stays_small_while_one_batch_is_sent_again_and_all_others_are_settled():
    few, many = Memory(), Memory()
    rows = [{"user_id": str(number)} for number in range(2000)]
    settled(few, 2, 3, rows=rows)
    settled(many, *range(2, 500), *range(501, 1001), rows=rows)

    assert len(many.text or "") < 2 * len(few.text or "")
    assert [number_of(batch) for batch in opened(many, rows)[1]] == [1, 500]


@pytest.mark.parametrize("at", range(10))
@pytest.mark.parametrize("last", [1, 3, 5])
def test_a_change_up_to_the_last_batch_that_is_settled_is_noticed_before_anything_is_to_be_sent(at, last):
    """If the change were noticed later, records rejected before would be rejected twice after a new start."""
    store = Memory()
    settled(store, 1, last)
    changed = [{**row, "n": -1} if number == at else row for number, row in enumerate(ROWS)]

    if at < 2 * last:
        with pytest.raises(BluxCheckpointError, match=r"in records 1-2\." if at < 2 else r"in records \d+-\d+\."):
            opened(store, changed)
    else:
        assert [number_of(batch) for batch in opened(store, changed)[1]] == [
            n for n in range(1, 6) if n not in (1, last)
        ]


@pytest.mark.parametrize("last", [1, 3, 5])
def test_a_source_that_ends_before_what_is_settled_is_noticed(last):
    store = Memory()
    settled(store, last)

    with pytest.raises(BluxCheckpointError, match="it has become shorter"):
        opened(store, ROWS[: 2 * last - 2])


@pytest.mark.parametrize(
    "other",
    [
        [{"user_id": "0", "n": "0"}, *ROWS[1:]],
        [{"user_id": "0", "n": None}, *ROWS[1:]],
        [{"user_id": "0", "n": 0, "m": 1}, *ROWS[1:]],
        [ROWS[1], ROWS[0], *ROWS[2:]],
        [{"user_id": ""}, *ROWS[1:]],
        [ROWS[0], *ROWS],
    ],
    ids=["another type", "a null", "one more column", "another order", "a reject", "one more record"],
)
def test_any_difference_in_what_would_be_sent_is_noticed(other):
    store = Memory()
    settled(store, 1)

    with pytest.raises(BluxCheckpointError):
        opened(store, other)


def test_what_is_not_sent_makes_no_difference():
    store = Memory()
    settled(store, 1)
    nulls = [{**row, "empty": None} for row in ROWS]

    assert len(opened(store, nulls)[1]) == 4


def test_a_user_who_is_suppressed_meanwhile_is_no_change_of_the_source():
    store = Memory()
    settled(store, 1)
    suppressing = Reading(shape=READING.shape, merges=True, is_suppressed=lambda record: record["user_id"] == "0")

    assert len(opened(store, ROWS, suppressing)[1]) == 4


def test_records_of_one_user_that_are_merged_all_count():
    rows = [{"user_id": "a", "n": 1}, {"user_id": "a", "n": 2}, {"user_id": "b"}, {"user_id": "c"}]
    store = Memory()
    settled(store, 1, rows=rows)

    with pytest.raises(BluxCheckpointError):
        opened(store, [{"user_id": "a", "n": 0}, *rows[1:]])


def test_only_the_batch_that_was_about_to_be_sent_is_in_doubt():
    store = Memory()
    settled(store, 1, 2, in_doubt=4)

    _, left = opened(store, ROWS)

    assert {number_of(batch): batch.in_doubt for batch in left} == {3: False, 4: True, 5: False}


def test_what_was_about_to_be_sent_stays_in_doubt_where_a_shorter_suppression_list_splits_it():
    store, suppressing = (
        Memory(),
        Reading(shape=READING.shape, merges=True, is_suppressed=lambda row: row["user_id"] in "12"),
    )
    checkpoint, batches = opened(store, ROWS, suppressing)
    checkpoint.intend(batches[0])
    assert (batches[0].first, batches[0].last) == (1, 4)
    checkpoint, batches = opened(store, ROWS)
    checkpoint.settle(batches[0], {})
    checkpoint.save()

    _, left = opened(store, ROWS)

    assert [(batch.first, batch.in_doubt) for batch in left] == [(3, True), (5, False), (7, False), (9, False)]


def test_a_change_in_what_was_about_to_be_sent_is_noticed():
    store = Memory()
    settled(store, 1, 2, in_doubt=4)

    with pytest.raises(BluxCheckpointError, match="in records 7-8"):
        opened(store, [*ROWS[:6], {"user_id": "6", "n": -1}, *ROWS[7:]])


@pytest.mark.parametrize("left", [6, 7])
def test_a_source_that_ends_before_or_in_what_was_about_to_be_sent_is_noticed(left):
    store = Memory()
    settled(store, 1, 2, in_doubt=4)

    with pytest.raises(BluxCheckpointError, match="it has become shorter"):
        opened(store, ROWS[:left])


def test_what_is_forgotten_is_not_there_for_another_try_and_what_follows_is_kept_for_it():
    store = Memory()
    settled(store, 1, 3)
    checkpoint = Checkpoint(store, "settings")
    checkpoint.load()

    checkpoint.clear()
    assert store.load() is None

    first, *_ = checkpoint.pending(READING.records(ROWS), partial(cut, size=2))
    checkpoint.settle(first, {"read": 2})
    checkpoint.save()
    assert [number_of(batch) for batch in opened(store, ROWS)[1]] == [2, 3, 4, 5]


def test_a_batch_is_in_doubt_from_when_it_is_noted_until_it_is_settled_or_withdrawn():
    store = Memory()
    checkpoint, (first, second, *_) = opened(store, ROWS)
    checkpoint.intend(first)
    checkpoint.intend(second)
    assert list(store.load()["doubt"]) == ["1", "3"]

    checkpoint.settle(first, {"read": 2})
    checkpoint.withdraw(second)
    checkpoint.save()
    assert store.load()["doubt"] == {}


def test_a_batch_that_is_noted_already_is_not_saved_again():
    store = Memory()
    checkpoint, (first, *_) = opened(store, ROWS)
    checkpoint.intend(first)
    checkpoint.intend(first)  # for the next attempt

    assert store.saves == 1


@pytest.mark.parametrize(("took", "every"), [(0.0, SAVE_EVERY_SECONDS), (0.3, 3.0), (1.0, 10.0)])
def test_progress_is_saved_every_two_seconds_and_more_rarely_where_that_takes_long(took, every):
    now = 0.0

    class Slow(Memory):
        def save(self, state: dict[str, Any]) -> None:
            nonlocal now
            super().save(state)
            now += took

    store = Slow()
    checkpoint = Checkpoint(store, "settings", clock=lambda: now)
    saves = []
    for number, now in enumerate([1.99, 2.0, 2.0 + every - 0.01, 2.0 + every], 1):  # noqa: B007 - the clock reads it
        checkpoint.settle(Batch(number, number, number), {"read": number})
        saves.append(store.saves)

    assert saves == [0, 1, 1, 2]
    assert store.load()["records"] == 4


def test_a_store_that_does_not_answer_is_not_waited_for_with_each_batch():
    now, tried = 0.0, []

    class Hanging(Memory):
        def save(self, state: dict[str, Any]) -> None:
            nonlocal now
            tried.append(now)
            now += 60.0
            raise OSError("no answer")

    checkpoint = Checkpoint(Hanging(), "settings", clock=lambda: now)
    now = 10.0
    with pytest.raises(OSError, match="no answer"):
        checkpoint.settle(Batch(1, 1, 2), {"read": 2})
    for index in range(2, 6):  # those that were in flight
        checkpoint.settle(Batch(index, 2 * index - 1, 2 * index), {"read": 2 * index})

    assert tried == [10.0]
    assert checkpoint.counts == {"read": 10}


def test_what_is_to_be_durable_is_so_before_the_checkpoint_says_it_is():
    store, saves = Memory(), []
    checkpoint = Checkpoint(store, "settings", before_save=lambda: saves.append(store.saves))
    checkpoint.save()
    assert (saves, store.saves) == ([0], 1)

    Checkpoint(None, "settings", before_save=lambda: saves.append(-1)).save()
    assert saves == [0, -1]


def test_a_checkpoint_of_another_version_is_refused_although_it_can_be_read():
    store = Memory()
    settled(store, 1)
    store.save({**store.load(), "version": VERSION - 1})

    with pytest.raises(BluxCheckpointError, match="written by another version"):
        opened(store, ROWS)


def test_neighbours_are_not_taken_for_others_that_are_as_long_together():
    """Two records must differ from two other records whose texts are the same when joined."""
    first, second = ([Record(1, 1, one), Record(2, 2, two)] for one, two in [(b'"ab"', b'"c"'), (b'"ab""', b'c"')])
    digests = []
    for records in (first, second):
        checkpoint = Checkpoint(Memory(), "settings")
        [batch] = checkpoint.pending(iter(records), partial(cut, size=2))
        digests.append(batch.digest)

    assert digests[0] != digests[1]

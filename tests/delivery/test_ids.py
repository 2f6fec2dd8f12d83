from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.delivery.filters import IdSet, NewestMoments, digest_of

ids = st.text(max_size=8)


@given(added=st.lists(ids), asked=st.lists(ids))
def test_a_set_of_ids_holds_what_a_set_holds(added, asked):
    compact = IdSet()
    for user_id in added:
        compact.add(digest_of(user_id))

    assert len(compact) == len(set(added))
    assert [digest_of(user_id) in compact for user_id in [*added, *asked]] == [
        user_id in set(added) for user_id in [*added, *asked]
    ]


def test_digests_are_told_apart_within_a_bucket_and_across_the_borders_of_its_entries():
    compact = IdSet()
    compact.add(b"\x00\x00" + b"a" * 7 + b"b" * 7)
    compact.add(b"\x00\x00" + b"a" * 7 + b"c" * 7)

    assert b"\x00\x00" + b"b" * 7 + b"a" * 7 not in compact
    assert b"\x00\x00" + b"a" * 7 + b"c" * 7 in compact
    assert len(compact) == 2


@pytest.mark.slow
def test_an_id_takes_about_twenty_bytes():
    tracemalloc.start()
    compact = IdSet()
    empty = tracemalloc.get_traced_memory()[0]
    for number in range(300_000):
        compact.add(digest_of(str(number)))
    grown = tracemalloc.get_traced_memory()[0] - empty
    tracemalloc.stop()

    assert grown / 300_000 < 40  # buckets are a few entries long here, and grow in steps


@given(moments=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2e9))))
def test_the_newest_moment_of_each_id_is_remembered(moments):
    newest, plain = NewestMoments(), {}
    for user_id, moment in moments:
        overtaken = moment < plain.get(user_id, float("-inf"))
        assert newest.is_overtaken(digest_of(user_id), moment) == overtaken
        if not overtaken:
            plain[user_id] = moment


SAME_BUCKET = b"\x00\x07"


def test_an_id_is_found_among_others_of_its_bucket_whose_borders_look_like_it():
    """Entries lie one after the other, so the end of one and the beginning of the next may look like a third."""
    looked_for = b"\x01" * 7 + b"\x02" * 7
    ends, begins = b"\x00" * 7 + b"\x01" * 7, b"\x02" * 7 + b"\x00" * 7
    other_end, other_begin = b"\x03" * 7 + b"\x01" * 7, b"\x02" * 7 + b"\x03" * 7
    ids = IdSet()
    for rest in (ends, begins):
        ids.add(SAME_BUCKET + rest)
    assert SAME_BUCKET + looked_for not in ids

    for rest in (looked_for, other_end, other_begin):
        ids.add(SAME_BUCKET + rest)
    assert SAME_BUCKET + looked_for in ids
    ids.add(SAME_BUCKET + looked_for)
    assert len(ids) == 5


def test_an_id_is_found_whose_beginning_is_the_end_of_the_one_before_it():
    ids = IdSet()
    for rest in (b"\x01" + b"\x00" * 13, b"\x00" * 14):
        ids.add(SAME_BUCKET + rest)

    assert SAME_BUCKET + b"\x00" * 14 in ids
    assert len(ids) == 2


def test_the_newest_moments_of_ids_in_one_bucket_are_told_apart():
    newest = NewestMoments()
    digests = [SAME_BUCKET + bytes([number]) * 14 for number in range(40)]
    for number, digest in enumerate(digests):
        assert not newest.is_overtaken(digest, 1000.0 + number)

    assert [newest.is_overtaken(digest, 1010.0) for digest in digests] == [number > 10 for number in range(40)]
    # What came late was remembered for those only whose newest moment it is.
    assert [newest.is_overtaken(digest, 1010.0) for digest in digests] == [number > 10 for number in range(40)]
    assert newest.is_overtaken(digests[0], 1009.0)

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.delivery.digest_map import DigestMap
from airflow_provider_blux.delivery.filters import digest_of

ids = st.text(max_size=8)


@given(added=st.lists(ids), asked=st.lists(ids))
def test_a_set_of_ids_holds_what_a_set_holds(added, asked):
    compact = DigestMap(16)
    for user_id in added:
        compact.put(digest_of(user_id))

    assert len(compact) == len(set(added))
    assert [digest_of(user_id) in compact for user_id in [*added, *asked]] == [
        user_id in set(added) for user_id in [*added, *asked]
    ]


def test_a_digest_that_begins_in_one_entry_and_ends_in_the_next_is_not_there():
    compact = DigestMap(4)
    compact.put(bytes([0, 0, 1, 0]))
    compact.put(bytes([0, 0, 0, 1]))

    assert bytes([0, 0, 0, 0]) not in compact  # the fourth to the seventh byte of the bucket

    compact.put(bytes([0, 0, 0, 0]))
    assert bytes([0, 0, 0, 0]) in compact
    assert len(compact) == 3


@pytest.mark.slow
def test_an_id_takes_about_twenty_bytes():
    tracemalloc.start()
    compact = DigestMap(16)
    for number in range(300_000):
        compact.put(digest_of(str(number)))
    before = tracemalloc.get_traced_memory()[0]
    for number in range(300_000, 1_000_000):
        compact.put(digest_of(str(number)))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert grown / 700_000 < 24  # the buckets grow in steps


# So few that many share a bucket, and that what is looked for often lies across two entries.
keys = st.tuples(st.just(0), st.sampled_from([0, 1]), *[st.sampled_from([0, 1])] * 2).map(bytes)


@given(changes=st.lists(st.tuples(keys, st.none() | st.sampled_from([0, 1, 255]))))
def test_a_map_holds_what_a_dict_holds(changes):
    compact, plain = DigestMap(4, 1), {}
    for key, value in changes:
        if value is None:
            compact.remove(key)
            plain.pop(key, None)
        else:
            compact.put(key, bytes([value]))
            plain[key] = value

    assert len(compact) == len(plain)
    assert {key: compact.get(key) for key, _ in changes} == {
        key: bytes([plain[key]]) if key in plain else None for key, _ in changes
    }


SAME_BUCKET = b"\x00\x07"


def test_the_values_of_ids_in_one_bucket_are_told_apart():
    numbers = DigestMap(16, 1)
    keys = [SAME_BUCKET + bytes([number]) * 14 for number in range(40)]
    for number, key in enumerate(keys):
        numbers.put(key, bytes([number]))
    numbers.put(keys[7], b"\x63")
    numbers.remove(keys[8])

    assert [numbers.get(key) for key in keys[6:10]] == [b"\x06", b"\x63", None, b"\x09"]

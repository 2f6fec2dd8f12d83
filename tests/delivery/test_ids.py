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


def test_digests_are_told_apart_within_a_bucket_and_across_the_borders_of_its_entries():
    compact = DigestMap(16)
    compact.put(b"\x00\x00" + b"a" * 7 + b"b" * 7)
    compact.put(b"\x00\x00" + b"a" * 7 + b"c" * 7)

    assert b"\x00\x00" + b"b" * 7 + b"a" * 7 not in compact
    assert b"\x00\x00" + b"a" * 7 + b"c" * 7 in compact
    assert len(compact) == 2


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


@given(changes=st.lists(st.tuples(st.binary(min_size=2, max_size=2), st.none() | st.integers(0, 255))))
def test_a_map_holds_what_a_dict_holds(changes):
    compact, plain = DigestMap(2, 1), {}
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


def test_an_id_is_found_among_others_of_its_bucket_whose_borders_look_like_it():
    """Entries lie one after the other, so the end of one and the beginning of the next may look like a third."""
    looked_for = b"\x01" * 7 + b"\x02" * 7
    ends, begins = b"\x00" * 7 + b"\x01" * 7, b"\x02" * 7 + b"\x00" * 7
    other_end, other_begin = b"\x03" * 7 + b"\x01" * 7, b"\x02" * 7 + b"\x03" * 7
    ids = DigestMap(16)
    for rest in (ends, begins):
        ids.put(SAME_BUCKET + rest)
    assert SAME_BUCKET + looked_for not in ids

    for rest in (looked_for, other_end, other_begin):
        ids.put(SAME_BUCKET + rest)
    assert SAME_BUCKET + looked_for in ids
    ids.put(SAME_BUCKET + looked_for)
    assert len(ids) == 5


def test_an_id_is_found_whose_beginning_is_the_end_of_the_one_before_it():
    ids = DigestMap(16)
    for rest in (b"\x01" + b"\x00" * 13, b"\x00" * 14):
        ids.put(SAME_BUCKET + rest)

    assert SAME_BUCKET + b"\x00" * 14 in ids
    assert len(ids) == 2


def test_the_values_of_ids_in_one_bucket_are_told_apart():
    numbers = DigestMap(16, 1)
    keys = [SAME_BUCKET + bytes([number]) * 14 for number in range(40)]
    for number, key in enumerate(keys):
        numbers.put(key, bytes([number]))
    numbers.put(keys[7], b"\x63")
    numbers.remove(keys[8])

    assert [numbers.get(key) for key in keys[6:10]] == [b"\x06", b"\x63", None, b"\x09"]

"""Parts of a big source: everything is in exactly one of them, and the same source gives the same parts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.parts import by_size, ranges, statement

names = st.text("abcdef/", min_size=1, max_size=8)


def found(keys, rows=None):
    with_key = [key for key in keys if key is not None]
    return dict(
        zip(
            ("first_key", "last_key", "number", "with_key"),
            (min(with_key, default=None), max(with_key, default=None), len(keys), len(with_key)),
            strict=True,
        )
    )


@given(sizes=st.dictionaries(names, st.integers(0, 10**9), max_size=40), parts=st.integers(1, 20))
def test_every_file_is_in_exactly_one_part(sizes, parts):
    cut = by_size(sizes, parts)

    assert Counter(url for urls in cut for url in urls) == Counter(sizes.keys())
    assert len(cut) == min(parts, len(sizes))
    assert all(urls == sorted(urls) for urls in cut)


@given(sizes=st.dictionaries(names, st.integers(0, 10**9), max_size=40), parts=st.integers(1, 20))
def test_the_order_in_which_a_storage_lists_files_does_not_matter(sizes, parts):
    assert by_size(dict(reversed(sizes.items())), parts) == by_size(sizes, parts)


def test_parts_are_about_equally_large():
    sizes = {f"f{number:02}": size for number, size in enumerate([100, 1, 1, 50, 49, 98, 2, 99, 0, 0])}
    weights = [sum(sizes[url] for url in urls) for urls in by_size(sizes, 4)]

    assert max(weights) - min(weights) <= 2


whole_numbers = st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=50)
days = st.lists(st.dates(date(1990, 1, 1), date(2040, 1, 1)), min_size=1, max_size=50)
SPAN = [datetime(year, 1, 1) for year in (1990, 2040)]  # noqa: DTZ001 - Hypothesis adds the zones
times = st.lists(st.datetimes(*SPAN), min_size=1, max_size=50)
times_in_a_zone = st.lists(st.datetimes(*SPAN, timezones=st.timezones()), min_size=1, max_size=50)


@given(keys=whole_numbers | days | times | times_in_a_zone, parts=st.integers(1, 40))
def test_every_key_is_in_exactly_one_range(keys, parts):
    cut = ranges(found(keys), parts, "key")

    assert 1 <= len(cut) <= parts
    for key in keys:
        assert sum(each["first"] <= key < each["end"] for each in cut) == 1
    assert all(one["end"] == other["first"] for one, other in pairwise(cut))


@given(first=st.integers(0, 10**9), width=st.integers(10**5, 10**9), parts=st.integers(2, 40))
def test_ranges_of_numbers_are_equally_wide(first, width, parts):
    widths = [each["end"] - each["first"] for each in ranges(found([first, first + width]), parts, "key")]

    assert len(widths) == parts
    assert max(widths) - min(widths) <= 1


def test_ranges_end_at_round_values_rather_than_at_real_keys():
    cut = ranges(found([123_456_789, 987_654_321]), 4, "customer_no")

    assert cut[0]["first"] % 864_197 == 0
    assert cut[0]["first"] <= 123_456_789
    assert cut[-1]["end"] > 987_654_321


def test_ranges_of_times_are_whole_seconds_in_utc_where_they_have_a_zone():
    seoul = datetime(2026, 1, 1, tzinfo=UTC).astimezone()
    cut = ranges(found([seoul, seoul + timedelta(days=2, microseconds=5)]), 2, "at")

    assert cut[0] == {"first": datetime(2026, 1, 1, tzinfo=UTC), "end": cut[1]["first"]}
    assert all(value.tzinfo is UTC and not value.microsecond for each in cut for value in each.values())


def test_a_decimal_without_a_fraction_is_a_whole_number():
    assert ranges(found([Decimal(1), Decimal(4)]), 2, "id") == [{"first": 1, "end": 3}, {"first": 3, "end": 5}]


def test_a_table_without_rows_has_no_ranges():
    assert ranges(found([]), 4, "id") == []


def test_rows_without_a_key_are_not_lost_in_silence():
    with pytest.raises(BluxSourceError, match=r"^2 rows have no id \(NULL\)"):
        ranges(found([1, None, 2, None]), 4, "id")


@pytest.mark.parametrize("key", ["00123", 1.5, Decimal("1.5"), True])
def test_a_key_whose_ranges_would_show_values_is_refused_without_showing_one(key):
    with pytest.raises(BluxConfigError, match="ranges can be cut of a whole number, a date or a time") as raised:
        ranges(found([key]), 4, "user_id")

    assert str(key) not in str(raised.value)


@pytest.mark.parametrize("parts", [0, -1, True, 2.0, "4", None])
def test_a_number_of_parts_that_is_none_is_refused(parts):
    for cut in (lambda: by_size({"a": 1}, parts), lambda: ranges(found([1]), parts, "id")):
        with pytest.raises(BluxConfigError, match="parts must be a whole number"):
            cut()


@pytest.mark.parametrize(
    "name", ["orders", "shop.orders", '"Order Lines"', '"shop"."Orders"', "`shop`.`orders`", "주문"]
)
def test_a_table_is_named_as_the_database_takes_it(name):
    assert statement(name, "id").endswith(f" FROM {name}")


@pytest.mark.parametrize("name", ["", "orders; DROP TABLE users", "orders o", "(SELECT 1)", "1st", "a.", None, 'a"b'])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(BluxConfigError, match="table must be the name of a table"):
        statement(name, "id")
    with pytest.raises(BluxConfigError, match="key must be the name of a key"):
        statement("orders", name)

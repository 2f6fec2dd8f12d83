"""Parts of a big source: each record is in exactly one part, and the same source gives the same parts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_blux.backfill import by_size, ranges, statement
from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError

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
FIRST, LAST = date.min + timedelta(days=1), date.max - timedelta(days=1)
days = st.lists(st.dates(date(1990, 1, 1), date(2040, 1, 1)) | st.dates(FIRST, LAST), min_size=1, max_size=50)
# Without a zone, which Hypothesis adds.
SPANS = [[datetime(1990, 1, 1), datetime(2040, 1, 1)], [datetime(1, 1, 2), datetime(9999, 12, 30, 23, 59, 59)]]  # noqa: DTZ001
times = st.one_of(st.lists(st.datetimes(*span), min_size=1, max_size=50) for span in SPANS)
times_in_a_zone = st.one_of(
    st.lists(st.datetimes(*span, timezones=st.timezones()), min_size=1, max_size=50) for span in SPANS
)


def moment(bound):
    return datetime.fromisoformat(bound) if isinstance(bound, str) else bound


@given(keys=whole_numbers | days | times | times_in_a_zone, parts=st.integers(1, 40))
def test_every_key_is_in_exactly_one_range(keys, parts):
    cut = ranges(found(keys), parts, "key")

    assert 1 <= len(cut) <= parts
    for key in keys:
        assert sum(moment(each["first"]) <= key < moment(each["end"]) for each in cut) == 1
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


@pytest.mark.parametrize("zone", [UTC, None])
def test_ranges_of_times_end_at_round_values_rather_than_at_real_keys(zone):
    registered, last = datetime(2026, 3, 1, 1, 2, 3, tzinfo=zone), datetime(2026, 6, 9, 10, 11, 12, tzinfo=zone)
    outer = ranges(found([registered, last]), 4, "registered_at")
    first, end = outer[0]["first"], outer[-1]["end"]
    if zone is None:
        first, end = datetime.fromisoformat(first), datetime.fromisoformat(end)

    assert registered - timedelta(hours=3) < first < registered
    assert last < end < last + timedelta(hours=3)


def test_ranges_of_times_are_whole_seconds_in_utc_where_they_have_a_zone():
    seoul = datetime(2026, 1, 1, tzinfo=UTC).astimezone()
    cut = ranges(found([seoul, seoul + timedelta(days=2, microseconds=5)]), 2, "at")

    assert cut[0] == {"first": datetime(2026, 1, 1, tzinfo=UTC), "end": cut[1]["first"]}
    assert all(value.tzinfo is UTC and not value.microsecond for each in cut for value in each.values())


def test_times_without_a_zone_are_text_which_no_zone_of_a_worker_moves():
    night = datetime(2024, 3, 10, 2, 30)  # noqa: DTZ001 - an hour that New York did not have

    assert ranges(found([night, night + timedelta(seconds=1)]), 2, "at") == [
        {"first": "2024-03-10T02:30:00", "end": "2024-03-10T02:30:01"},
        {"first": "2024-03-10T02:30:01", "end": "2024-03-10T02:30:02"},
    ]


@pytest.mark.parametrize(
    "keys",
    [
        [date(2020, 1, 1), date.max],
        [date.min, date(2020, 1, 1)],
        [datetime(2020, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
        [datetime(1, 1, 1), datetime(2020, 1, 1)],  # noqa: DTZ001 - as a column without a zone has them
        [datetime.min.replace(hour=5, tzinfo=timezone(timedelta(hours=9))), datetime(2020, 1, 1, tzinfo=UTC)],
    ],
)
def test_a_key_of_the_first_or_the_last_day_that_there_is_is_refused_with_the_way_out(keys):
    with pytest.raises(BluxSourceError, match=r"^valid_to holds 0001-01-01 or 9999-12-31, .* cut by another column"):
        ranges(found(keys), 4, "valid_to")


def test_round_values_beyond_the_days_that_there_are_are_cut_to_them():
    cut = ranges(found([FIRST, LAST]), 3, "day")

    assert (cut[0]["first"], cut[-1]["end"]) == (date.min, date.max)


def test_a_decimal_without_a_fraction_is_a_whole_number():
    assert ranges(found([Decimal(1), Decimal(4)]), 2, "id") == [{"first": 1, "end": 3}, {"first": 3, "end": 5}]


def test_a_table_without_rows_has_no_ranges():
    assert ranges(found([]), 4, "id") == []


def test_rows_without_a_key_are_not_lost_in_silence():
    with pytest.raises(BluxSourceError, match=r"^id is NULL in 2 of 4 rows"):
        ranges(found([1, None, 2, None]), 4, "id")


@pytest.mark.parametrize("key", ["00123", 1.5, Decimal("1.5"), True])
def test_a_key_whose_ranges_would_show_values_is_refused_without_showing_one(key):
    with pytest.raises(BluxConfigError, match="ranges can be cut only by a whole number, a date or a time") as raised:
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
    with pytest.raises(BluxConfigError, match="key must be the name of a column"):
        statement("orders", name)

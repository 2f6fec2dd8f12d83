"""``max_users``: no more users are deleted than the DAG author allows."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.delivery.settings import MAX_USERS
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxGuardError, BluxSourceError, BluxStopped
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.sources.rows import TableRow


def test_the_guard_lets_exactly_max_users_pass(blux_emulator: Emulator) -> None:
    report = BluxHook().delete_users(["a", "b", "b", {"user_id": "a"}], max_users=2)

    assert (report.delivered, report.merged) == (2, 2)
    assert BluxHook().delete_users(["a", "a"], max_users=1).merged == 1


@pytest.mark.parametrize("once", [False, True], ids=["a list", "a generator"])
def test_the_guard_stops_before_anything_is_sent(blux_emulator: Emulator, once: bool) -> None:
    ids = ["a", "b", "c"]

    with pytest.raises(BluxGuardError, match="More than 2 different users would be deleted; this try sent nothing"):
        BluxHook().delete_users(iter(ids) if once else ids, max_users=2)
    assert blux_emulator.requests() == []


def test_a_generator_below_the_bound_is_deleted_in_full(blux_emulator: Emulator) -> None:
    assert BluxHook().delete_users((name for name in "abc"), max_users=3).delivered == 3


def test_the_guard_reads_no_further_than_it_must(blux_emulator: Emulator) -> None:
    read: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            read.append(str(len(read)))
            yield read[-1]

    with pytest.raises(BluxGuardError):
        BluxHook().delete_users(endless(), max_users=10)
    assert len(read) == 11


def test_the_guard_can_be_switched_off_and_has_a_default(blux_emulator: Emulator) -> None:
    assert BluxHook().delete_users(["a", "b"], max_users=None).delivered == 2
    with pytest.raises(BluxGuardError, match="More than 100,000 different users"):
        BluxHook().delete_users(range(MAX_USERS + 1))


@pytest.mark.parametrize("bound", [0, -1, True, 1.0, "5"])
def test_a_bound_that_is_no_whole_number_is_refused(blux_emulator: Emulator, bound: Any) -> None:
    with pytest.raises(BluxConfigError, match="max_users must be a whole number of at least 1, or None"):
        BluxHook().delete_users([], max_users=bound)


@pytest.mark.parametrize("row_type", [dict, TableRow])
def test_the_guard_counts_the_ids_of_a_mapped_column(blux_emulator: Emulator, row_type: type[dict[str, Any]]) -> None:
    rows = [row_type({"customer": name, "reason": "left"}) for name in "abc"]
    mapping = {"customer": "user_id"}

    with pytest.raises(BluxGuardError, match="More than 2 different users would be deleted; this try sent nothing"):
        BluxHook().delete_users(rows, max_users=2, field_mapping=mapping)
    assert blux_emulator.requests() == []
    assert BluxHook().delete_users(rows, max_users=3, field_mapping=mapping).delivered == 3


def test_a_wrong_shaping_argument_is_refused_before_anything_is_counted(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxConfigError, match="there is no field 'grade' here, only user_id"):
        BluxHook().delete_users(["a"], field_mapping={"customer": "grade"})


def test_a_source_that_grows_while_it_is_read_again_does_not_get_past_the_guard(blux_emulator: Emulator) -> None:
    class Growing:
        """A source of fifty users at the first reading, then of ten thousand."""

        def __init__(self) -> None:
            self.reads = 0

        def __iter__(self) -> Iterator[str]:
            self.reads += 1
            return (str(number) for number in range(50 if self.reads == 1 else 10_000))

    with pytest.raises(BluxGuardError, match="grown since it was counted"):
        BluxHook().delete_users(Growing(), max_users=100, batch_size=50)

    assert blux_emulator.counts()["deleted_users"] <= 100


class Counted:
    """Ids that can be read several times; counts the ids of each reading."""

    def __init__(self, *readings: list[str]) -> None:
        self._readings = readings
        self.read: list[int] = []

    def __iter__(self) -> Iterator[str]:
        reading = len(self.read)
        self.read.append(0)
        for user_id in self._readings[min(reading, len(self._readings) - 1)]:
            self.read[reading] += 1
            yield user_id


def test_where_records_are_no_more_than_users_are_allowed_they_are_read_once_to_count_and_once_to_delete(
    blux_emulator: Emulator,
) -> None:
    ids = Counted(["a", "b", "b"])

    assert BluxHook().delete_users(ids, max_users=3).read == 3
    assert ids.read == [3, 3]


@pytest.mark.parametrize("max_users", [2, 10])
def test_what_is_empty_once_it_is_counted_is_no_success(blux_emulator: Emulator, max_users: int) -> None:
    class Cursor:
        """Goes on where the reading before stopped, although it is no iterator."""

        def __init__(self) -> None:
            self._rows = iter(["a", "b", "c"])

        def __iter__(self) -> Iterator[str]:
            return self._rows

    with pytest.raises(BluxSourceError, match=r"3 records when .* has none now, so nobody was deleted.* pass list\("):
        BluxHook().delete_users(Cursor(), max_users=max_users)


def test_users_are_counted_only_where_there_are_more_records(blux_emulator: Emulator) -> None:
    ids = Counted(["a", "b", "b", "a", "b"])

    report = BluxHook().delete_users(ids, max_users=2)

    assert (report.delivered, report.merged) == (2, 3)
    assert ids.read == [5, 5, 5]


def test_the_message_says_how_many_records_there_are(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxGuardError, match="this try sent nothing; the source names 3 users in 4 records"):
        BluxHook().delete_users(["a", "b", "c", "b"], max_users=2)


@pytest.mark.parametrize(
    "readings",
    [(["a"], ["a", "b", "c"]), (["a"] * 3, ["a"] * 3, ["a", "b", "c"])],
    ids=["more records", "other users"],
)
def test_what_changes_between_the_two_readings_does_not_get_past_the_guard(
    blux_emulator: Emulator, readings: tuple[list[str], ...]
) -> None:
    with pytest.raises(BluxGuardError, match="grown since it was counted"):
        BluxHook().delete_users(Counted(*readings), max_users=2, batch_size=1)

    assert blux_emulator.counts()["deleted_users"] <= 2


def test_records_that_have_become_more_are_not_called_users(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxGuardError, match="to more than 2 records") as caught:
        BluxHook().delete_users(Counted(["a"], ["a", "a", "a"]), max_users=2)

    assert "different users would be deleted" not in str(caught.value)
    assert BluxHook().delete_users(["a", "a", "a"], max_users=2).delivered == 1


def test_records_that_are_rejected_are_no_users(blux_emulator: Emulator, tmp_path: Path) -> None:
    ids = ["a", "", " b", None, 1.5, "c"]

    report = BluxHook().delete_users(ids, max_users=2, max_rejects=4, rejects_path=str(tmp_path))

    assert (report.delivered, report.rejected) == (2, 4)


def test_a_stop_takes_effect_while_records_are_counted(blux_emulator: Emulator) -> None:
    hook = BluxHook()

    class Stopping(Counted):
        def __iter__(self) -> Iterator[str]:
            for number, user_id in enumerate(super().__iter__()):
                if number == 2:
                    hook.stop()
                yield user_id

    ids = Stopping([str(number) for number in range(100)])
    with pytest.raises(BluxStopped, match="this try sent nothing"):
        hook.delete_users(ids, max_users=1000)

    assert ids.read == [3]
    assert blux_emulator.requests() == []


def test_one_object_for_each_record_of_a_generator_is_no_fault(blux_emulator: Emulator) -> None:
    def rows() -> Iterator[dict[str, str]]:
        row: dict[str, str] = {}
        for name in "abc":
            row["user_id"] = name
            yield row

    assert BluxHook().delete_users(rows(), max_users=3).delivered == 3


def test_a_single_row_of_a_database_is_no_list_of_ids(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxConfigError, match=r"^records is of type row; it must be an iterable of records"):
        BluxHook().delete_users(namedtuple("row", "user_id name")("u", "john"))
    assert not blux_emulator.requests()

"""Counts of the reasons for records that were not delivered."""

from __future__ import annotations

import json

from airflow_provider_blux.delivery.reasons import Reasons, in_words
from airflow_provider_blux.delivery.report import Report, summary


def test_what_differs_by_a_position_only_is_one_reason() -> None:
    reasons = Reasons()
    for number in range(1, 1001):
        reasons.add(f"tags[{number}].name", f'Blux refused it (400): "users[{number}] is refused"')
        reasons.add(None, f"line {number:,} of a b.csv has {number} cells, the header has 3")
        reasons.add(None, f"no: request 0b7c9f0e-1111-4222-8333-{number:012} failed")

    assert reasons.most_frequent() == [
        {"field": None, "reason": "line … of a b.csv has … cells, the header has 3", "number": 1000},
        {"field": None, "reason": "no: request … failed", "number": 1000},
        {"field": "tags[…].name", "reason": 'Blux refused it (400): "users[…] is refused"', "number": 1000},
    ]


def test_the_most_frequent_come_first_and_the_numbers_add_up_however_many_there_are() -> None:
    reasons = Reasons()
    for number in range(1, 41):
        reasons.add("grade", f"reason {'x' * number}", number)
    for number in range(5000):
        reasons.add("grade", f"another {'y' * (number % 99)} {number}")

    found = reasons.most_frequent()

    assert found is not None
    assert [one["number"] for one in found[:19]] == [*range(40, 21, -1)]
    assert (len(found), found[-1]["field"], found[-1]["reason"]) == (20, None, "other reasons")
    assert sum(one["number"] for one in found) == sum(range(1, 41)) + 5000
    assert len(json.dumps(reasons.counted())) < 20_000


def test_twenty_reasons_are_all_named() -> None:
    reasons = Reasons([("grade", "x" * number, 1) for number in range(20)])

    assert "other reasons" not in str(reasons.most_frequent())
    assert Reasons().most_frequent() is None


def test_a_long_reason_is_cut_off() -> None:
    reasons = Reasons([(None, "x" * 1000, 1)])

    assert [len(one["reason"]) for one in reasons.most_frequent() or []] == [200]


def test_what_is_counted_passes_through_a_checkpoint() -> None:
    reasons = Reasons([("grade", "is wrong", 2), (None, "is gone", 1)])

    assert Reasons(json.loads(json.dumps(reasons.counted()))).most_frequent() == reasons.most_frequent()


def test_reports_of_mapped_tasks_have_one_list_of_reasons() -> None:
    def report(number: int, reason: str) -> dict[str, object]:
        one = Report(read=number, rejected=number, reasons=Reasons([("grade", reason, number)]).most_frequent())
        return json.loads(json.dumps(one.as_dict()))

    whole = summary([report(1, "a"), report(2, "b"), report(3, "a"), Report().as_dict()])

    assert whole["reasons"] == [
        {"field": "grade", "reason": "a", "number": 4},
        {"field": "grade", "reason": "b", "number": 2},
    ]
    assert summary([Report().as_dict()])["reasons"] is None


def test_reasons_in_words() -> None:
    reasons = [{"field": "phone_number", "reason": "is a number", "number": 1812}]
    reasons += [{"field": None, "reason": "is gone", "number": 1}]

    assert in_words(reasons) == ["phone_number: is a number ... 1,812 times", "is gone ... 1 time"]

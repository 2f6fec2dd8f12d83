"""How the reports of many tasks become one."""

from __future__ import annotations

import pytest

from airflow_provider_blux.delivery.report import Report, summary
from airflow_provider_blux.exceptions import BluxError


def test_the_reports_of_many_tasks_add_up_to_one():
    one = Report(read=3, delivered=2, rejected=1, requests=2, seconds=0.0004, rejects=["a"], records_per_second=7.0)
    two = Report(read=4, delivered=3, merged=1, requests=1, retries=1, seconds=1.0, receipts=["b"], validate_only=True)

    whole = summary([one.as_dict(), two.as_dict()])

    assert {name: value for name, value in whole.items() if value} == {
        "tasks": 2,
        "read": 7,
        "delivered": 5,
        "rejected": 1,
        "merged": 1,
        "requests": 3,
        "retries": 1,
        "seconds": 1.0,
        "rejects": ["a"],
        "receipts": ["b"],
        "validate_only": True,
    }
    assert {"records_per_second", "rate_limit"}.isdisjoint(whole)
    assert summary([Report().as_dict()])["rejects"] is None


@pytest.mark.parametrize(("absent", "whole"), [([None, 3, 0, 4], 7), ([0, None], 0), ([None, None], None)])
def test_the_missing_users_of_the_tasks_that_know_them_are_added(absent, whole):
    assert summary([Report(absent=number).as_dict() for number in absent])["absent"] == whole


def test_a_task_whose_counts_do_not_add_up_is_not_hidden_by_the_others():
    too_few, too_many = Report(read=3, delivered=2), Report(read=3, delivered=4)

    with pytest.raises(BluxError, match="counts of a task do not add up"):
        summary([too_few.as_dict(), too_many.as_dict()])

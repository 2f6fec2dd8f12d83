"""The links of a task on Airflow's pages, as its REST API returns them."""

from __future__ import annotations

import re

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.conftest import DOCUMENTATION
from tests.airflow.scheduler import Scheduler

BUCKET = "https://console.cloud.google.com/storage/browser/_details/crm"
WRONG, RIGHT = {"user_id": 1.5}, {"user_id": "a"}


@pytest.mark.parametrize(
    ("users", "state", "page"),
    [
        ([RIGHT, WRONG], "success", "operators/users.html"),
        ([RIGHT, WRONG, WRONG], "failed", "troubleshooting.html#records-that-are-rejected"),
    ],
)
def test_a_task_with_rejects_has_a_link_to_them_whether_it_succeeds_or_fails(
    scheduler: Scheduler, blux: Emulator, users: list[object], *, state: str, page: str
) -> None:
    run = scheduler.run("linked_rejects", users=users)
    assert run.state == state, run.log
    links = scheduler.rest.links(run, "deliver")

    assert re.fullmatch(rf"{BUCKET}/rejects/linked_rejects/linked_rejects__deliver__.*\.jsonl", links["Rejects"])
    assert (links["Receipts"], links["Documentation"]) == (None, f"{DOCUMENTATION}/{page}")


def test_each_task_instance_of_a_mapped_task_has_links_of_its_own(scheduler: Scheduler, blux: Emulator) -> None:
    run = scheduler.run("linked_mapped")
    good, bad = (scheduler.rest.links(run, "deliver", map_index) for map_index in (0, 1))

    assert (run.task("deliver", 0).state, run.task("deliver", 1).state) == ("success", "failed"), run.log
    assert (good["Rejects"], good["Documentation"]) == (None, f"{DOCUMENTATION}/operators/users.html")
    assert re.fullmatch(rf"{BUCKET}/rejects/linked_mapped/.*__1__[0-9a-f]+__try1\.part00000001\.jsonl", bad["Rejects"])


def test_a_deletion_has_a_link_to_its_receipts(scheduler: Scheduler, blux: Emulator) -> None:
    run = scheduler.run("linked_receipts")
    assert run.state == "success", run.log
    links = scheduler.rest.links(run, "deliver")

    assert re.fullmatch(rf"{BUCKET}/receipts/.*__receipts\.part00000001\.jsonl", links["Receipts"])
    assert (links["Rejects"], links["Documentation"]) == (None, f"{DOCUMENTATION}/operators/deletions.html")


def test_a_task_that_blux_refuses_has_a_link_to_the_page_of_its_error(scheduler: Scheduler, blux: Emulator) -> None:
    run = scheduler.run("linked_failure")
    assert run.state == "failed", run.log
    assert "is missing" not in run.log

    assert scheduler.rest.links(run, "deliver") == {
        "Documentation": f"{DOCUMENTATION}/troubleshooting.html#what-blux-answers",
        "Receipts": None,
        "Rejects": None,
    }

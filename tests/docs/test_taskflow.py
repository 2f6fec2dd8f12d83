"""docs/taskflow.md is correct, and its snippets run as shown."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_blux.delivery.settings import MAX_USERS
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxUnavailable
from airflow_provider_blux.get_provider_info import get_provider_info
from tests.docs.project import BUCKETS
from tests.docs.readme import ROOT, Readme, names
from tests.operators.pipeline import rendered

try:
    from airflow.dag_processing.dagbag import DagBag  # 3.2 and later
except ImportError:
    from airflow.models.dagbag import DagBag

PAGE = Readme("docs/taskflow.md")
HEAD = """
from datetime import datetime
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task
from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.types import Run

def scores_of(day):
    return [("001", day), ("002", day)]

def customers_of(shop, since):
    return [{"user_id": shop, "since": since}]

def open_requests():
    return [{"user_id": "001"}, {"user_id": "004"}]

def grades():
    yield {"user_id": "003", "grade": "gold"}

def visits():
    return [{"user_id": str(number), "name": "visit"} for number in range(2_000)]

with DAG("page", schedule=None, start_date=datetime(2026, 1, 1)):
"""


@pytest.fixture
def page(blux_emulator: Emulator, tmp_path: Path) -> Any:
    """The DAG of all snippets."""
    code = HEAD + textwrap.indent("\n".join(block.code for block in PAGE.code("python")), "    ")
    for bucket, folder in BUCKETS.items():
        code = code.replace(bucket, (tmp_path / folder).as_uri())
    file = tmp_path / "page.py"
    file.write_text(code, "utf-8")
    bag = DagBag(str(file))
    assert bag.import_errors == {}
    return bag.dags["page"]


def test_every_snippet_is_a_task_or_more(page: Any) -> None:
    assert set(page.task_ids) == {
        *("send_scores", "shops", "send_customers", "dry_run", "delete_users", "send_grades", "send_visits"),
    }
    assert page.get_task("send_customers").upstream_task_ids == {"shops"}


def test_the_snippets_do_what_they_say(page: Any, blux_emulator: Emulator) -> None:
    scores = rendered(page.get_task("send_scores"), ds="2026-01-31").execute({})
    dry_run = rendered(page.get_task("dry_run")).execute({"ds": "2026-01-31"})
    deleted = rendered(page.get_task("delete_users")).execute({})
    grades = page.get_task("send_grades").python_callable()

    assert [report["delivered"] for report in (scores, deleted, grades)] == [2, 2, 1]
    assert (dry_run["valid"], dry_run["requests"]) == (1, 0)
    assert set(blux_emulator.deleted_users()) == {"001", "004"}


def test_the_retry_of_the_hook_with_a_run_and_a_folder_continues(page: Any, blux_emulator: Emulator) -> None:
    blux_emulator.fault(kind="status", status=503, headers={"Retry-After": "86400"}, skip=1)
    ids = {"dag_id": "page", "run_id": "r", "task_id": "send_visits", "map_index": -1}
    with pytest.raises(BluxUnavailable):
        page.get_task("send_visits").python_callable(ti=SimpleNamespace(**ids, try_number=1))
    blux_emulator.clear_faults()

    report = page.get_task("send_visits").python_callable(ti=SimpleNamespace(**ids, try_number=2))

    assert (report["delivered"], report["resumed"]) == (2_000, 1_000)


def test_the_decorators_are_those_that_are_registered() -> None:
    shown = {names(row[0])[0]: names(row[1])[0] for row in PAGE.table_of("@task.blux_upsert_users")}

    assert set(shown) == {f"@task.{entry['name']}" for entry in get_provider_info()["task-decorators"]}
    for decorator, kind in shown.items():
        made = getattr(task, decorator.removeprefix("@task."))(list, task_id="t")().operator
        assert kind in {base.__name__ for base in type(made).__mro__}


def test_the_guard_is_the_one_of_the_code() -> None:
    assert f"{MAX_USERS:,} ids" in " ".join(PAGE.prose.split())


@pytest.mark.parametrize("link", [link.partition("#")[0] for link in PAGE.links])
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()

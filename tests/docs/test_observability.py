"""docs/observability.md and docs/metrics.md are correct."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AssetAlias

from airflow_provider_blux.api.endpoints import OPERATIONS, endpoints_for
from airflow_provider_blux.assets import blux as assets
from airflow_provider_blux.delivery.progress import Progress
from airflow_provider_blux.delivery.report import OUTCOMES, Report
from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.hooks import observability
from airflow_provider_blux.hooks.observability import KEY, TaskStateDisplay
from airflow_provider_blux.operators import blux as operators
from tests.docs.readme import ROOT, Readme, names

try:
    from airflow.dag_processing.dagbag import DagBag  # 3.2 and later
except ImportError:
    from airflow.models.dagbag import DagBag

PAGE, METRICS = Readme("docs/observability.md"), Readme("docs/metrics.md")


class Held(dict[str, Any]):
    """A task state store with the methods of Airflow's."""

    set = dict.__setitem__


def test_the_table_of_assets_is_that_of_the_code() -> None:
    rows = [[names(cell)[0] for cell in row] for row in PAGE.table_of("blux://{application}/users")]
    shown = {
        getattr(operators, operator).operation: (
            uri,
            getattr(assets, re.sub(r"blux\.|\(.*", "", call))("{application}").uri,
        )
        for uri, operator, call in rows
    }

    assert shown == {
        operation: (f"blux://{{application}}/{kind}", f"blux://%7Bapplication%7D/{kind}")
        for operation, kind in assets.KINDS.items()
    }
    assert set(shown) == set(OPERATIONS)


def test_the_dags_are_parsed_and_the_one_waits_for_the_other(tmp_path: Path) -> None:
    dags, _ = PAGE.code("python")
    file = tmp_path / "dags.py"
    file.write_text(dags.code, "utf-8")
    bag = DagBag(str(file))

    assert bag.import_errors == {}
    (outlet,) = bag.dags["send_users"].get_task("send").outlets
    assert outlet == assets.users("my-app")
    timetable: Any = bag.dags["after_users"].timetable
    condition = getattr(timetable, "asset_condition", None) or timetable.dataset_condition  # as Airflow 2 calls it
    assert list(condition.objects) == [outlet]


def test_the_snippet_makes_the_task_that_it_shows() -> None:
    shown: dict[str, Any] = {}
    exec(f"task = {PAGE.code('python')[1].code}", {**vars(operators), "AssetAlias": AssetAlias}, shown)  # noqa: S102

    assert shown["task"].outlets == [AssetAlias("crm-users")]


def test_the_table_of_metrics_names_all_that_are_sent() -> None:
    source = inspect.getsource(observability.Metrics)
    counted = re.findall(r'(?:_count\(|Stats\.timing, )standing, "(\w+)"', source)
    rows = METRICS.table_of("blux.records")

    assert {names(row[0])[0] for row in rows} == {f"blux.{name}" for name in counted}
    assert {*OUTCOMES, "valid"} <= set(names(rows[0][2]))
    assert observability.NO_ANSWER in names(rows[1][2])
    assert {"api", "operation"} <= set(names(rows[3][2]))


def test_the_progress_that_is_shown_has_the_keys_of_the_task_state() -> None:
    endpoint, held, now = endpoints_for("upsert_users", "application")[0], Held(), [0.0]
    report = Report()
    watchers = [TaskStateDisplay(held, 1)]
    progress = Progress(endpoint, report, Traffic(), total=100_000, watchers=watchers, clock=lambda: now[0])
    report.read, report.delivered, report.rejected, now[0] = 20_000, 19_980, 20, 10.1
    progress.log_if_due()
    (shown,) = PAGE.code("json")

    assert list(json.loads(shown.code)) == list(held[KEY])
    assert {f"`{KEY}`"} == set(re.findall(rf"`{KEY}`", PAGE.prose))


def test_every_file_that_is_linked_exists() -> None:
    linked = [link.partition("#")[0] for link in PAGE.links if "://" not in link]

    assert [link for link in linked if not (ROOT / "docs" / link).exists()] == []

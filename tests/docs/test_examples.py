"""The Python in the README and in the guides for each kind of record runs as shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxSourceError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.hooks.connection_form import APPLICATION_API_URL
from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator
from tests.docs.project import (
    DAY,
    EXAMPLES,
    RECEIPT_KEY,
    write_examples,
    write_exports,
    write_quick_start,
    write_warehouse,
)
from tests.docs.readme import BOTH, ENGLISH

try:
    from airflow.dag_processing.dagbag import DagBag  # 3.2 and later
except ImportError:
    from airflow.models.dagbag import DagBag


def parsed(file: Path, dag_id: str) -> Any:
    """Return a DAG as Airflow reads it from its file."""
    bag = DagBag(str(file))
    assert bag.import_errors == {}
    return bag.dags[dag_id]


@pytest.fixture
def examples(blux_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The DAG with all examples; their source data exists."""
    connection = blux_emulator.connection()
    connection["extra"]["receipt_key"] = RECEIPT_KEY
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", write_warehouse(tmp_path / "warehouse.db"))
    write_exports(tmp_path)
    write_examples(tmp_path / "examples.py", tmp_path)
    return parsed(tmp_path / "examples.py", "examples")


def executed(examples: Any, task_id: str) -> dict[str, Any]:
    task = examples.get_task(task_id)
    task.render_template_fields({"ds": DAY})
    report: dict[str, Any] = task.execute({})
    return report


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for readme in BOTH for block in readme.blocks} == {"python", "bash", "json"}
    assert {block.file for block in ENGLISH.code("python")} == {"dags/crm.py"}
    assert len(ENGLISH.code("json")) == 1


def test_the_first_dag_delivers_its_users(blux_emulator: Emulator, tmp_path: Path) -> None:
    write_quick_start(tmp_path)
    report = parsed(tmp_path / "dags", "crm").get_task("send_users").execute({})

    assert (report["read"], report["delivered"]) == (2, 2)
    assert blux_emulator.user("00123") == json.loads(ENGLISH.code("json")[0].code)


def test_the_examples_are_one_task_each(examples: Any) -> None:
    assert set(examples.task_ids) == {
        "send_customers",
        "send_members",
        "send_app_users",
        "fetch_grades",
        "send_grades",
        "send_levels",
        "send_scores",
        "delete_users",
        "send_events",
        "send_devices",
    }
    assert examples.get_task("send_grades").upstream_task_ids == {"fetch_grades"}
    assert len(EXAMPLES) == len(examples.tasks)  # one more block for the imports, one less for two tasks in one


def test_users_from_sql(examples: Any, blux_emulator: Emulator) -> None:
    assert executed(examples, "send_customers")["delivered"] == 3
    assert blux_emulator.user("201") == {
        "user_id": "201",
        "user_properties": {"phone_number": "01011112222", "marketing_notification_sms_consent": True},
        "custom_user_properties": {"grade": "gold"},
    }
    assert blux_emulator.user("203") == {"user_id": "203", "user_properties": {}, "custom_user_properties": {}}


def test_users_from_files(examples: Any, blux_emulator: Emulator) -> None:
    assert executed(examples, "send_members")["delivered"] == 3
    assert blux_emulator.user("00301") == {
        "user_id": "00301",
        "user_properties": {"phone_number": "01033334444", "marketing_notification_sms_consent": True},
        "custom_user_properties": {"grade": "gold"},
    }
    assert blux_emulator.user("00302")["user_properties"] == {"marketing_notification_sms_consent": False}
    assert blux_emulator.user("00303")["user_properties"] == {}


def test_users_from_python(examples: Any, blux_emulator: Emulator) -> None:
    levels = executed(examples, "send_levels")
    report = examples.get_task("send_scores").python_callable()

    assert (levels["delivered"], levels["requests"]) == (250, 3)
    assert blux_emulator.user("00003")["custom_user_properties"] == {"level": 3, "score": 1.5}
    assert (report["delivered"], report["requests"]) == (250, 3)
    assert set(report) == set(BluxHook().upsert_users([]).as_dict())


def test_deletions(examples: Any, blux_emulator: Emulator) -> None:
    report = executed(examples, "delete_users")

    assert (report["read"], report["delivered"], report["merged"]) == (3, 2, 1)
    assert set(blux_emulator.deleted_users()) == {"00901", "00902"}
    assert BluxHook().accepted_ids(["00901", "00903"], report["receipts"]) == ["00901"]


def test_deleted_users_stay_away(examples: Any, blux_emulator: Emulator, tmp_path: Path) -> None:
    kept_by = examples.get_task("send_app_users").suppression_path
    BluxDeleteUsersOperator(task_id="earlier", user_ids=["00127"], receipts_path=kept_by).execute({})
    report = executed(examples, "send_app_users")

    assert examples.get_task("delete_users").receipts_path == kept_by
    assert (report["read"], report["delivered"], report["suppressed"]) == (3, 1, 2)
    assert set(dict(blux_emulator.users())) == {"00125"}


def test_a_missing_list_of_deleted_users_stops_the_task(examples: Any, tmp_path: Path) -> None:
    (tmp_path / "private" / "receipts" / "earlier.csv").unlink()

    with pytest.raises(BluxSourceError):
        executed(examples, "send_app_users")


def test_events(examples: Any, blux_emulator: Emulator) -> None:
    assert executed(examples, "send_events")["delivered"] == 1
    assert [event["properties"] for event in blux_emulator.events("00123")] == [{"amount": 39000}]


def test_devices(examples: Any, blux_emulator: Emulator) -> None:
    assert executed(examples, "send_devices")["delivered"] == 1
    assert blux_emulator.counts()["devices"] == 1


def test_the_connection_in_the_environment_leads_to_blux(monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(block.code for block in ENGLISH.code("bash") if "YOUR_SECRET_KEY" in block.code)
    name, _, value = line.removeprefix("export ").partition("=")
    monkeypatch.setenv(name, value.strip().strip("'"))
    credentials = BluxHook().credentials

    assert credentials.access["application"].url == APPLICATION_API_URL
    assert not credentials.rate_limits  # a copied example must not slow a delivery down
    assert credentials.receipt_key == RECEIPT_KEY


def test_the_connection_to_the_emulator_is_the_one_that_it_prints() -> None:
    line = next(
        line for block in ENGLISH.code("bash") for line in block.code.splitlines() if "demo-open-api-key" in line
    )
    connection = json.loads(line.partition("=")[2].strip("'"))
    with Emulator() as blux:
        printed = blux.connection_json().replace(blux.url, "http://127.0.0.1:8088")

    assert connection == json.loads(printed)

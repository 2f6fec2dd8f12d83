"""Lineage, outlets and progress of an operator, tested without an Airflow process."""

from __future__ import annotations

import json
import sqlite3
import warnings
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, Asset, AssetAlias

from airflow_provider_blux.assets import blux
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator
from airflow_provider_blux.operators.lineage import files

USERS = [{"user_id": "a"}, {"user_id": "b"}]


class Broken:
    """A part of Airflow that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError

    def __getitem__(self, name: Any) -> Any:
        raise ConnectionError


def outputs_and_inputs(operator: Any) -> tuple[list[Any], list[Any]]:
    lineage = operator.get_openlineage_facets_on_complete(None)
    return lineage.outputs, lineage.inputs


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("/data/users.csv", "file", "/data/users.csv"),
        ("file:///data/*/users.csv", "file", "/data"),
        ("s3://my_aws@bucket/crm/users.csv", "s3://bucket", "crm/users.csv"),
        ("s3://bucket/crm/day=?/part-*.jsonl.gz", "s3://bucket", "crm"),
        ("gs://bucket/crm/", "gs://bucket", "crm"),
        ("s3://bucket/*.csv", "s3://bucket", "/"),
    ],
)
def test_lineage_names_a_file_without_the_connection_and_a_glob_by_its_folder(
    path: str, namespace: str, name: str
) -> None:
    assert [(file.namespace, file.name) for file in files(path)] == [(namespace, name)]


def test_a_task_without_its_connection_has_lineage_too(tmp_path: Path) -> None:
    operator = BluxUpsertUsersOperator(task_id="push", path=f"{tmp_path}/users.csv", blux_conn_id="not_there")
    with pytest.raises(AirflowNotFoundException):
        operator.execute({})

    lineage = operator.get_openlineage_facets_on_failure(None)
    assert [file.name for file in lineage.inputs] == [f"{tmp_path}/users.csv"]
    assert not lineage.outputs


def test_a_database_without_lineage_costs_the_inputs_and_nothing_else(
    blux_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("create table users as select 'a' as user_id")
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
    operator = BluxUpsertUsersOperator(
        task_id="push", sql="select user_id from users order by user_id", sql_conn_id="shop"
    )
    operator.execute({})
    [output], inputs = outputs_and_inputs(operator)

    assert (output.namespace, output.name) == ("blux://demo-app", "users")
    assert inputs == []


def test_all_attributes_of_a_task_that_has_ended_can_be_written_as_json(blux_emulator: Emulator) -> None:
    """OpenLineage does so with ``include_full_task_info``, and writes no event at all if a key is no text."""
    operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a"}])
    operator.execute({})

    assert json.dumps(vars(operator), sort_keys=True, default=str)


def test_a_task_that_never_came_to_its_delivery_has_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps({"conn_type": "blux"}))
    operator = BluxUpsertUsersOperator(task_id="push", path="s3://bucket/users.csv")
    with pytest.raises(Exception, match="has no credentials"):
        operator.execute({})
    outputs, [file] = outputs_and_inputs(operator)

    assert (outputs, file.namespace) == ([], "s3://bucket")


@pytest.mark.skipif(not metadata.version("apache-airflow").startswith("2."), reason="Airflow 3 makes no such asset")
def test_an_outlet_that_may_hold_a_secret_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.warns(UserWarning, match="AIP-60"):
        outlet = Asset("blux://my-app/users?key=s3cr3t")
    with pytest.raises(BluxConfigError, match="must hold no key") as refused:
        BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=[outlet])

    assert "s3cr3t" not in str(refused.value)


@pytest.mark.skipif(not hasattr(Asset, "ref"), reason="Airflow 2 has no names of assets")
@pytest.mark.parametrize("uri", ["blux://my-app:s3cr3t@my-app/users", "blux://my-app/users#s3cr3t"])
def test_an_outlet_whose_name_may_hold_a_secret_is_refused_when_the_dag_is_parsed(uri: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow says that it drops the password from the URI
        outlet = Asset(uri)
    assert "s3cr3t" in outlet.name
    with pytest.raises(BluxConfigError, match="must hold no key") as refused:
        BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=[outlet])

    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("name", ["users of the shop", "blux://my-app/users/"])
def test_an_outlet_in_blux_may_have_another_name(name: str) -> None:
    outlet = Asset(name=name, uri="blux://my-app/users") if hasattr(Asset, "ref") else Asset(uri="blux://my-app/users")

    assert BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=[outlet]).outlets == [outlet]


@pytest.mark.skipif(not hasattr(Asset, "ref"), reason="Airflow 2 has no references to assets")
@pytest.mark.parametrize("by", ["uri", "name"])
def test_an_outlet_that_only_refers_to_an_asset_in_blux_is_refused_when_the_dag_is_parsed(by: str) -> None:
    reference = Asset.ref(**{by: "blux://my-app/users"})
    with pytest.raises(BluxConfigError, match=r"Declare the asset itself, such as Asset\('blux://my-app/users'\)"):
        BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=[reference])

    elsewhere = [Asset.ref(**{by: "file:///data/rejects"}), AssetAlias("blux://any")]
    assert BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=elsewhere).outlets == elsewhere


def test_the_uri_of_an_asset_in_blux_is_no_outlet_as_text() -> None:
    with pytest.raises(BluxConfigError, match=r"Declare the asset itself, such as Asset\('blux://my-app/users'\)"):
        BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=["blux://my-app/users"])


def test_an_outlet_elsewhere_is_the_author_s_own_business() -> None:
    outlets = [Asset("file:///data/rejects"), blux.users("my-app")]

    assert BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=outlets).outlets == outlets


def test_a_task_state_that_cannot_be_reached_does_not_stop_the_delivery(
    blux_emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operator = BluxUpsertUsersOperator(task_id="push", users=USERS, checkpoint_path=str(tmp_path))
    report = operator.execute({"task_state_store": Broken()})

    assert report["delivered"] == 2
    assert "the delivery continues" in caplog.text


@pytest.mark.parametrize(
    ("operation", "uri"),
    [("upsert_users", "blux://demo-app/users"), ("send_events", "blux://demo-project/events")],
)
def test_the_hook_names_the_asset_of_its_connection(blux_emulator: Emulator, operation: Any, uri: str) -> None:
    assert BluxHook().asset(operation).uri == uri


def test_what_airflow_cannot_be_told_does_not_fail_what_is_delivered(blux_emulator: Emulator) -> None:
    operator = BluxUpsertUsersOperator(task_id="push", users=USERS, outlets=[Asset("blux://demo-app/users")])
    report = operator.execute({"outlet_events": Broken()})

    assert report["delivered"] == 2

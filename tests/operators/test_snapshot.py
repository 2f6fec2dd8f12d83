"""Sending only changed records through the operators: every source, and the arguments."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)
from tests.operators.pipeline import dag, rendered

Rows = Sequence[dict[str, Any]]
# Returns the arguments of an operator that reads the rows; its own argument for records is `records`.
Source = Callable[[Rows, Path], dict[str, Any]]
OPERATORS: dict[str, type[BluxOperator]] = {"user_id": BluxUpsertUsersOperator, "device_id": BluxUpdateDevicesOperator}
both_kinds = pytest.mark.parametrize("key", OPERATORS)


def as_list(rows: Rows, _folder: Path) -> dict[str, Any]:
    return {"records": list(rows)}


def as_frame(rows: Rows, _folder: Path) -> dict[str, Any]:
    return {"records": pytest.importorskip("pandas").DataFrame(rows)}


def as_jsonl(rows: Rows, folder: Path) -> dict[str, Any]:
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return {"path": str(folder / "rows.jsonl")}


def as_json(rows: Rows, folder: Path) -> dict[str, Any]:
    (folder / "rows.json").write_text(json.dumps(list(rows)), "utf-8")
    return {"path": str(folder / "rows.json")}


def as_csv(rows: Rows, folder: Path) -> dict[str, Any]:
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return {"path": str(folder / "rows.csv")}


def as_parquet(rows: Rows, folder: Path) -> dict[str, Any]:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(list(rows)), folder / "rows.parquet")
    return {"path": str(folder / "rows.parquet")}


def as_table(rows: Rows, folder: Path) -> dict[str, Any]:
    columns = list(rows[0])
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute("DROP TABLE IF EXISTS rows")
        database.execute(f"CREATE TABLE rows ({', '.join(columns)})")
        values = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO rows VALUES ({values})", [tuple(row.values()) for row in rows])  # noqa: S608
    return {"sql": "SELECT * FROM rows ORDER BY 1", "sql_conn_id": "shop"}


every_source = pytest.mark.parametrize(
    "source", [as_list, as_frame, as_jsonl, as_json, as_csv, as_parquet, as_table], ids=lambda source: source.__name__
)


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ``shop`` to a database."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}))


def ran(kind: type[BluxOperator], given: dict[str, Any], context: Any = None, **arguments: Any) -> dict[str, Any]:
    """Run a task; return its report."""
    named = {kind.records_field if name == "records" else name: value for name, value in given.items()}
    report: dict[str, Any] = kind(task_id="push", **named, **arguments).execute(context or {})
    return report


def rows_of(key: str, values: str = "aaa") -> Rows:
    """Return one user or device for each letter in ``values``; the letter is its ``platform``."""
    return [{key: f"k{number}", "platform": value} for number, value in enumerate(values)]


@every_source
@both_kinds
def test_only_what_has_changed_is_sent_again(blux_emulator: Emulator, tmp_path: Path, source: Source, key: str) -> None:
    counts = []
    for values in ("aaa", "aaa", "aba"):
        report = ran(OPERATORS[key], source(rows_of(key, values), tmp_path), snapshot_path=str(tmp_path / "snapshot"))
        counts.append((report["read"], report["delivered"], report["unchanged"], report["absent"]))

    assert counts == [(3, 3, 0, 0), (3, 0, 3, 0), (3, 1, 2, 0)]


@every_source
def test_who_is_deleted_is_sent_again_with_the_same_row(
    blux_emulator: Emulator, tmp_path: Path, source: Source
) -> None:
    users, snapshot = [{"user_id": f"u{number}"} for number in range(3)], str(tmp_path / "snapshot")
    ran(BluxUpsertUsersOperator, as_list(users, tmp_path), snapshot_path=snapshot)
    deleted = ran(BluxDeleteUsersOperator, source(users[:2], tmp_path), snapshot_path=snapshot)
    report = ran(BluxUpsertUsersOperator, as_list(users, tmp_path), snapshot_path=snapshot)

    assert (deleted["delivered"], deleted["unchanged"], deleted["absent"]) == (2, 0, None)
    assert (report["delivered"], report["unchanged"]) == (2, 1)
    assert blux_emulator.counts()["users"] == 3


@pytest.mark.parametrize("is_open", [False, True])
def test_a_deletion_on_a_damaged_snapshot_names_a_way_out_that_works(
    blux_emulator: Emulator, tmp_path: Path, is_open: bool
) -> None:
    users, snapshot = [{"user_id": f"u{number}"} for number in range(3)], tmp_path / "snapshot"
    arguments: dict[str, Any] = {"snapshot_path": str(snapshot)}
    ran(BluxUpsertUsersOperator, as_list(users, tmp_path), **arguments)
    for file in snapshot.iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(
        AirflowFailException,
        match=r"Run the task that sends these users once with full_refresh=True,.*"
        "then run this one again",
    ):
        ran(BluxDeleteUsersOperator, as_list(users[:1], tmp_path), **arguments)
    assert blux_emulator.counts()["users"] == 3

    ran(BluxUpsertUsersOperator, as_list(users, tmp_path), full_refresh=True, **arguments)
    if is_open:  # then the refresh cannot merge, and leaves what is damaged
        for name in ("0" * 16, "f" * 16):
            (snapshot / f"{name}.000000.snapshot").write_bytes(b"damaged")
    assert ran(BluxDeleteUsersOperator, as_list(users[:1], tmp_path), **arguments)["delivered"] == 1
    assert blux_emulator.counts()["users"] == 2


@both_kinds
def test_a_full_refresh_sends_everything(blux_emulator: Emulator, tmp_path: Path, key: str) -> None:
    rows, options = as_list(rows_of(key), tmp_path), {"snapshot_path": str(tmp_path / "snapshot")}
    ran(OPERATORS[key], rows, **options)

    assert ran(OPERATORS[key], rows, **options, full_refresh=True)["delivered"] == 3
    assert ran(OPERATORS[key], rows, **options)["unchanged"] == 3


@both_kinds
@pytest.mark.parametrize(("allowed", "is_red"), [(1, True), (2, False), (0.5, True), (0.7, False)])
def test_max_absent_makes_a_task_red_that_airflow_does_not_retry(
    blux_emulator: Emulator, tmp_path: Path, key: str, allowed: float, is_red: bool
) -> None:
    rows, options = rows_of(key), {"snapshot_path": str(tmp_path / "snapshot"), "max_absent": allowed}
    ran(OPERATORS[key], as_list(rows, tmp_path), **options)
    if is_red:
        with pytest.raises(AirflowFailException, match="Of 3 in the snapshot, 2 are missing from the source"):
            ran(OPERATORS[key], as_list(rows[:1], tmp_path), **options)
    else:
        assert ran(OPERATORS[key], as_list(rows[:1], tmp_path), **options)["absent"] == 2


@both_kinds
def test_a_dry_run_is_the_plan_of_a_run(blux_emulator: Emulator, tmp_path: Path, key: str) -> None:
    options = {"snapshot_path": str(tmp_path / "snapshot")}
    ran(OPERATORS[key], as_list(rows_of(key), tmp_path), **options)
    files = sorted((tmp_path / "snapshot").iterdir())
    plan = ran(OPERATORS[key], as_list(rows_of(key, "aba"), tmp_path), **options, validate_only=True)

    assert (plan["valid"], plan["unchanged"], plan["requests"]) == (1, 2, 0)
    assert sorted((tmp_path / "snapshot").iterdir()) == files


@pytest.mark.parametrize("key", ["user_id", "device_id"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"full_refresh": True}, "full_refresh needs snapshot_path, the folder of the snapshot"),
        ({"max_absent": 0}, "max_absent needs snapshot_path, the folder of the snapshot"),
        ({"max_absent": 0.5}, "max_absent needs snapshot_path, the folder of the snapshot"),
        ({"snapshot_path": "s", "max_absent": -1}, "max_absent must be a whole number"),
        ({"snapshot_path": "s", "max_absent": 1.5}, "max_absent must be a whole number"),
        ({"snapshot_path": "s", "max_absent": True}, "max_absent must be a whole number"),
        ({"snapshot_path": "s", "max_absent": "5"}, "max_absent must be a whole number"),
        ({"snapshot_path": "s", "full_refresh": None}, "full_refresh must be True or False"),
        ({"snapshot_path": "s", "full_refresh": 1}, "full_refresh must be True or False"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_found_when_the_dag_is_parsed(key: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BluxConfigError, match=words):
        OPERATORS[key](task_id="push", **{OPERATORS[key].records_field: []}, **arguments)


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        *((BluxSendEventsOperator, name) for name in ("snapshot_path", "full_refresh", "max_absent")),
        *((BluxDeleteUsersOperator, name) for name in ("full_refresh", "max_absent")),
    ],
)
def test_what_cannot_be_compared_has_no_such_argument(kind: type[BluxOperator], argument: str) -> None:
    with pytest.raises(Exception, match=argument):
        kind(task_id="push", **{kind.records_field: []}, **{argument: "s"})


@both_kinds
def test_a_mapped_task_takes_no_max_absent(blux_emulator: Emulator, tmp_path: Path, key: str) -> None:
    instance = SimpleNamespace(dag_id="crm", run_id="1", task_id="push", map_index=0, try_number=1)
    options = {"snapshot_path": str(tmp_path / "snapshot"), "checkpoint_path": str(tmp_path / "progress")}
    with pytest.raises(AirflowFailException, match="max_absent does not work in a mapped task"):
        ran(OPERATORS[key], as_list(rows_of(key), tmp_path), {"ti": instance}, **options, max_absent=1)
    assert blux_emulator.requests() == []

    report = ran(OPERATORS[key], as_list(rows_of(key), tmp_path), {"ti": instance}, **options)
    assert (report["delivered"], report["absent"]) == (3, None)


@pytest.mark.parametrize("kind", [*OPERATORS.values(), BluxDeleteUsersOperator])
def test_the_folder_is_a_template(kind: type[BluxOperator]) -> None:
    with dag():
        operator = kind(task_id="push", **{kind.records_field: []}, snapshot_path="s3://b/{{ app }}")

    assert rendered(operator, app="shop").snapshot_path == "s3://b/shop"

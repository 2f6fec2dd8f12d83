"""The arguments for the source of an operator, and sources without records."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, ObjectStoragePath

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)

OPERATORS = [BluxUpsertUsersOperator, BluxDeleteUsersOperator, BluxSendEventsOperator, BluxUpdateDevicesOperator]
any_operator = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.operation)
any_source = pytest.mark.parametrize("source", ["records", "path", "sql"])


def run(kind: type[BluxOperator], **arguments: Any) -> dict[str, Any]:
    return kind(task_id="push", **arguments).execute({})  # type: ignore[arg-type]


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """For each source, arguments that give no records."""
    (tmp_path / "empty.csv").write_text("user_id,name,device_id\n", "utf-8")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE users (user_id TEXT)")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}))
    return {
        "path": {"path": str(tmp_path / "empty.csv")},
        "sql": {"sql": "SELECT user_id FROM users ORDER BY 1", "sql_conn_id": "shop"},
    }


@any_operator
@pytest.mark.parametrize(
    "line",
    ["kim", "kim,01012345678,true", '[{"user_id": "kim"}]', '{"error": "user kim"}', "<html>Log in</html>"],
)
def test_the_one_line_of_a_file_is_no_header_where_it_lacks_the_columns(
    blux_emulator: Emulator, tmp_path: Path, kind: type[BluxOperator], line: str
) -> None:
    (tmp_path / "one.csv").write_text(f"{line}\n", "utf-8")

    with pytest.raises(AirflowFailException, match=r"There is no column .*_id, and every record needs one") as raised:
        run(kind, path=str(tmp_path / "one.csv"))
    assert "kim" not in str(raised.value)
    assert "is the first line missing, which should name them?" in str(raised.value)


def test_a_header_alone_is_an_empty_table_where_its_folder_gives_a_column_that_records_need(
    blux_emulator: Emulator, tmp_path: Path
) -> None:
    for user_id, rows in (("a", "seoul\n"), ("b", "")):
        (tmp_path / f"no={user_id}").mkdir()
        (tmp_path / f"no={user_id}" / "users.csv").write_text(f"city\n{rows}", "utf-8")

    report = run(BluxUpsertUsersOperator, path=str(tmp_path), hive_partitioning=True, field_mapping={"no": "user_id"})

    assert report["delivered"] == report["read"] == 1


@any_operator
@any_source
def test_on_empty_decides_what_follows_where_there_is_no_record(
    blux_emulator: Emulator, nothing: dict[str, dict[str, Any]], kind: type[BluxOperator], source: str
) -> None:
    if source == "sql":
        pytest.importorskip("airflow.providers.sqlite")
    arguments = nothing.get(source) or {kind.records_field: []}

    assert run(kind, **arguments)["read"] == 0
    assert run(kind, on_empty="succeed", **arguments)["read"] == 0
    with pytest.raises(AirflowSkipException, match="has no record"):
        run(kind, on_empty="skip", **arguments)
    with pytest.raises(BluxSourceError, match="has no record"):
        run(kind, on_empty="fail", **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "twice.csv"}, "column 1 has the same name"),
        ({"path": "quotes.csv"}, "is not valid CSV"),
        ({"sql": "SELEKT", "sql_conn_id": "shop"}, "syntax error"),
        ({"sql": "SELECT mail FROM nowhere ORDER BY 1", "sql_conn_id": "shop"}, "no such table"),
    ],
)
def test_what_no_retry_can_cure_fails_at_once(
    blux_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], words: str
) -> None:
    pytest.importorskip("airflow.providers.sqlite")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}))
    (tmp_path / "twice.csv").write_text("user_id,user_id\n1,2\n", "utf-8")
    (tmp_path / "quotes.csv").write_text('user_id\n"1"2\n', "utf-8")

    given = {name: str(tmp_path / value) if name == "path" else value for name, value in arguments.items()}
    with pytest.raises(AirflowFailException, match=words):
        run(BluxUpsertUsersOperator, **given)


def test_a_rejected_record_is_a_record(blux_emulator: Emulator, tmp_path: Path) -> None:
    report = run(
        BluxUpsertUsersOperator, users=[{"user_id": ""}], max_rejects=1, rejects_path=str(tmp_path), on_empty="fail"
    )
    assert (report["read"], report["rejected"]) == (1, 1)


@any_operator
def test_on_missing_decides_what_follows_where_there_is_no_file(
    blux_emulator: Emulator, tmp_path: Path, kind: type[BluxOperator]
) -> None:
    absent = f"{tmp_path}/absent.csv"
    for path in (absent, f"{tmp_path}/*.csv", str(tmp_path), [absent, f"{tmp_path}/other.csv"]):
        for arguments in ({}, {"on_missing": "fail"}):
            with pytest.raises(BluxSourceError, match="there is no such file"):
                run(kind, path=path, **arguments)
        with pytest.raises(AirflowSkipException, match="there is no such file"):
            run(kind, path=path, on_missing="skip")
        assert run(kind, path=path, on_missing="succeed")["read"] == 0
        with pytest.raises(AirflowSkipException, match="has no record"):
            run(kind, path=path, on_missing="succeed", on_empty="skip")


@any_operator
def test_an_upstream_task_that_found_no_file_may_return_an_empty_list(
    blux_emulator: Emulator, kind: type[BluxOperator]
) -> None:
    with pytest.raises(AirflowFailException, match="path is an empty list"):
        run(kind, path=[])
    with pytest.raises(AirflowSkipException, match=r"^path \(an empty list\): there is no such file"):
        run(kind, path=[], on_missing="skip")
    assert run(kind, path=[], on_missing="succeed")["read"] == 0


def test_an_empty_path_is_not_called_a_list(blux_emulator: Emulator) -> None:
    with pytest.raises(AirflowFailException, match=r"^path holds something that is .* empty text"):
        run(BluxUpsertUsersOperator, path="")


def test_the_log_names_the_path_at_which_there_is_no_file(
    blux_emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run(BluxUpsertUsersOperator, path=f"{tmp_path}/absent.csv", on_missing="succeed")

    assert f"{tmp_path}/absent.csv to http://" in caplog.text


@pytest.mark.parametrize("on_missing", ["succeed", "skip"])
def test_one_file_that_is_missing_beside_others_is_an_error(
    blux_emulator: Emulator, tmp_path: Path, on_missing: str
) -> None:
    (tmp_path / "a.csv").write_text("user_id\n1\n", "utf-8")

    with pytest.raises(BluxSourceError, match=r"absent\.csv: there is no such file"):
        run(BluxUpsertUsersOperator, path=[f"{tmp_path}/a.csv", f"{tmp_path}/absent.csv"], on_missing=on_missing)


@any_operator
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "f.csv", "on_empty": "ignore"}, "on_empty must be one of fail, skip, succeed"),
        ({"path": "f.csv", "on_missing": True}, "on_missing must be one of fail, skip, succeed"),
        ({"path": "f.csv", "encoding": "koreanish"}, "encoding must be the name of a text encoding"),
        ({"path": "f.csv", "delimiter": ";;"}, "delimiter must be one character"),
        ({"path": "f.csv", "hive_partitioning": "yes"}, "hive_partitioning must be True or False"),
        ({"path": "f", "file_format": "jsonl", "encoding": "cp949"}, "encoding and delimiter are for CSV"),
        ({"path": "f", "file_format": "parquet", "delimiter": ";"}, "encoding and delimiter are for CSV"),
        ({"path": "f.csv", "sql_parameters": []}, "sql_parameters: only for sql, but"),
        ({"sql": "SELECT 1", "sql_conn_id": "db", "encoding": "cp949"}, "encoding: only for path, but"),
        ({"sql": "SELECT 1", "sql_conn_id": "db", "delimiter": ";"}, "delimiter: only for path, but"),
        ({"sql": "SELECT 1", "sql_conn_id": "db", "hive_partitioning": False}, "hive_partitioning: only for path, but"),
        ({"sql": "SELECT 1", "sql_conn_id": "db", "on_missing": "skip"}, "on_missing: only for path, but"),
        ({"sql": "SELECT 1", "sql_conn_id": "db", "file_format": "csv"}, "file_format: only for path, but"),
        ({"encoding": "cp949", "on_missing": "skip"}, "encoding, on_missing: only for path, but"),
        ({"sql_parameters": {}}, "sql_parameters: only for sql, but"),
    ],
)
def test_an_argument_that_is_wrong_or_does_nothing_is_refused_when_the_dag_is_parsed(
    kind: type[BluxOperator], arguments: dict[str, Any], words: str
) -> None:
    given = arguments if {"path", "sql"} & arguments.keys() else {kind.records_field: [], **arguments}

    with pytest.raises(BluxConfigError, match=f"^{words}"):
        kind(task_id="push", **given)


def test_a_connection_that_default_args_give_to_every_task_is_no_mistake() -> None:
    BluxUpsertUsersOperator(task_id="push", users=[], storage_conn_id="lake", sql_conn_id="shop")


def test_what_excel_saves_in_korea_is_read(blux_emulator: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "grade=골드" / "회원.csv"
    path.parent.mkdir()
    path.write_bytes("user_id;이름\r\n001;홍길동\r\n".encode("cp949"))

    with pytest.raises(AirflowFailException, match=r"line 1 of .* is not UTF-8\. Set encoding to that of the file"):
        run(BluxUpsertUsersOperator, path=path, delimiter=";")
    with pytest.raises(AirflowFailException, match="Set delimiter=';'"):
        run(BluxUpsertUsersOperator, path=path, encoding="cp949")
    report = run(BluxUpsertUsersOperator, path=path, encoding="cp949", delimiter=";", hive_partitioning=True)
    assert report["delivered"] == 1
    assert dict(blux_emulator.users())["001"]["custom_user_properties"] == {"이름": "홍길동", "grade": "골드"}


def test_a_column_that_holds_a_delimiter_is_not_offered(blux_emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id;name, full;grade\n1;Kim, Jane;gold\n", "utf-8")

    with pytest.raises(AirflowFailException, match="set delimiter to it") as raised:
        run(BluxUpsertUsersOperator, path=tmp_path / "users.csv")
    assert "field_mapping" not in str(raised.value)


@pytest.mark.parametrize("as_path", [Path, ObjectStoragePath, lambda path: ObjectStoragePath(f"file://{path}")])
def test_every_path_may_be_an_object(blux_emulator: Emulator, tmp_path: Path, as_path: Any) -> None:
    (tmp_path / "ids.csv").write_text("user_id\n1\n2\n", "utf-8")
    (tmp_path / "gone.csv").write_text("user_id\n2\n", "utf-8")
    folders = {name: as_path(tmp_path / name) for name in ("rejects_path", "checkpoint_path")}

    report = run(
        BluxUpsertUsersOperator,
        path=[as_path(tmp_path / "ids.csv")],
        suppression_path=as_path(tmp_path / "gone.csv"),
        **folders,
    )
    assert (report["delivered"], report["suppressed"]) == (1, 1)
    report = run(
        BluxDeleteUsersOperator, path=as_path(tmp_path / "ids.csv"), receipts_path=as_path(tmp_path / "receipts")
    )
    assert report["receipts"]
    assert (tmp_path / "receipts").is_dir()

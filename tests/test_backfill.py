"""The functions of ``backfill``, on real files and a real database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_blux.backfill import __all__, split_files, split_sql, summarize_reports
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.exceptions import BluxConfigError, BluxError, BluxSourceError
from airflow_provider_blux.sources.files import StorageSource
from airflow_provider_blux.sources.sql import SqlSource


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "shop.sqlite3"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customers (no INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        database.executemany("INSERT INTO customers VALUES (?, ?)", [(number, "x") for number in range(7, 5000, 3)])
        database.commit()
    return path


def test_the_functions_are_those_that_the_module_lists():
    assert sorted(__all__) == ["split_files", "split_sql", "summarize_reports"]


def test_the_parts_of_a_folder_hold_all_of_its_records(tmp_path):
    for number in range(7):
        (tmp_path / f"part-{number}.jsonl").write_text(f'{{"user_id": "{number}"}}\n' * (number + 1))
    parts = split_files(str(tmp_path), 3)

    assert len(parts) == 3
    assert sum(len(list(StorageSource(part))) for part in parts) == 28


@pytest.mark.parametrize("path", ["{}/*.csv", "file://{}/a.csv", "file://{}"])
def test_files_are_named_so_that_an_operator_finds_them(tmp_path, path):
    (tmp_path / "a.csv").write_text("user_id\n00123\n")
    ((file,),) = split_files(path.format(tmp_path), 2)

    assert list(StorageSource(file)) == [{"user_id": "00123"}]


@pytest.mark.parametrize("path", ["{}", "file://{}", "{}/*"])
def test_a_file_named_like_a_glob_is_in_the_part_that_names_it(tmp_path, path):
    names = ["u1.jsonl", "u[1].jsonl", "*.jsonl", "u?.jsonl", "[[u]].jsonl", "u[!1].jsonl"]
    for name in names:
        (tmp_path / name).write_text(json.dumps(name))
    parts = split_files(path.format(tmp_path), len(names))

    assert sorted(record for part in parts for record in StorageSource(part)) == sorted(names)
    assert all(len(list(StorageSource(part))) == 1 for part in parts)


def test_where_there_is_no_file_there_are_no_parts_but_an_error(tmp_path):
    with pytest.raises(BluxSourceError, match="there is no such file"):
        split_files(str(tmp_path / "none"), 4)


def test_the_ranges_of_a_table_hold_every_row_once(shop):
    ranges = split_sql("shop", "customers", "no", 4)
    query = "SELECT no FROM customers WHERE no >= :first AND no < :end ORDER BY no"
    rows = [row["no"] for each in ranges for row in SqlSource(query, conn_id="shop", parameters=each)]

    assert len(ranges) == 4
    assert rows == list(range(7, 5000, 3))


def test_asking_for_the_ranges_warns_of_no_order(shop, caplog):
    split_sql("shop", "customers", "no", 4)

    assert "ORDER BY" not in caplog.text


def test_a_key_of_text_is_refused(shop):
    with pytest.raises(BluxConfigError, match="name is of type str"):
        split_sql("shop", "customers", "name", 4)


def test_a_table_that_is_not_there_is_named(shop):
    with pytest.raises(BluxSourceError, match="no such table"):
        split_sql("shop", "clients", "no", 4)


def report(**counts) -> dict:
    return Report(**counts).as_dict()


def test_reports_become_one():
    first = report(read=10, delivered=8, rejected=2, requests=3, seconds=1.5, rejects=["a.jsonl"], resumed=4)
    second = report(read=5, delivered=4, merged=1, requests=1, retries=1, seconds=2.25, rejects=["b.jsonl"])
    whole = summarize_reports(iter([first, second]))

    assert {name: value for name, value in whole.items() if value} == {
        "tasks": 2,
        "read": 15,
        "delivered": 12,
        "rejected": 2,
        "merged": 1,
        "resumed": 4,
        "requests": 4,
        "retries": 1,
        "seconds": 3.75,
        "rejects": ["a.jsonl", "b.jsonl"],
    }
    assert whole["receipts"] is None
    assert whole["validate_only"] is False


def test_the_report_of_a_task_that_is_not_mapped_is_summarized_as_well():
    assert summarize_reports(report(read=1, delivered=1))["tasks"] == 1


def test_no_reports_are_a_report_of_nothing():
    assert summarize_reports([])["read"] == 0


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        ("report", "str"),
        ([], "list"),
        ({}, "dict"),
        ({"rows": 5}, "dict"),
        ({**report(), "read": "5"}, "dict"),
        (summarize_reports([report()]), "dict"),
    ],
    ids=str,
)
def test_what_is_no_report_is_named_by_its_place_and_type(value, kind):
    with pytest.raises(BluxConfigError, match=rf"^reports: value 2 is of type {kind} and is not the report of a task"):
        summarize_reports([report(read=1, delivered=1), value])


def test_the_report_of_the_hook_is_passed_as_a_dict():
    with pytest.raises(BluxConfigError, match=r"of type Report .* or report\.as_dict\(\) of the hook"):
        summarize_reports([Report()])
    assert summarize_reports([Report().as_dict()])["tasks"] == 1


@pytest.mark.parametrize("reports", [None, 5])
def test_reports_are_a_list_or_an_output(reports):
    with pytest.raises(BluxConfigError, match=rf"^reports is of type {type(reports).__name__}; it must be a list"):
        summarize_reports(reports)


def test_counts_that_do_not_add_up_are_not_hidden_by_another_report():
    with pytest.raises(BluxError, match="do not add up"):
        summarize_reports([report(read=2, delivered=1), report(read=1, delivered=2)])

"""Airflow does not store records that cannot be read, shaped or sent.

The tests run tests/airflow/dags/awkward.py once. Each task is named after its fault and has its own records.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_provider_blux.emulator import Emulator
from tests.airflow.canaries import Canaries, result_of_the_task_that_reads
from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler

# Writes the records of a task into a file: `write(canaries, path without its suffix)`.
Write = Callable[[Canaries, Path], None]


@dataclass(frozen=True)
class Awkward:
    """A task of the DAG.

    :param words: text in its log, which proves that the task has reached the fault.
    :param state: the state in which the task ends.
    """

    write: Write
    words: str
    state: str = "failed"


def lines(*records: Any) -> str:
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)


def jsonl(make: Callable[[Canaries], list[Any]]) -> Write:
    return lambda canaries, path: path.with_suffix(".jsonl").write_text(lines(*make(canaries)), "utf-8") and None


def text(suffix: str, make: Callable[[Canaries], str], encoding: str = "utf-8") -> Write:
    return lambda canaries, path: path.with_suffix(suffix).write_text(make(canaries), encoding) and None


def cells(user: dict[str, Any]) -> str:
    properties = user["user_properties"]
    return f"{user['user_id']},{properties['phone_number']},{user['custom_user_properties']['name']}"


HEADER = "user_id,phone_number,name\n"


def cut_off_gzip(canaries: Canaries, path: Path) -> None:
    whole = gzip.compress(lines(*(canaries.user() for _ in range(50))).encode())
    path.with_suffix(".jsonl.gz").write_bytes(whole[: len(whole) // 2])


def damaged_parquet(canaries: Canaries, path: Path) -> None:
    file = path.with_suffix(".parquet")
    pd.DataFrame([{"user_id": canaries.user()["user_id"]} for _ in range(5)]).to_parquet(file, compression=None)
    content = bytearray(file.read_bytes())
    content[4:20] = bytes(16)  # the header of the first page
    file.write_bytes(content)


def invalid_users(canaries: Canaries) -> list[Any]:
    """Return invalid users, each with another fault."""
    blank, number, consent, bare, deep = (canaries.user() for _ in range(5))
    blank["user_id"] += " "
    number["user_properties"]["phone_number"] = int(number["user_properties"]["phone_number"])
    canaries.values.add(str(number["user_properties"]["phone_number"]))
    consent["user_properties"]["marketing_notification_sms_consent"] = canaries.user()["user_id"]
    del bare["user_id"]
    for _ in range(40):
        deep["custom_user_properties"] = {"nested": deep["custom_user_properties"]}
    return [blank, number, consent, bare, deep, canaries.user()["user_id"], [canaries.user()["user_id"]]]


def invalid_events(canaries: Canaries) -> list[Any]:
    no_name, no_zone, wrong_time = (canaries.event() for _ in range(3))
    del no_name["name"]
    no_zone["timestamp"] = "2026-10-01T09:00:00"
    wrong_time["timestamp"] = canaries.user()["user_id"]
    return [no_name, no_zone, wrong_time]


def invalid_devices(canaries: Canaries) -> list[Any]:
    no_id, wrong_token = canaries.device(), canaries.device()
    del no_id["device_id"]
    wrong_token["token"] = {"of": canaries.device()["token"]}
    return [no_id, wrong_token]


def overtaken_users(canaries: Canaries) -> list[Any]:
    user = canaries.user()
    return [user | {"updated_at": f"2026-10-0{day}T00:00:00Z"} for day in (2, 1)]


def suspicious_users(canaries: Canaries) -> list[Any]:
    """Return users who share a telephone number and consent to messages at night only."""
    users = [canaries.user() for _ in range(12)]
    shared = {**users[0]["user_properties"], "nighttime_notification_consent": True}
    return [{**user, "user_properties": shared} for user in users]


def events_of_deleted_users(canaries: Canaries, path: Path) -> None:
    events = [canaries.event() for _ in range(3)]
    path.with_suffix(".jsonl").write_text(lines(*events), "utf-8")
    path.with_name("erased.jsonl").write_text(lines(*(event["user_id"] for event in events[:2])), "utf-8")


def rows_in_the_warehouse(canaries: Canaries, path: Path) -> None:
    """Put an id with a leading blank and text that is not UTF-8 into the database in the folder of ``path``."""
    user = canaries.user()
    with closing(sqlite3.connect(path.parent / "warehouse.db")) as database, database:
        database.execute("CREATE TABLE undecodable (user_id TEXT, name TEXT)")
        database.execute("INSERT INTO undecodable VALUES (?, ?)", (f" {user['user_id']}", "name"))
        name = user["custom_user_properties"]["name"].encode() + b"\xff"
        database.execute("INSERT INTO undecodable VALUES (?, CAST(? AS TEXT))", (user["user_id"], name))


def nothing(canaries: Canaries, path: Path) -> None:
    """Write no records; the task uses the records of another task."""


AWKWARD = {
    "cut_off_line": Awkward(
        text(".jsonl", lambda canaries: lines(canaries.user()) + lines(canaries.user())[:-9]), "is not JSON (cut off"
    ),
    "cut_off_array": Awkward(
        text(".json", lambda canaries: json.dumps([canaries.user(), canaries.user()])[:-9]), "cut_off_array.json"
    ),
    "cut_off_gzip": Awkward(cut_off_gzip, "is cut off: it ends at byte"),
    "damaged_parquet": Awkward(damaged_parquet, "is damaged: row group 1 of 1"),
    "csv_with_a_stray_quote": Awkward(
        text(".csv", lambda canaries: f'{HEADER}"{cells(canaries.user())}\n{cells(canaries.user())}'),
        "is not valid CSV",
    ),
    "csv_with_too_many_cells": Awkward(
        text(".csv", lambda canaries: f"{HEADER}{cells(canaries.user())},{canaries.user()['user_id']}\n"), "has 4 cells"
    ),
    "csv_in_another_encoding": Awkward(
        text(".csv", lambda canaries: f"{HEADER}{cells(canaries.user())} 이름\n", "cp949"), "is not UTF-8"
    ),
    "csv_without_a_header": Awkward(
        text(".csv", lambda canaries: f"{cells(canaries.user())}\n{cells(canaries.user())}\n"),
        "columns are not shown, because they may be values",
    ),
    "invalid_users": Awkward(jsonl(invalid_users), "already lost its leading zero"),
    "invalid_values": Awkward(jsonl(invalid_users), "already lost its leading zero"),
    "invalid_events": Awkward(jsonl(invalid_events), "has no zone"),
    "invalid_devices": Awkward(jsonl(invalid_devices), "record 2, token"),
    "overtaken_users": Awkward(jsonl(overtaken_users), "is older than an earlier record"),
    "suspicious_users": Awkward(jsonl(suspicious_users), "Telephone numbers shared by 10 users", "success"),
    "undecodable_rows": Awkward(rows_in_the_warehouse, "the query on connection warehouse failed: OperationalError"),
    "invalid_rows": Awkward(nothing, "has whitespace around it"),
    "no_json": Awkward(jsonl(lambda canaries: [canaries.user()]), "is text, but not a JSON list"),
    "too_many_deletions": Awkward(
        jsonl(lambda canaries: [canaries.deletion() for _ in range(3)]), "More than 2 different users"
    ),
    "events_of_deleted_users": Awkward(events_of_deleted_users, "number of users to leave out: 2", "success"),
    "events_with_a_damaged_list": Awkward(
        jsonl(lambda canaries: [canaries.deletion(), f"{canaries.deletion()['user_id']} "]), "record 2 of"
    ),
    "hook_with_invalid_users": Awkward(jsonl(invalid_users), "BluxRejectLimitError"),
    "hook_with_refused_events": Awkward(
        jsonl(lambda canaries: [canaries.event() for _ in range(3)]), "Blux refused it (400)"
    ),
    "hook_with_too_many_deletions": Awkward(
        jsonl(lambda canaries: [canaries.deletion() for _ in range(2)]), "BluxGuardError"
    ),
}


@pytest.fixture(scope="module")
def records() -> dict[str, Canaries]:
    """The records of each task."""
    return {name: Canaries() for name in AWKWARD}


@pytest.fixture(scope="module")
def run(
    scheduler: Scheduler,
    emulator: Emulator,
    records: dict[str, Canaries],
    warehouse: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    folder = tmp_path_factory.mktemp("awkward")
    emulator.reset()
    for name, awkward in AWKWARD.items():
        awkward.write(records[name], (warehouse if awkward.write is rows_in_the_warehouse else folder / name))
    refused = (folder / "hook_with_refused_events.jsonl").read_text("utf-8").splitlines()
    emulator.fault(kind="refuse", ids=[json.loads(line)["user_id"] for line in refused], echo=True)
    return scheduler.run("awkward", folder=str(folder))


@pytest.mark.parametrize("name", AWKWARD)
def test_nothing_of_an_awkward_record_is_kept(
    scheduler: Scheduler, run: Run, records: dict[str, Canaries], name: str
) -> None:
    log = "".join(path.read_text() for path in scheduler.logs_of(run) if f"task_id={name}" in path.parts)

    assert run.task(name).state == AWKWARD[name].state, log
    assert AWKWARD[name].words in log, log
    has_an_upstream_task = name in ("invalid_values", "no_json")
    in_files = records[name].in_other_files if has_an_upstream_task else records[name].in_files
    assert in_files(scheduler.home.folder) == []
    assert records[name].in_tables(scheduler.home.metadata, but=result_of_the_task_that_reads) == []

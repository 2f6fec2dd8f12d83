"""The sample data: it is reproducible, has the intended irregularities, and names no real person."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing

import pytest

from example_dags.generate_sample_data import DATA, sample_files


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return sample_files()


def test_the_generator_makes_exactly_the_committed_files(files):
    committed = {file.relative_to(DATA).as_posix(): file for file in DATA.rglob("*") if file.is_file()}

    assert committed.keys() == files.keys()
    different = [name for name, file in committed.items() if file.read_bytes() != files[name].encode()]
    assert different == []


def test_the_sample_data_stays_small_enough_for_a_repository(files):
    assert sum(len(text.encode()) for text in files.values()) < 6_000_000


def test_telephone_numbers_are_of_the_kind_that_nobody_has(files):
    numbers = re.findall(r"(?:\+82 ?|0)10-?\d{4}-?\d{4}", "".join(files.values()))

    assert len(numbers) > 3_000
    assert {re.sub(r"\D", "", number)[-8:-4] for number in numbers} == {"0000"}


def test_mail_addresses_belong_to_example_domains(files):
    domains = {domain.lower() for domain in re.findall(r"@([\w.-]+)", "".join(files.values()))}

    assert domains == {"example.com", "example.kr"}


def test_the_users_file_has_what_breaks_careless_readers(files):
    rows = list(csv.DictReader(files["users.csv"].splitlines(keepends=True)))
    ids = [row["user_id"] for row in rows]

    assert len(set(ids)) < len(ids), "no user appears twice"
    assert any(user_id.startswith("00") and user_id.isdecimal() for user_id in ids), "no id has leading zeros"
    assert any(not user_id.isascii() for user_id in ids), "no id has Korean letters"
    assert any("\n" in row["memo"] for row in rows), "no cell has a line break"
    assert any('"' in row["name"] for row in rows), "no name has quotes"
    assert {row["marketing_notification_consent"] for row in rows} == {"true", "false", ""}


@pytest.mark.parametrize("kind", ["events", "partitions"])
def test_there_are_days_enough_to_show_a_backfill(files, kind):
    assert len([name for name in files if name.startswith(f"{kind}/")]) >= 5


def test_every_event_has_an_id_of_its_own_and_a_zone(files):
    events = [json.loads(line) for name in files if name.startswith("events/") for line in files[name].splitlines()]

    assert len(events) >= 20_000
    assert len({event["id"] for event in events}) == len(events)
    assert all(event["timestamp"].endswith(("Z", "+09:00")) for event in events)


def requests(files: dict[str, str], condition: str) -> list[tuple[str, str | None]]:
    """Return id and moment of the requests to be erased."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(files["shop.sql"])
        query = f"SELECT user_id, done_at FROM deletion_requests WHERE {condition}"  # noqa: S608 - the tests' own
        return database.execute(query).fetchall()


def test_open_requests_to_be_erased_are_of_users_who_will_be_exported_again(files):
    users = {row["user_id"] for row in csv.DictReader(files["users.csv"].splitlines(keepends=True))}
    backfilled = {
        json.loads(line)["user_id"]
        for name in files
        if name.startswith("partitions/")
        for line in files[name].splitlines()
    }
    asking = {user_id for user_id, _ in requests(files, "done_at IS NULL")}

    assert len(asking & users) == 300
    assert len(asking & backfilled) == 10
    assert asking <= users | backfilled | {user_id for user_id in asking if user_id != user_id.strip()}


def test_the_requests_have_what_a_list_of_requests_has(files):
    still_open = [user_id for user_id, _ in requests(files, "done_at IS NULL")]

    assert len(set(still_open)) < len(still_open), "nobody asked twice"
    assert any(user_id != user_id.strip() for user_id in still_open), "no id was typed with a blank"
    assert requests(files, "done_at IS NOT NULL"), "none was done earlier"

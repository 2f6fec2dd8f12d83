"""Each row of the tables in docs/records.md is correct."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.records import data_quality, values
from airflow_provider_blux.records.encoding import encode
from airflow_provider_blux.records.fields import CONSENTS, STANDARD_FIELDS
from airflow_provider_blux.records.ids import identifier
from airflow_provider_blux.records.options import Shaping
from airflow_provider_blux.records.shapes import FIELDS, RowShape
from airflow_provider_blux.records.timestamps import timestamp
from airflow_provider_blux.sources.rows import TableRow
from tests.records.outcomes import outcome, same_types

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "records.md").read_text("utf-8")
NAMES = {
    "dict": dict,
    "UTC": UTC,
    "UUID": UUID,
    "Decimal": Decimal,
    "date": date,
    "datetime": datetime,
    "time": time,
    "timedelta": timedelta,
    "float": float,
}


class Table(NamedTuple):
    """A table with the heading above it and the arguments that the line above it names."""

    heading: str
    arguments: dict[str, Any]
    columns: list[str]
    rows: list[list[str]]


def value(code: str) -> Any:
    return eval(code.strip("`"), {"__builtins__": {}}, NAMES)  # noqa: S307 - the text of our own page


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" |")]


def tables() -> Iterator[Table]:
    heading, arguments = "", {}
    for block in PAGE.split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            heading, arguments = lines[0].strip("# "), {}
        elif said := re.match(r"With `(.*)`.*:$", block):
            arguments = value(f"dict({said[1]})")
        elif lines[0].startswith("|"):
            yield Table(heading, arguments, cells(lines[0]), [cells(line) for line in lines[2:]])


TABLES = list(tables())


def rows_of(*columns: str) -> list[tuple[Table, list[str]]]:
    return [(table, row) for table in TABLES if table.columns == list(columns) for row in table.rows]


def test_no_table_of_the_page_is_left_out() -> None:
    kinds = {tuple(table.columns) for table in TABLES}

    assert kinds == {
        ("field", "type", "needed", "rule"),
        ("value", "is sent as", "or rejected, since it"),
        ("argument", "default", ""),
        ("operation", "`field_mapping`", "row", "record"),
        ("operation", "row", "record", "with `send_nulls=True`"),
    }


RULES: dict[str, Callable[[Shaping, Any], Any]] = {
    "Ids": lambda shaping, given: identifier(given, "user_id", check=shaping.check_ids),
    "Telephone numbers": lambda shaping, given: shaping.standard_checks["phone_number"](given, "phone_number"),
    "Consents": lambda shaping, given: shaping.standard_checks[CONSENTS[0]](given, CONSENTS[0]),
    "Timestamps": lambda shaping, given: timestamp(given, "timestamp", shaping.zone, shaping.timestamp_unit),
    "Properties": lambda _, given: values.json_value(given, "p"),
}


@pytest.mark.parametrize(("table", "row"), rows_of("value", "is sent as", "or rejected, since it"))
def test_values_are_sent_or_rejected_as_the_page_says(table: Table, row: list[str]) -> None:
    given, sent, reason = row
    rule = RULES[table.heading]

    def encodable(item: Any) -> Any:
        encode(found := rule(Shaping(**table.arguments), item))
        return found

    found = outcome(encodable, value(given))

    assert bool(sent) is not bool(reason)
    if reason:
        assert isinstance(found, BluxRecordError)
        assert found.reason == reason
    else:
        assert found == value(sent)
        assert same_types(found, value(sent))


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [
        ("Users", [("upsert_users", "application"), ("upsert_users", "open")]),
        ("Events", [("send_events", "open")]),
        ("Devices", [("update_devices", "open")]),
        ("Deletions", [("delete_users", "application"), ("delete_users", "open")]),
    ],
)
def test_the_fields_are_those_of_the_code(heading: str, kinds: list[tuple[str, str]]) -> None:
    rows = [row for table, row in rows_of("field", "type", "needed", "rule") if table.heading == heading]
    known = {name for kind in kinds for name in (*FIELDS[kind].own, *FIELDS[kind].groups)}

    assert {row[0].strip("`") for row in rows} == known | (set(STANDARD_FIELDS) if heading == "Users" else set())
    for kind in kinds:
        assert {row[0].strip("`") for row in rows if row[2]} == set(FIELDS[kind].required)


def test_the_arguments_and_their_defaults_are_those_of_the_code() -> None:
    shown = {row[0].strip("`"): value(row[1]) for _, row in rows_of("argument", "default", "")}

    assert shown == {option.name: getattr(Shaping(), option.name) for option in fields(Shaping)}


def sent(operation: str, row: str, **shaping: Any) -> Any:
    name, api = (part.strip("` ") for part in operation.split(","))
    return RowShape(name, api, Shaping(**shaping))(value(row))[1]


@pytest.mark.parametrize(("_", "row"), rows_of("operation", "`field_mapping`", "row", "record"))
def test_columns_are_mapped_as_the_page_says(_: Table, row: list[str]) -> None:
    operation, mapping, given, record = row

    assert sent(operation, given, field_mapping=value(mapping)) == value(record)


@pytest.mark.parametrize(("_", "row"), rows_of("operation", "row", "record", "with `send_nulls=True`"))
def test_nulls_are_sent_as_the_page_says(_: Table, row: list[str]) -> None:
    operation, given, without, with_nulls = row

    assert sent(operation, given) == value(without)
    assert sent(operation, given, send_nulls=True) == value(with_nulls)


def test_the_error_of_a_wrong_header_is_the_one_on_the_page() -> None:
    with pytest.raises(BluxConfigError) as raised:
        RowShape("upsert_users", "application")(TableRow.fromkeys(["User ID", "phone", "grade"]))

    assert f"```\n{raised.value}\n```" in PAGE


def test_the_bounds_of_the_suspicions_are_those_of_the_code() -> None:
    page = (DOCS / "dry-run.md").read_text("utf-8")

    assert f"{data_quality.MANY_USERS} users or more share" in page
    assert f"the first {data_quality.REMEMBERED:,} different numbers" in page


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}

    assert set(re.findall(r"\(#(.*?)\)", PAGE)) <= headings

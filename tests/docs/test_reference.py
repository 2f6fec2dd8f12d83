"""The tables of the reference agree with the code: arguments, errors, the report, limits."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields

from airflow_provider_blux import exceptions
from airflow_provider_blux.api.endpoints import ENDPOINTS, Endpoint
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.settings import CONCURRENCY, MAX_USERS
from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.operators import blux
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.sources.formats import FORMATS
from tests.docs.readme import Readme, names

OPERATORS, ERRORS = Readme("docs/operators/index.md"), Readme("docs/reference/exceptions.md")
REPORT, DELETION = Readme("docs/report.md"), Readme("docs/deletion.md")
OWN_MODULES = {blux.__name__, BluxOperator.__module__}
BASES = {"BluxError", "BluxApiError", "BluxRecordError"}


def test_the_table_has_every_argument_of_the_operators() -> None:
    kinds = {kind for name in blux.__all__ for kind in getattr(blux, name).__mro__ if kind.__module__ in OWN_MODULES}
    known = {name for kind in kinds for name in inspect.signature(kind.__init__).parameters} - {"self", "kwargs"}

    assert {name for row in OPERATORS.table_of("users") for name in names(row[0])} == known


def test_the_templates_are_those_of_the_operators() -> None:
    section = OPERATORS.prose.partition("## Templates")[2].partition("Text from such")[0]
    fields_of = {field for name in blux.__all__ for field in getattr(blux, name).template_fields}
    records = {getattr(blux, name).records_field for name in blux.__all__}

    assert fields_of - records <= set(names(section))


def test_the_limits_are_those_of_the_endpoints() -> None:
    # By their place in the sentence: users, deletions, all of the Open API.
    sentence = next(part for part in OPERATORS.prose.split("\n\n") if "3,000" in part)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", sentence)]

    def limits(operation: str, api: str) -> list[float]:
        found = (row for row in ENDPOINTS if (row.operation, row.api) == (operation, api))
        widest: Endpoint = max(found, key=lambda row: row.max_records)
        return [widest.max_records, widest.max_rate]

    of_open_api = [limits(operation, "open") for operation in ("upsert_users", "delete_users", "send_events")]
    assert numbers[:4] == limits("upsert_users", "application") + limits("delete_users", "application")
    assert [*of_open_api, limits("update_devices", "open")] == [numbers[4:6]] * 4


def test_the_defaults_are_those_of_the_code() -> None:
    assert f"({CONCURRENCY}, " in OPERATORS.prose
    assert f"({MAX_USERS:,} unless you set it)" in DELETION.prose
    assert set(FORMATS) <= set(OPERATORS.inline_code)


def test_the_error_table_names_every_error() -> None:
    classes = {name: kind for name, kind in vars(exceptions).items() if inspect.isclass(kind)}
    errors = {name for name, kind in classes.items() if issubclass(kind, BluxError)}
    shown = {names(row[0])[0] for row in ERRORS.table_of("BluxConfigError")}

    assert shown | BASES == errors
    assert set(ERRORS.inline_code) >= BASES


def test_the_error_table_says_what_airflow_retries() -> None:
    shown = {names(row[0])[0]: {"yes": True, "no": False}[row[3]] for row in ERRORS.table_of("BluxConfigError")}

    assert shown == {name: getattr(exceptions, name).retry_helps for name in shown}


def test_every_key_of_the_report_is_in_its_table() -> None:
    assert {name for row in REPORT.table_of("read") for name in names(row[0])} == {
        field.name for field in fields(Report)
    }

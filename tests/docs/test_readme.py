"""What the READMEs say of the package is so, and both say the same."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from airflow_provider_blux import exceptions
from airflow_provider_blux.api.endpoints import ENDPOINTS, Endpoint
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.settings import CONCURRENCY, DeliveryOptions
from airflow_provider_blux.emulator.faults import Fault
from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.hooks.blux import MAX_USERS, BluxHook
from airflow_provider_blux.hooks.connection_form import CONN_FIELDS, RELABELING
from airflow_provider_blux.operators import blux
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.sources import extras
from airflow_provider_blux.sources.compression import COMPRESSIONS
from airflow_provider_blux.sources.formats import READERS, SUFFIXES
from tests.docs.readme import BOTH, ENGLISH, KOREAN, ROOT, Readme, names

OPERATORS = {name: getattr(blux, name) for name in blux.__all__}
OWN_MODULES = {blux.__name__, BluxOperator.__module__}
both = pytest.mark.parametrize("readme", BOTH, ids=["en", "ko"])
prose_is_the_same = pytest.mark.parametrize("part", ["headings", "blocks"])


def arguments(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def arguments_of(operator: str) -> set[str]:
    return {name for kind in OPERATORS[operator].__mro__[:-1] for name in arguments(kind.__init__)}


@prose_is_the_same
def test_both_readmes_have_the_same(part: str) -> None:
    assert getattr(ENGLISH, part) == getattr(KOREAN, part)


def test_both_readmes_name_the_same_in_their_tables() -> None:
    english, korean = ([[names(row[0]) for row in table] for table in readme.tables] for readme in BOTH)

    assert english == korean


def test_both_readmes_have_the_same_inline_code() -> None:
    assert sorted(set(ENGLISH.inline_code)) == sorted(set(KOREAN.inline_code))


@both
def test_every_file_that_a_readme_links_to_exists(readme: Readme) -> None:
    local = [link for link in readme.links if "://" not in link]

    assert len(local) >= 4
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_every_argument_in_the_code_exists() -> None:
    calls = [
        node
        for block in ENGLISH.code("python")
        for node in ast.walk(ast.parse(block.code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OPERATORS
    ]
    unknown = [
        (operator.id, keyword.arg)
        for call in calls
        if isinstance(operator := call.func, ast.Name)
        for keyword in call.keywords
        if keyword.arg not in arguments_of(operator.id)
    ]

    assert {call.func.id for call in calls if isinstance(call.func, ast.Name)} == set(OPERATORS)
    assert unknown == []


@both
def test_the_table_has_every_argument_of_the_operators(readme: Readme) -> None:
    ours = {kind for operator in OPERATORS.values() for kind in operator.__mro__ if kind.__module__ in OWN_MODULES}
    known = {name for kind in ours for name in arguments(kind.__init__)} - {"self", "kwargs"}

    assert {name for row in readme.table_of("users") for name in names(row[0])} == known


@both
def test_every_argument_in_the_text_exists(readme: Readme) -> None:
    functions = [*OPERATORS.values(), BluxOperator, BluxHook, BluxHook.delete_users, BluxHook.update_devices]
    known = {name for function in functions for name in arguments(function)}
    known |= DeliveryOptions.__annotations__.keys() | {field.name for field in fields(Fault)}
    named = {code.partition("=")[0] for code in readme.inline_code if re.fullmatch(r"\w+=\S+", code)}

    assert "api" in named
    assert named <= known


@both
def test_the_connection_table_is_the_form(readme: Readme) -> None:
    shown = {(row[0], names(row[1])[0], row[1].startswith("extra ")) for row in readme.table_of("host")}
    standard = {(label, name, False) for name, label in {**RELABELING, "port": "Port"}.items()}
    extras = {(field["label"], name, True) for name, field in CONN_FIELDS.items()}

    assert shown == standard | extras


@both
def test_the_error_table_names_every_error(readme: Readme) -> None:
    classes = {name: kind for name, kind in vars(exceptions).items() if inspect.isclass(kind)}
    errors = {name for name, kind in classes.items() if issubclass(kind, BluxError)}
    shown = {names(row[0])[0] for row in readme.table_of("BluxConfigError")}

    assert shown | {"BluxError", "BluxApiError", "BluxRecordError"} == errors
    assert {"BluxError", "BluxApiError", "BluxRecordError"} <= set(readme.inline_code)


@both
def test_the_error_table_says_what_airflow_retries(readme: Readme) -> None:
    words = {"yes": True, "no": False, "함": True, "안 함": False}
    shown = {names(row[0])[0]: words[row[3]] for row in readme.table_of("BluxConfigError")}

    assert shown == {name: getattr(exceptions, name).retry_helps for name in shown}


@both
def test_every_key_of_the_report_is_named(readme: Readme) -> None:
    assert {field.name for field in fields(Report)} <= set(readme.inline_code)


@both
def test_the_limits_are_those_of_the_endpoints(readme: Readme) -> None:
    # By their place in the sentence: users, deletions, all of the Open API.
    sentence = next(part for part in readme.prose.split("\n\n") if "Open API" in part and "3,000" in part)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", sentence)]

    def limits(operation: str, api: str) -> list[float]:
        found = (row for row in ENDPOINTS if (row.operation, row.api) == (operation, api))
        widest: Endpoint = max(found, key=lambda row: row.max_records)
        return [widest.max_records, widest.max_rate]

    of_open_api = [limits(operation, "open") for operation in ("upsert_users", "delete_users", "send_events")]
    assert numbers[:4] == limits("upsert_users", "application") + limits("delete_users", "application")
    assert [*of_open_api, limits("update_devices", "open")] == [numbers[4:6]] * 4


@both
def test_the_defaults_are_those_of_the_code(readme: Readme) -> None:
    text = " ".join(readme.prose.split())

    assert f"{MAX_USERS:,}" in text
    assert f"({CONCURRENCY}, " in text


@both
def test_the_formats_are_those_of_the_code(readme: Readme) -> None:
    code = set(readme.inline_code)

    assert {name for name in code if name in {*READERS, *SUFFIXES}} >= {
        *READERS,
        *(f".{name}" for name in SUFFIXES.values()),
    }
    assert set(COMPRESSIONS) <= code


@both
def test_the_extras_are_those_that_are_offered(readme: Readme) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    command = next(block.code for block in readme.code("bash") if "pip install '.[sql" in block.code)
    shown = set(re.findall(r"\w+", command.partition("[")[2].partition("]")[0]))

    assert shown == {*project["optional-dependencies"], extras.PARQUET[1], extras.ZSTD[1]}
    assert shown <= set(readme.inline_code)


@both
def test_the_documentation_is_linked(readme: Readme) -> None:
    assert "docs/index.md" in readme.links  # which links every page


@both
def test_the_supported_versions_are_those_that_are_pinned(readme: Readme) -> None:
    pinned = sorted(file.stem.removeprefix("airflow-") for file in Path(ROOT / "requirements").glob("airflow-*.txt"))
    supported = re.search(r"Airflow (2\.\d+(?:(?:,| and) 3\.\d+)+)", readme.prose)

    assert supported
    assert sorted(re.findall(r"\d\.\d+", supported[1])) == pinned

"""Both READMEs are correct, and they have the same content."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from airflow_provider_blux import extras
from airflow_provider_blux.emulator.faults import Fault
from airflow_provider_blux.get_provider_info import get_provider_info
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators import blux
from airflow_provider_blux.operators.base import BluxOperator
from tests.docs.readme import BOTH, ENGLISH, KOREAN, ROOT, Readme, names

# A screen and a half.
MAX_LINES = 150
OPERATORS = {name: getattr(blux, name) for name in blux.__all__}
both = pytest.mark.parametrize("readme", BOTH, ids=["en", "ko"])
prose_is_the_same = pytest.mark.parametrize("part", ["headings", "blocks", "links"])


@both
def test_a_readme_is_short(readme: Readme) -> None:
    assert len(readme.text.splitlines()) <= MAX_LINES


@prose_is_the_same
def test_both_readmes_have_the_same(part: str) -> None:
    other_language = {"README.md", "README.ko.md"}
    english, korean = ([each for each in getattr(readme, part) if each not in other_language] for readme in BOTH)

    assert sorted(map(str, english)) == sorted(map(str, korean)) if part == "links" else english == korean


def test_both_readmes_name_the_same_in_their_tables() -> None:
    english, korean = ([[names(row[0]) for row in table] for table in readme.tables] for readme in BOTH)

    assert english == korean


def test_both_readmes_have_the_same_inline_code() -> None:
    assert sorted(set(ENGLISH.inline_code)) == sorted(set(KOREAN.inline_code))


@both
def test_every_file_that_a_readme_links_to_exists(readme: Readme) -> None:
    local = [link.partition("#")[0] for link in readme.links if "://" not in link]

    assert len(local) >= 4
    assert [link for link in local if not (ROOT / link).exists()] == []


@both
def test_the_table_has_the_operators_and_their_decorators(readme: Readme) -> None:
    rows = readme.table_of("BluxUpsertUsersOperator")

    assert {names(row[0])[0] for row in rows} == set(OPERATORS)
    assert {names(row[1])[0] for row in rows} == {
        f"@task.{each['name']}" for each in get_provider_info()["task-decorators"]
    }


def test_every_argument_in_the_code_exists() -> None:
    calls = [
        node
        for block in ENGLISH.code("python")
        for node in ast.walk(ast.parse(block.code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OPERATORS
    ]

    assert calls
    for call in calls:
        assert isinstance(call.func, ast.Name)
        kinds = OPERATORS[call.func.id].__mro__[:-1]
        known = {name for kind in kinds for name in inspect.signature(kind.__init__).parameters}
        assert {keyword.arg for keyword in call.keywords} <= known


@both
def test_every_argument_in_the_text_exists(readme: Readme) -> None:
    functions = [*OPERATORS.values(), BluxOperator, BluxHook, Fault]
    known = {name for function in functions for name in inspect.signature(function).parameters}
    named = {code.partition("=")[0] for code in readme.inline_code if re.fullmatch(r"\w+=\S+", code)}

    assert named | {"path", "sql"} <= known


@both
def test_the_extras_are_those_that_are_offered(readme: Readme) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    command = next(block.code for block in readme.code("bash") if "pip install '.[sql" in block.code)
    shown = set(re.findall(r"\w+", command.partition("[")[2].partition("]")[0]))

    assert shown == {*project["optional-dependencies"], extras.PARQUET[1], extras.ZSTD[1]}
    assert shown <= set(readme.inline_code)


@both
def test_the_documentation_is_linked(readme: Readme) -> None:
    assert {"docs/index.md#how-to-guides", "docs/tutorial.md"} <= set(readme.links)  # the index links every page


@both
def test_the_supported_versions_are_those_that_are_pinned(readme: Readme) -> None:
    pinned = sorted(file.stem.removeprefix("airflow-") for file in Path(ROOT / "requirements").glob("airflow-*.txt"))
    supported = re.search(r"Airflow (2\.\d+(?:(?:,| and) 3\.\d+)+)", readme.prose)

    assert supported
    assert sorted(re.findall(r"\d\.\d+", supported[1])) == pinned

"""docs/sources.md and docs/queries.md are correct."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from airflow_provider_blux import extras
from airflow_provider_blux.operators import blux
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.sources import cursors, frames, inline, sql
from airflow_provider_blux.sources.compression import COMPRESSIONS
from airflow_provider_blux.sources.formats import SUFFIXES

ROOT = Path(__file__).parents[2]
TEXT = "".join((ROOT / "docs" / page).read_text("utf-8") for page in ("sources.md", "queries.md"))


def table(first_header: str) -> list[list[str]]:
    """Return the cells of the table whose header begins with ``first_header``."""
    lines = TEXT[TEXT.index(f"\n| {first_header} |") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_formats_are_these() -> None:
    shown = {suffix: code for suffixes, code, *_ in table("suffix | `file_format`") for suffix in codes(suffixes)}

    assert {suffix: f"`{name}`" for suffix, name in SUFFIXES.items()} == shown


def test_the_compressions_and_their_extras_are_these() -> None:
    rows = table("suffix | compression")

    assert [codes(row[0])[0] for row in rows] == list(COMPRESSIONS)
    assert [row[2] for row in rows if codes(row[0]) == [".zst"]] == [f"the extra `{extras.ZSTD[1]}`"]


def test_the_extras_are_these() -> None:
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    shown = {codes(extra)[0]: (brings, purpose) for extra, brings, purpose in table("extra")}

    for module, name, purpose in (extras.PARQUET, extras.ZSTD):
        assert shown[name] == (module.partition(".")[0], purpose)
    for name, (brings, _) in shown.items():
        assert any(requirement.startswith(brings) for requirement in offered[name])
    (line,) = re.findall(r"pip install 'airflow-provider-blux\[(.*)\]'", TEXT)
    assert set(line.split(",")) <= set(offered)


def test_the_drivers_are_those_that_are_told() -> None:
    named = [code for row in table("driver") for code in codes(row[0])]
    told = re.findall(r'"(\w+)"', inspect.getsource(cursors))

    assert set(named) <= set(told)
    assert f"{sql._ROWS_A_FETCH:,} rows at a time" in TEXT


def test_the_values_are_these() -> None:
    rows = dict(table("value"))

    for library, kind in frames._FRAMES:
        assert f"{frames._ROWS_A_SLICE:,} rows at a time" in rows[f"a {library} {kind}"]
    mapped = rows["the outputs of a mapped task"]
    assert f"about {inline._RECORDS_A_SLICE:,} records, at most {inline._OUTPUTS_A_SLICE}" in mapped


def test_every_example_names_operators_and_arguments_that_exist() -> None:
    calls = [
        node
        for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("Blux")
    ]

    assert len(calls) >= 6
    for call in calls:
        assert isinstance(call.func, ast.Name)
        operator = getattr(blux, call.func.id)
        known = {*inspect.signature(operator).parameters, *inspect.signature(BluxOperator).parameters, "task_id"}
        assert {keyword.arg for keyword in call.keywords} <= known


@pytest.mark.parametrize("link", re.findall(r"\]\((.+?)\)", TEXT))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link.partition("#")[0]).exists()

"""The static files of the page "Blux deliveries", compared with the package without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_blux.api.endpoints import OPERATIONS
from airflow_provider_blux.decorators import blux as decorators
from airflow_provider_blux.delivery.report import OUTCOMES
from airflow_provider_blux.hooks.observability import KEY
from airflow_provider_blux.operators import blux as operators
from airflow_provider_blux.operators.base import BluxOperator

STATIC = Path(operators.__file__).parents[1] / "deliveries_page" / "static"
MODULES = sorted(STATIC.glob("*.js"))
LANGUAGES = ("en", "ko")
of_each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def words(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "words" / f"{language}.json").read_text("utf-8"))
    return found


def concrete(kind: type[BluxOperator]) -> dict[str, str]:
    """Return the operation of each operator that a DAG can have, by the name that Airflow stores."""
    subclasses = [found for subclass in kind.__subclasses__() for found in concrete(subclass).items()]
    own = [(kind.__name__, kind.operation)] if hasattr(kind, "operation") else []
    return dict([*own, *subclasses])


def test_the_page_asks_for_every_operator_and_decorator() -> None:
    ours = {
        name: operation
        for name, operation in concrete(BluxOperator).items()
        if hasattr(operators, name) or hasattr(decorators, name)
    }

    assert json.loads((STATIC / "operators.json").read_text("utf-8")) == ours
    assert len(ours) == 2 * len(OPERATIONS)


def test_a_decorator_is_told_by_the_name_that_the_page_looks_at() -> None:
    names = [
        decorators.__dict__[name].custom_operator_name
        for name in json.loads((STATIC / "operators.json").read_text("utf-8"))
        if name.startswith("_")
    ]

    assert all(name.startswith("@task.blux_") for name in names)
    assert 'startsWith("@task.blux_")' in (STATIC / "deliveries.js").read_text("utf-8")


def test_the_page_looks_for_the_progress_where_it_is_kept() -> None:
    assert f'PROGRESS_KEY = "{KEY}"' in (STATIC / "deliveries.js").read_text("utf-8")


def test_both_languages_say_the_same_with_the_same_places() -> None:
    places = [
        {name: set(re.findall(r"\{(\w+)\}", text)) for name, text in words(language).items()} for language in LANGUAGES
    ]

    assert places[0] == places[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_all_that_the_page_says(language: str) -> None:
    known = words(language)
    code = "".join(module.read_text("utf-8") for module in MODULES)
    said = set(re.findall(r'(?:say|button)\(\s*"(\w+)"', code))

    assert said <= known.keys()
    assert {*OPERATIONS, *OUTCOMES, "unchanged", "valid"} <= known.keys()


def test_no_word_is_left_over() -> None:
    code = "".join(module.read_text("utf-8") for module in MODULES)
    made = re.compile(r"(state|error)_\w+")  # put together from a state or a status

    assert [
        name for name in words("en") if f'"{name}"' not in code and not made.fullmatch(name) and name not in OPERATIONS
    ] == []


@of_each_module
def test_a_module_is_short_and_opens_with_its_job(module: Path) -> None:
    text = module.read_text("utf-8")

    assert text.startswith("/**\n * ")
    assert len(text.splitlines()) < 300


@of_each_module
def test_nothing_from_the_api_becomes_markup_or_code(module: Path) -> None:
    text = module.read_text("utf-8")

    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", text)
        == []
    )
    # A policy that forbids inline styles and handlers must not break the page.
    assert re.findall(r"\.style\b|cssText|\{ style: [^\"]|\bon(?:click|load|error)\b", text) == []


def test_nothing_is_fetched_from_elsewhere() -> None:
    text = "".join(path.read_text("utf-8") for path in STATIC.rglob("*.*"))

    assert set(re.findall(r"https?://[^\s\"'`]+", text)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"@import|url\(", text) == []

"""The commands, files and arguments that CONTRIBUTING.md and CHANGELOG.md name exist, and CI runs the checks."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import tomllib

import pytest
import yaml

from airflow_provider_blux import backfill
from airflow_provider_blux.emulator import pytest_plugin
from airflow_provider_blux.exceptions import BluxApiError
from airflow_provider_blux.hooks.connection_form import CONN_FIELDS
from airflow_provider_blux.operators import blux
from tests.docs.readme import ROOT, Readme

CONTRIBUTING, CHANGELOG = Readme("CONTRIBUTING.md"), Readme("CHANGELOG.md")


def commands() -> list[str]:
    return [code for code in CONTRIBUTING.inline_code if " " in code]


def test_every_target_of_make_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {code.split()[1] for code in commands() if code.startswith("make ")}

    assert named <= targets
    assert {"setup", "hooks", "unit", "test", "lint", "types", "contract", "docs", "demo", "dist"} <= named


def test_make_lists_every_target_under_a_heading() -> None:
    own = {name: value for name, value in os.environ.items() if name not in {"MAKELEVEL", "MAKEFLAGS", "MFLAGS"}}
    shown = subprocess.run(["make", "help"], cwd=ROOT, env=own, capture_output=True, text=True, check=True).stdout  # noqa: S607
    groups = [group.splitlines() for group in shown.split("\n\n")[1:]]
    text = (ROOT / "Makefile").read_text("utf-8")

    assert {line.split()[0] for group in groups for line in group[1:]} | {"help"} == set(_phony(text))
    assert all(not group[0].startswith(" ") for group in groups)


def _phony(makefile: str) -> list[str]:
    named = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert named
    return named[1].replace("\\", "").split()


def test_the_workflow_runs_all_of_ci_on_every_python_that_is_declared() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    steps = workflow["jobs"]["ci"]["steps"]
    pythons = next(step["with"]["python-version"].split() for step in steps if "setup-python" in step.get("uses", ""))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    assert sorted(pythons) == sorted(name.rpartition(" ")[2] for name in project["classifiers"] if ":: 3." in name)


def test_the_hooks_are_those_of_ci_or_pinned() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    commands = {hook["id"]: hook["entry"] for each in repositories if each["repo"] == "local" for hook in each["hooks"]}
    files = [word for command in commands.values() for word in command.split() if word.endswith(".py")]

    assert {"ruff-check", "ruff-format", "mypy", "words"} == set(commands)
    assert all(command.startswith(".venv/bin/") for command in commands.values())
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert all(re.fullmatch(r"v[\d.]+", each["rev"]) for each in repositories if each["repo"] != "local")


def test_the_kinds_of_commits_are_those_that_the_hook_lets_pass() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    hooks = {hook["id"]: hook for each in repositories for hook in each["hooks"]}
    kinds = hooks["conventional-pre-commit"]["args"]
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf-8"))["updates"]
    paragraph = next(text for text in CONTRIBUTING.text.split("\n\n") if text.startswith("**Commits**"))

    assert sorted(kinds) == re.findall(r"`(\w+)`", paragraph)
    assert {update["commit-message"]["prefix"] for update in updates} <= set(kinds)


def test_every_benchmark_is_named() -> None:
    named = {code.removeprefix("python -m benchmarks.") for code in commands() if "-m benchmarks." in code}
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))

    assert named == set(re.findall(r"python -m benchmarks\.(\w+)", pages))
    assert [name for name in named if not (ROOT / "benchmarks" / f"{name}.py").exists()] == []


@pytest.mark.parametrize("page", [CONTRIBUTING, CHANGELOG], ids=["contributing", "changelog"])
def test_every_place_that_is_named_exists(page: Readme) -> None:
    named = [code for code in page.inline_code if re.fullmatch(r"\.?\w[\w./-]*/[\w./-]*", code)]
    linked = [link for link in page.links if "://" not in link]

    assert [place for place in (*named, *linked) if not _exists(place)] == []


def _exists(place: str) -> bool:
    # A table of folders of the package names those below it without its own name.
    return any((ROOT / base / place).exists() for base in ("", "airflow_provider_blux"))


def test_every_argument_in_the_changelog_exists() -> None:
    kinds = {kind for name in blux.__all__ for kind in getattr(blux, name).__mro__}
    known = {name for kind in kinds for name in inspect.signature(kind).parameters}
    known |= {*CONN_FIELDS, *vars(pytest_plugin), *backfill.__all__, *inspect.signature(BluxApiError).parameters}
    known |= {"prev_data_interval_end_success", "data_interval_start"}  # Airflow's
    words = {code for code in CHANGELOG.inline_code if re.fullmatch(r"[a-z]+_[a-z_]+", code)}

    assert words <= known

"""docs/support.md and docs/installation.md name the same CI runs as .ci/run."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.version import Version

from tests.docs.readme import ROOT, Readme, names

PAGE = Readme("docs/support.md")
ROWS = PAGE.table_of("make test")
(PINS,) = Readme("docs/installation.md").tables
CI = (ROOT / ".ci" / "run").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
STEPS = dict(re.findall(r"^step '([^']+)' (.+)$", CI, re.MULTILINE))
FUNCTIONS = dict(re.findall(r"^(\w+)\(\) \{\n(.*?)^\}", CI, re.MULTILINE | re.DOTALL))
ARRAYS = dict(re.findall(r"^readonly (\w+)=\((.*)\)$", CI, re.MULTILINE))
ONLY_WITH_POSTGRES = "Airflow 2 refuses SQLite" in (ROOT / "tests/airflow/conftest.py").read_text("utf-8")


def done_by(step: str) -> str:
    """Return the commands of a step, including the commands of its functions and of its make target."""
    called = STEPS[step].split()[0]
    commands = FUNCTIONS.get(called, STEPS[step])
    commands += "".join(FUNCTIONS.get(name, "") for name in re.findall(r"^ *(\w+)", commands, re.MULTILINE))
    commands += "".join(f" {ARRAYS[name]} \n" for name in re.findall(r'"\$\{(\w+)\[@\]\}"', STEPS[step]))
    for target in re.findall(r"make (\w+)", commands):
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
        commands += recipe[1] if recipe else ""
    return commands


def part_of(folders: list[str]) -> str:
    """Return the folders of tests in the words of the page."""
    return ", ".join(folders).replace("hooks", "hook")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"Airflow {row[0]}, Python {row[1]}")
def test_a_row_claims_what_its_steps_do(row: list[str]) -> None:
    airflow, _, steps, *claims = row
    commands = "\n".join(done_by(step) for step in names(steps))
    tests = re.findall(r" tests/(\w+)", re.sub(r"--ignore \S+", "", commands))
    unit = part_of(tests) if tests else "-m pytest" in commands
    processes = unit is True and "not airflow" not in commands
    scheduler = "where PostgreSQL answers" if airflow.startswith("2.") and ONLY_WITH_POSTGRES else processes
    typed = processes and not re.search(r"--ignore tests/docs(/test_readme_commands\.py)?\s", commands)
    demo = "example_dags.demo" in commands

    assert claims == [{True: "yes", False: "no"}.get(done, done) for done in (unit, scheduler, typed, demo)]


def test_every_step_of_a_version_has_a_row() -> None:
    named = {step for row in ROWS for step in names(row[2])}

    assert named == {step for step in STEPS if step.startswith(("Airflow ", "Python "))} | {"make test", "make demo"}


def test_what_is_left_out_with_the_earliest_versions_is_named() -> None:
    words = {"delivery": "deliveries", "records": "records", "emulator": "emulator", "test_bench": "benchmark"}
    left_out = set(re.findall(r"--ignore tests/(\w+)", ARRAYS["AS_ON_3_3"])) - {"docs"}
    (named,) = re.findall(r"in every other row; those of ([^;]+) with 3\.0 and 2\.11;", " ".join(PAGE.prose.split()))

    assert set(re.findall(r"\w+", named)) & {*words.values(), "memory"} == {
        words.get(folder, "memory") for folder in left_out
    }


def test_the_versions_are_those_of_the_steps_and_the_pins() -> None:
    for airflow, python, steps, *_ in ROWS:
        minor = airflow.rpartition(".")[0]
        pins = (ROOT / "requirements" / f"airflow-{minor}.txt").read_text("utf-8")
        assert f"apache-airflow=={airflow}\n" in pins
        for step in names(steps):
            if step.startswith("Airflow "):
                assert step == f"Airflow {minor}"
                assert STEPS[step].split()[1:3] == [minor, python.partition(",")[0]]
            if step.startswith("Python "):
                assert step == f"Python {python}"


def test_beside_constraints_ci_runs_what_is_pinned_or_the_earliest_that_works() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (floor,) = (Version(found[1]) for each in project["dependencies"] if (found := re.match(r".*-compat>=(.+)", each)))

    assert {row[0] for row in PINS} == {
        row[0] for row in ROWS if any(step.startswith("Airflow ") for step in names(row[2]))
    }
    for airflow, pinned, run, what_to_do in PINS:
        pins = (ROOT / "requirements" / f"airflow-{airflow.rpartition('.')[0]}.txt").read_text("utf-8")
        assert f"apache-airflow-providers-common-compat=={run}\n" in pins
        assert Version(run) == max(Version(pinned), floor)
        assert (what_to_do == "nothing") == (Version(pinned) >= floor)


def test_the_pythons_are_those_that_the_package_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {name.rpartition(" ")[2] for name in project["classifiers"] if "Python :: 3." in name}

    assert declared == {version for row in ROWS for version in re.findall(r"3\.\d\d", row[1])}

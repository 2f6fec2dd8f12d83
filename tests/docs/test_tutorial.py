"""The tutorial: its commands and files, in the order of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.docs.reader import EMULATOR, Reader, free_port
from tests.docs.readme import Readme

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

PAGE = Readme("docs/tutorial.md")
NOT_RUN = {"python3 -m venv", "mkdir -p"}  # CI has an environment; the reader's folder is new
[SAID] = [block.code.rstrip("\n") for block in PAGE.code("text")]
FAILS = "echo '00125"


def typed() -> Iterator[str]:
    """Yield the commands of the page; save each file at the point where the page shows it."""
    for block in PAGE.blocks:
        if block.file:
            yield f"mkdir -p dags\ncat > {block.file} <<'FILE'\n{block.code}FILE"
        elif block.language == "bash" and not block.code.startswith((EMULATOR, *NOT_RUN)):
            # The failure that the page is about must not end the shell.
            yield block.code.rstrip("\n") + " || true" * block.code.startswith(FAILS)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The output of each step."""
    reader = Reader(tmp_path_factory.mktemp("tutorial"), free_port())
    with reader.emulator(next(block.code for block in PAGE.code("bash") if block.code.startswith(EMULATOR))):
        output = reader.type_all({step: step for step in typed()})
    return {step: said.replace(str(reader.port), "8088") for step, said in output.items()}


def runs_of_the_dag(printed: dict[str, str]) -> list[str]:
    return [said for step, said in printed.items() if "airflow dags test" in step]


def test_the_page_has_a_dag_a_failure_and_a_repair() -> None:
    assert [block.file for block in PAGE.code("python")] == ["dags/customers.py"] * 2
    assert sum("airflow dags test" in step for step in typed()) == 3


def test_the_connection_works(printed: dict[str, str]) -> None:
    said = next(said for step, said in printed.items() if "airflow connections add" in step)

    assert "Connection success!" in PAGE.inline_code
    assert "Connection success!" in said


def test_the_users_arrive(printed: dict[str, str]) -> None:
    first, _, last = runs_of_the_dag(printed)
    shown = json.loads(PAGE.code("json")[0].code)

    assert "ended: 2 read = 2 delivered" in first
    assert json.loads(first.rstrip().splitlines()[-1]) == shown
    assert "ended: 3 read = 3 delivered" in last
    assert json.loads(last.rstrip().splitlines()[-1])["user_id"] == "00125"
    assert {"2 read = 2 delivered", "3 read = 3 delivered"} <= set(PAGE.inline_code)


def test_the_failure_says_what_the_page_shows(printed: dict[str, str]) -> None:
    assert SAID in runs_of_the_dag(printed)[1]


def test_no_run_has_an_error_of_a_link_that_is_not_there(printed: dict[str, str]) -> None:
    assert [said.count("XCom not found") for said in runs_of_the_dag(printed)] == [0, 0, 0]

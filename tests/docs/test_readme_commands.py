"""The commands in the README, typed in their order into two terminals, as a new user would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.project import DAY, RECEIPT_KEY, write_examples, write_exports, write_quick_start, write_warehouse
from tests.docs.reader import EMULATOR, Reader, free_port
from tests.docs.readme import ENGLISH, Readme

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

NOT_RUN = {
    "make demo": "a step of its own in CI",
    "pip install .": "CI installs the wheel in a clean environment, what it needs in pinned versions",
    "pip install '.[sql,parquet,zstd,phone,redis]'": "the same",
    "pip wheel --no-deps -w dist .": "CI builds the wheel",
    "pip install airflow-provider-blux": "what an index serves is not what is tested here",
}
COMMANDS = [block.code for block in ENGLISH.code("bash")]
# The connection to Blux itself: tests/docs/test_examples.py reads it.
TO_BLUX = next(code for code in COMMANDS if "YOUR_SECRET_KEY" in code)
# What other pages do with the same folder: give the connection to the emulator a receipt key, run the examples of the
# guides and the test of the DAG, verify the receipts.
CONNECTION = next(line for code in COMMANDS for line in code.splitlines() if "demo-open-api-key" in line)
VERIFY = Readme("docs/receipts.md").code("bash")[0].code.splitlines()[-1]
FURTHER = {
    "pytest": "python -m pytest -p no:cacheprovider tests/test_crm.py",
    "key": CONNECTION.replace('"extra": {', f'"extra": {{"receipt_key": "{RECEIPT_KEY}", '),
    "examples": f"airflow dags test examples {DAY}",
    "receipts": f"export BLUX_RECEIPT_KEY={RECEIPT_KEY}\n"
    + VERIFY.replace("PATH", "private/receipts").replace("00123", "00901"),
}


def command(line: str) -> str:
    """Return a line without its comment."""
    return line.partition("  #")[0].strip()


def run_in_the_second_terminal() -> list[str]:
    return [
        code for code in COMMANDS if command(code) not in NOT_RUN and not code.startswith(EMULATOR) and code != TO_BLUX
    ]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("reader")
    write_quick_start(folder)
    write_exports(folder)
    write_examples(folder / "dags" / "examples.py", folder)
    return Reader(folder, free_port(), {"AIRFLOW_CONN_WAREHOUSE": write_warehouse(folder / "warehouse.db")})


@pytest.fixture(scope="module")
def first_terminal(reader: Reader) -> Iterator[str]:
    """The output of the emulator after its start."""
    with reader.emulator(next(code for code in COMMANDS if code.startswith(EMULATOR))) as said:
        yield said


@pytest.fixture(scope="module")
def second_terminal(reader: Reader, first_terminal: str) -> dict[str, str]:
    """The output of each step."""
    return reader.type_all({code: code for code in run_in_the_second_terminal()} | FURTHER)


def test_every_command_is_run_or_excused() -> None:
    excused = {command(line) for code in COMMANDS for line in code.splitlines()} & NOT_RUN.keys()
    mixed = [code for code in COMMANDS if any(command(line) in NOT_RUN for line in code.splitlines()[1:])]

    assert excused == NOT_RUN.keys()
    assert all(command(line) in NOT_RUN for code in mixed for line in code.splitlines())
    assert len(run_in_the_second_terminal()) == 1


def test_the_emulator_starts(reader: Reader, first_terminal: str) -> None:
    assert first_terminal == reader.as_here("Blux emulator: http://127.0.0.1:8088/\n")


def test_the_first_dag_runs_and_its_user_arrives(second_terminal: dict[str, str]) -> None:
    output = next(iter(second_terminal.values()))
    said = next(code for code in ENGLISH.inline_code if code.startswith("Blux application.upsert_users ended"))

    assert said in output
    assert output.rstrip().endswith(ENGLISH.code("json")[0].code.strip().replace(": ", ":").replace(", ", ","))


def test_the_test_of_a_dag_passes(second_terminal: dict[str, str]) -> None:
    assert "1 passed" in second_terminal["pytest"]


def test_every_example_runs_under_airflow(second_terminal: dict[str, str]) -> None:
    # Nine deliveries; only Airflow passes on the users of an upstream task.
    ended = [line for line in second_terminal["examples"].splitlines() if " ended: " in line]

    assert len(ended) == 9
    assert sum(" application.upsert_users ended: 2 read = 2 delivered" in line for line in ended) == 1
    assert sum(" application.upsert_users ended: 3 read = 2 delivered + 1 suppressed" in line for line in ended) == 1


def test_the_receipts_of_the_run_are_verified(second_terminal: dict[str, str]) -> None:
    output = second_terminal["receipts"]

    assert "accepted by the application API (200), examples.delete_users, run " in output
    assert "VERIFIED" in output
    assert "The id was accepted for deletion." in output

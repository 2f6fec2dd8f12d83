"""The commands in the README, typed in their order into two terminals, as a new user would."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.project import DAY, RECEIPT_KEY, write_examples, write_exports, write_quick_start, write_warehouse
from tests.docs.readme import ENGLISH

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

EMULATOR = "python -m airflow_provider_blux.emulator"
NOT_RUN = {
    "make demo": "a step of its own in CI",
    "pip install .": "CI installs the wheel in a clean environment, what it needs in pinned versions",
    "pip install '.[sql,parquet,zstd,phone,redis]'": "the same",
    "pip wheel --no-deps -w dist .": "CI builds the wheel",
    "pip install airflow-provider-blux": "what an index serves is not what is tested here",
}
COMMANDS = [block.code for block in ENGLISH.code("bash")]
# What the text around the commands tells the reader to do, beside the blocks themselves: give the connection to the
# emulator a receipt key, copy the receipts.
CONNECTION = next(line for code in COMMANDS for line in code.splitlines() if "demo-open-api-key" in line)
FURTHER = {
    "pytest": "python -m pytest -p no:cacheprovider tests/test_crm.py",
    "key": CONNECTION.replace('"extra": {', f'"extra": {{"receipt_key": "{RECEIPT_KEY}", '),
    "examples": f"airflow dags test examples {DAY}",
    "receipts": "cp -R private/receipts receipts",
}


def command(line: str) -> str:
    """Return a line without its comment."""
    return line.partition("  #")[0].strip()


def run_in_the_second_terminal() -> list[str]:
    return [code for code in COMMANDS if command(code) not in NOT_RUN and not code.startswith(EMULATOR)]


@dataclass
class Reader:
    """A new user: an empty folder, two terminals, and nothing else on the machine.

    :param port: stands in for the one in the README, which may be taken.
    :param warehouse: the connection to the database that the SQL example reads.
    """

    folder: Path
    port: int
    warehouse: str

    def as_here(self, code: str) -> str:
        return code.replace("8088", str(self.port))

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.folder),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "NO_PROXY": "*",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_CONN_WAREHOUSE": self.warehouse,
        }

    def terminal(self, script: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - the README's own commands
            [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", self.as_here(script)],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("reader")
    write_quick_start(folder)
    write_exports(folder)
    write_examples(folder / "dags" / "examples.py", folder)
    return Reader(folder, port, write_warehouse(folder / "warehouse.db"))


@pytest.fixture(scope="module")
def first_terminal(reader: Reader) -> Iterator[str]:
    """What the emulator says when it has started."""
    terminal = reader.terminal("exec " + next(code for code in COMMANDS if code.startswith(EMULATOR)))
    try:
        yield terminal.stdout.readline() if terminal.stdout else ""
    finally:
        os.killpg(terminal.pid, signal.SIGTERM)
        terminal.communicate(timeout=30)


@pytest.fixture(scope="module")
def second_terminal(reader: Reader, first_terminal: str) -> dict[str, str]:
    """What each block prints; all run in one shell, so that what a block exports holds for the later ones."""
    quick_start, *others = run_in_the_second_terminal()
    steps = {quick_start: quick_start, **FURTHER, **{code: code for code in others}}
    mark = "----- end of a step"
    output, _ = (terminal := reader.terminal(f"\necho '{mark}'\n".join(steps.values()))).communicate(timeout=500)
    assert terminal.returncode == 0, output
    return dict(zip(steps, output.split(mark), strict=True))


def test_every_command_is_run_or_excused() -> None:
    excused = {command(line) for code in COMMANDS for line in code.splitlines()} & NOT_RUN.keys()
    mixed = [code for code in COMMANDS if any(command(line) in NOT_RUN for line in code.splitlines()[1:])]

    assert excused == NOT_RUN.keys()
    assert all(command(line) in NOT_RUN for code in mixed for line in code.splitlines())
    assert len(run_in_the_second_terminal()) == 4


def test_the_emulator_starts(reader: Reader, first_terminal: str) -> None:
    assert first_terminal == reader.as_here("Blux emulator: http://127.0.0.1:8088/\n")


def test_the_first_dag_runs_and_its_user_arrives(second_terminal: dict[str, str]) -> None:
    output = next(iter(second_terminal.values()))
    said = next(code for code in ENGLISH.inline_code if code.startswith("Blux application.upsert_users ended"))

    assert said in output
    assert output.rstrip().endswith(ENGLISH.code("json")[0].code.strip().replace(": ", ":").replace(", ", ","))


def test_the_connection_is_stored_and_works(second_terminal: dict[str, str]) -> None:
    output = next(output for code, output in second_terminal.items() if "airflow connections add" in code)

    assert "Successfully added" in output
    assert "Connection success!" in output


def test_the_test_of_a_dag_passes(second_terminal: dict[str, str]) -> None:
    assert "1 passed" in second_terminal["pytest"]


def test_every_example_runs_under_airflow(second_terminal: dict[str, str]) -> None:
    # Nine deliveries; only Airflow passes on the users of an upstream task.
    ended = [line for line in second_terminal["examples"].splitlines() if " ended: " in line]

    assert len(ended) == 9
    assert sum(" application.upsert_users ended: 2 read = 2 delivered" in line for line in ended) == 1
    assert sum(" application.upsert_users ended: 3 read = 2 delivered + 1 suppressed" in line for line in ended) == 1


def test_the_receipts_of_the_run_are_verified(second_terminal: dict[str, str]) -> None:
    output = next(output for code, output in second_terminal.items() if "airflow_provider_blux.receipts" in code)

    assert "accepted by the application API (200), examples.delete_users, run " in output
    assert "VERIFIED" in output

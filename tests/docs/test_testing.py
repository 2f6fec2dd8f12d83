"""The code in docs/testing.md runs, and its tables agree with the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from airflow_provider_blux.emulator import Emulator, __main__, faults
from airflow_provider_blux.emulator.backend import Address, Backend, Credentials, Settings
from airflow_provider_blux.emulator.control import Control
from tests.docs.readme import Readme, names
from tests.emulator import interpreter

PAGE = Readme("docs/testing.md")
# The test of a whole DAG needs a database of Airflow: tests/docs/test_readme_commands.py runs it.
FILES = {block.file: block.code for block in PAGE.code("python") if block.file != "tests/test_crm.py"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    for name, code in FILES.items():
        assert name
        (tmp_path / name).write_text(code, "utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_tests_on_the_page_pass(folder: Path) -> None:
    run = interpreter.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=folder)
    shown = sum(len(re.findall(r"^def test_", code, re.MULTILINE)) for code in FILES.values())

    assert shown == 8
    assert re.search(rf"^{shown} passed", run.stdout, re.MULTILINE), run.stdout


@pytest.mark.slow
def test_the_emulator_without_pytest_works(folder: Path) -> None:
    run = interpreter.run("tests/without_pytest.py", cwd=folder)

    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_commands_work(tmp_path: Path) -> None:
    install, start, _, ask = (block.code for block in PAGE.code("bash"))
    assert install.startswith("pip install ")  # CI installs the wheel in a clean environment
    command = [sys.executable, *start.replace("8088", "0").split()[1:]]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout
            url = server.stdout.readline().removeprefix("Blux emulator: ").rstrip("/\n")
            script = ask.replace("http://127.0.0.1:8088", url)
            bash = shutil.which("bash") or "bash"
            done = subprocess.run(  # noqa: S603
                [bash, "-euc", f"export NO_PROXY='*'\n{script}"], capture_output=True, text=True, check=True
            )
        finally:
            server.terminate()

    assert (tmp_path / "emulator.db").exists()
    for part in ('"status":503', '"latency":0.1', '"counts":', '{"message":"ok"}'):
        assert part in done.stdout


@pytest.mark.slow
def test_the_emulator_for_other_machines_starts_with_a_certificate(tmp_path: Path) -> None:
    _, _, start, _ = (block.code for block in PAGE.code("bash"))
    command = [sys.executable, *start.replace("0.0.0.0", "127.0.0.1").replace("8088", "0").split()[1:]]  # noqa: S104
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout
        line = server.stdout.readline()
        server.terminate()

    assert line.startswith("Blux emulator: https://emulator.example.com:")
    assert (tmp_path / "certificates" / "blux-emulator.pem").exists()


def test_every_method_that_is_named_exists() -> None:
    named = {code.partition("(")[0] for row in PAGE.table_of("counts()") for code in names(row[0])}
    looked = {name for name in vars(Emulator) if not name.startswith("_")}

    assert named == looked - {
        "start", "stop", "url", "connection", "connection_json", "fault", "faults", "clear_faults", "settings"
    }  # fmt: skip


def test_the_faults_are_those_of_the_emulator() -> None:
    shown = {names(row[0])[0]: (tuple(names(row[1])), tuple(names(row[2]))) for row in PAGE.table_of("status")}
    sentence = next(part for part in PAGE.prose.split("\n\n") if part.startswith("Every kind may have"))

    assert shown == dict(faults._KINDS)
    assert set(faults._COMMON) - {"kind"} <= set(names(sentence))


def test_the_settings_are_those_of_the_emulator() -> None:
    shown = {names(row[0])[0]: "".join(names(row[1])) for row in PAGE.table_of("police_rates")}

    assert list(shown) == [field.name for field in fields(Settings)]
    assert {name: value for name, value in shown.items() if value} == {
        name: repr(value) for name, value in vars(Settings()).items() if name != "rates"
    }


def test_the_options_are_those_of_the_command() -> None:
    defaults = {action.option_strings[-1]: action.default for action in __main__._parser()._actions[1:]}
    shown = {names(row[0])[0]: (names(row[1]) or [None])[0] for row in PAGE.table_of("--host")}

    assert list(shown) == list(defaults)
    assert {name: str(default) for name, default in defaults.items() if default} == {
        name: default for name, default in shown.items() if default
    }


def test_the_paths_are_those_of_the_control_plane() -> None:
    backend = Backend(address=Address(url=""), credentials=Credentials(), settings=Settings(), state=None)
    routes = {
        (route.method, route.path.removeprefix("/_emulator").replace("{id:path}", "{id}"))
        for route in Control(backend).routes()
        if route.path != "/"  # the page, which has a section of its own
    }
    backend.close()
    shown = {(method, path) for row in PAGE.table_of("/state") for method in names(row[0]) for path in names(row[1])}

    assert shown == routes

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.emulator import interpreter

USERS_TESTS = """
import json
import os
import urllib.request

def send(blux, user_id):
    connection = json.loads(os.environ["AIRFLOW_CONN_BLUX_DEFAULT"])
    request = urllib.request.Request(
        f"{connection['host']}/v2/applications/{connection['login']}/users/update-properties/bulk",
        data=json.dumps({"users": [{"user_id": user_id}]}).encode(),
        headers={"Authorization": connection["password"], "Content-Type": "application/json"},
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()

urls = set()

def test_one(blux_emulator):
    urls.add(blux_emulator.url)
    send(blux_emulator, "u-1")
    assert set(dict(blux_emulator.users())) == {"u-1"}

def test_two_begins_empty_on_the_same_server(blux_emulator):
    urls.add(blux_emulator.url)
    assert blux_emulator.counts()["users"] == 0
    assert len(urls) == 1

def test_three_has_no_connection_left():
    assert "AIRFLOW_CONN_BLUX_DEFAULT" not in os.environ
"""


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A user's run: no configuration of ours, the plugin found by its entry point.
    return interpreter.run("-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *arguments, cwd=folder)


@pytest.mark.slow
def test_the_fixture_is_there_without_any_configuration(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(USERS_TESTS)
    run = pytest_run(tmp_path, "-q")
    assert (run.returncode, run.stdout.splitlines()[-1].split(" in ")[0]) == (0, "3 passed"), run.stdout


@pytest.mark.slow
def test_a_test_does_not_run_if_a_secrets_backend_leads_its_connection_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_theirs.py").write_text("def test_one(blux_emulator):\n    raise RuntimeError('it has run')")
    (tmp_path / "connections.json").write_text(
        '{"blux_default": {"conn_type": "blux", "host": "https://real.example"}}'
    )
    backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", backend)
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", '{"connections_file_path": "connections.json"}')

    stopped = pytest_run(tmp_path, "-q").stdout
    for setting in ("AIRFLOW__SECRETS__BACKEND", "AIRFLOW__WORKERS__SECRETS_BACKEND"):  # as the message says
        monkeypatch.setenv(setting, "")

    assert "set AIRFLOW__SECRETS__BACKEND and AIRFLOW__WORKERS__SECRETS_BACKEND to empty text" in stopped
    assert "it has run" not in stopped
    assert "it has run" in pytest_run(tmp_path, "-q").stdout


@pytest.mark.slow
def test_the_fixture_is_listed_with_what_it_does(tmp_path: Path) -> None:
    assert "Give the test an empty emulator" in pytest_run(tmp_path, "--fixtures").stdout


@pytest.mark.slow
def test_the_plugin_imports_nothing_that_it_may_not_need() -> None:
    code = """
import sys
import pytest
before = set(sys.modules)
import airflow_provider_blux.emulator.pytest_plugin
print(sorted(name for name in set(sys.modules) - before if not name.startswith("__")))
"""
    run = interpreter.run("-c", code)
    ours = "airflow_provider_blux"
    assert run.stdout.strip() == str([ours, f"{ours}.emulator", f"{ours}.emulator.pytest_plugin"])


@pytest.mark.slow
def test_the_emulator_imports_nothing_of_the_client() -> None:
    code = """
import sys
import airflow_provider_blux.emulator.__main__, airflow_provider_blux.emulator.http_server
print(sorted(name for name in sys.modules if name == "airflow" or name.startswith("airflow_provider_blux")
             and not name.startswith("airflow_provider_blux.emulator")))
"""
    run = interpreter.run("-c", code)
    assert run.stdout.strip() == "['airflow_provider_blux']"

"""docs/docker.md is correct, as far as this can be checked without Docker."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_blux.hooks.blux import BluxHook
from tests.docs.readme import Readme

pytestmark = pytest.mark.slow

PAGE = Readme("docs/docker.md")
(COMPOSE,) = (yaml.safe_load(block.code) for block in PAGE.code("yaml"))
BLUX, AIRFLOW = COMPOSE["services"]["blux"], COMPOSE["services"]["airflow"]
FOLDER, NAME = "/opt/airflow/blux", "blux"


def here(text: str, folder: Path, port: str) -> str:
    """Return text of the page with a folder, a port and loopback of this machine."""
    return text.replace(FOLDER, str(folder)).replace("8088", port).replace("0.0.0.0", "127.0.0.1")  # noqa: S104


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start the emulator with its command; yield its port."""
    resolve = socket.getaddrinfo

    def names_of_docker(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host == NAME else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", names_of_docker)
    _, *arguments = shlex.split(here(BLUX["command"], tmp_path, "0"))
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout
        yield server.stdout.readline().rstrip("/\n").rpartition(":")[2]
        server.terminate()
    assert server.returncode == 0


def test_the_connection_reaches_the_emulator_by_the_name_of_its_service(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = here(AIRFLOW["environment"]["AIRFLOW_CONN_BLUX_DEFAULT"], tmp_path, port)
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", connection)

    assert json.loads(connection)["host"] == f"https://{NAME}:{port}/prod"
    assert BluxHook().upsert_users([{"user_id": "00123"}]).delivered == 1
    assert BluxHook().send_events([{"name": "visit", "user_id": "00123"}]).delivered == 1


def test_the_health_check_passes_as_soon_as_it_answers(port: str, tmp_path: Path) -> None:
    _, _, *arguments = (here(part, tmp_path, port) for part in BLUX["healthcheck"]["test"])

    assert subprocess.run([sys.executable, *arguments], check=False).returncode == 0  # noqa: S603


def test_both_containers_have_the_folder_of_the_certificate() -> None:
    assert NAME in COMPOSE["services"]
    assert f"--certificate {FOLDER}" in BLUX["command"]
    assert f"{NAME}:{FOLDER}" in BLUX["volumes"]
    assert f"{NAME}:{FOLDER}:ro" in AIRFLOW["volumes"]
    (dockerfile,) = (block.code for block in PAGE.code("dockerfile"))
    assert f"mkdir --mode 775 {FOLDER}" in dockerfile


def test_no_port_is_published_beyond_loopback() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)

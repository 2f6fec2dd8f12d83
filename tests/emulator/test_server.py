from __future__ import annotations

import gc
import json
import os
import re
import shlex
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_blux.emulator import Emulator
from tests.emulator import interpreter
from tests.emulator.client import USERS, VALID, Client, until

COMMAND = ("-m", "airflow_provider_blux.emulator")


def emulator_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "blux-emulator"]


def sockets() -> int:
    gc.collect()  # what earlier tests left to be closed is not counted
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except OSError:  # the one of the listing itself
            continue
    return found


def start_of_request() -> bytes:
    return f"POST {USERS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{{".encode()


def test_it_knows_its_connection() -> None:
    with Emulator() as blux:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", blux.url)
        assert blux.connection() == {
            "conn_type": "blux",
            "host": f"{blux.url}/prod",
            "login": "demo-app",
            "password": "demo-secret-key",
            "extra": {"open_api_url": blux.url, "project_id": "demo-project", "open_api_key": "demo-open-api-key"},
        }
        assert json.loads(blux.connection_json()) == blux.connection()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open sockets can be counted on Linux only")
def test_nothing_is_left_when_it_stops() -> None:
    threads, before = emulator_threads(), sockets()
    with Emulator() as blux:
        url = blux.url
        assert len(emulator_threads()) == len(threads) + 1
    assert emulator_threads() == threads
    assert sockets() <= before
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_it_stops_while_clients_are_still_there() -> None:
    blux = Emulator().start()
    address = ("127.0.0.1", int(blux.url.rpartition(":")[2]))
    blux.fault(kind="delay", seconds=600)
    with socket.create_connection(address) as idle, socket.create_connection(address) as half, Client(blux) as client:
        half.sendall(start_of_request())
        with ThreadPoolExecutor() as pool:
            held = pool.submit(client.post, USERS, VALID[USERS])
            until(lambda: blux.faults()[0]["struck"] == 1)
            blux.stop()
            assert isinstance(held.exception(), requests.ConnectionError)
        for left in (idle, half):
            left.settimeout(5)
            with pytest.raises(ConnectionResetError):
                left.recv(1)


def test_a_client_that_hangs_up_within_its_request_is_in_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    with Emulator() as blux:
        with socket.create_connection(("127.0.0.1", int(blux.url.rpartition(":")[2]))) as half:
            half.sendall(start_of_request())
        until(lambda: blux.requests() != [])
        assert [(entry["status"], entry["records"]) for entry in blux.requests()] == [(None, 0)]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_starting_and_stopping_takes_milliseconds() -> None:
    def seconds() -> float:
        began = time.monotonic()
        Emulator().start().stop()
        return time.monotonic() - began

    assert any(seconds() < 0.05 for _ in range(10))  # a busy machine delays most of them


def test_it_can_be_started_again() -> None:
    blux = Emulator()
    for _ in range(2):
        with blux, Client(blux) as client:
            assert client.post(USERS, VALID[USERS]).status_code == 200
            assert blux.counts()["users"] == 1


def test_it_says_that_it_is_not_running() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Emulator().url
    with Emulator() as blux, pytest.raises(RuntimeError, match="already running"):
        blux.start()
    blux.stop()
    with pytest.raises(RuntimeError, match="not running"):
        blux.counts()


def test_a_port_in_use_is_named() -> None:
    with Emulator() as blux:
        port = int(blux.url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"Port {port} of 127.0.0.1 is in use"):
            Emulator(port=port).start()


@pytest.mark.parametrize("method", ["user", "profile", "device", "events", "deletion"])
@pytest.mark.parametrize("given", [123, None, b"u-1"], ids=repr)
def test_an_id_that_is_no_text_is_refused(method: str, given: Any) -> None:
    with Emulator() as blux, pytest.raises(ValueError, match=f"^the id is of type {type(given).__name__}; ids in Blux"):
        getattr(blux, method)(given)


@pytest.mark.parametrize("name", ["application_id", "secret_key", "project_id", "open_api_key"])
@pytest.mark.parametrize("value", ["", None, 5])
def test_credentials_that_no_client_could_send_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be text and not empty"):
        Emulator(**{name: value})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"port": "8088"}, "port must be a whole number from 0 to 65535"),
        ({"port": 65536}, "port must be a whole number from 0 to 65535"),
        ({"port": None}, "port must be a whole number from 0 to 65535"),
        ({"names": "blux"}, "names must be a list of host names"),
        ({"names": [""]}, "names must be a list of host names"),
        ({"names": [5]}, "names must be a list of host names"),
        ({"names": ["https://blux:8088"]}, "names must be a list of host names"),
        ({"names": ["my blux"]}, "names must be a list of host names"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(tmp_path: Path, arguments: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}"):
        Emulator(certificate=tmp_path, **arguments)


def test_it_shows_no_secret_in_its_repr() -> None:
    with Emulator(secret_key="s3cr3t") as blux:
        assert "s3cr3t" not in repr(vars(blux))


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, stop: signal.Signals) -> None:
    arguments = ["--port", "0", "--state", str(tmp_path / "state"), "--secret-key", "it's mine"]
    arguments += ["--police-rates", "--limit-kind", "spacing"]
    with interpreter.start(*COMMAND, *arguments) as process:
        first = process.stdout.readline()
        url = re.fullmatch(r"Blux emulator: (http://127\.0\.0\.1:\d+)/\n", first)[1]
        headers = {"Authorization": "it's mine"}
        assert requests.post(url + USERS, json=VALID[USERS], headers=headers, timeout=10).status_code == 200
        settings = requests.get(f"{url}/_emulator/settings", timeout=10).json()
        assert (settings["police_rates"], settings["limit_kind"]) == (True, "spacing")
        process.send_signal(stop)
        rest, errors = process.stdout.read(), process.stderr.read()
    assert (process.returncode, errors) == (0, "")
    (export,) = (line.strip() for line in rest.splitlines() if "export" in line)
    command, assignment = shlex.split(export)
    name, _, connection = assignment.partition("=")
    assert (command, name, json.loads(connection)["password"]) == ("export", "AIRFLOW_CONN_BLUX_DEFAULT", "it's mine")
    with Emulator(state=tmp_path / "state") as blux:
        assert blux.user("u-1") is not None


def failed(*arguments: str) -> tuple[int, list[str]]:
    run = interpreter.run(*COMMAND, *arguments)
    assert run.stdout == ""
    return run.returncode, run.stderr.splitlines()


@pytest.mark.slow
def test_the_command_names_what_it_cannot_use_in_one_line(blux: Emulator, tmp_path: Path) -> None:
    port = blux.url.rpartition(":")[2]
    assert failed("--port", port) == (
        2,
        [f"Port {port} of 127.0.0.1 is in use. Take another one, or 0 for a free one."],
    )
    missing = tmp_path / "missing" / "state"
    assert failed("--port", "0", "--state", str(missing)) == (
        2,
        [f"The state file {missing} cannot be used: unable to open database file."],
    )
    assert failed("--port", "99999") == (
        2,
        ["port must be a whole number from 0 to 65535, and 0 takes a free one."],
    )

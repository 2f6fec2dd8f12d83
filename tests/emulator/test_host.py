"""The emulator for other machines: its certificate, and the access to its data."""

from __future__ import annotations

import base64
import re
import socket
import time
from email.message import Message
from pathlib import Path

import pytest
import requests
from cryptography import x509

from airflow_provider_blux.emulator import Emulator, messages
from airflow_provider_blux.emulator.backend import Address, Backend, Credentials, Settings
from airflow_provider_blux.emulator.control import Control
from tests.emulator import interpreter
from tests.emulator.client import USERS, VALID

ANY = "0.0.0.0"  # noqa: S104 - what is refused


def post(blux: Emulator) -> int:
    extra = blux.connection()["extra"]
    headers = {"Authorization": "demo-secret-key"}
    return requests.post(
        blux.url + USERS, json=VALID[USERS], headers=headers, verify=extra["verify"], timeout=10
    ).status_code


def test_a_client_trusts_the_certificate_that_the_connection_names(tmp_path: Path) -> None:
    with Emulator(certificate=tmp_path / "new" / "folder") as blux:
        assert re.fullmatch(r"https://127\.0\.0\.1:\d+", blux.url)
        assert blux.connection()["extra"]["verify"] == str(tmp_path / "new" / "folder" / "blux-emulator.pem")
        assert post(blux) == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(blux.url, timeout=10)


def test_the_certificate_is_for_the_names_and_loopback_and_can_sign_no_other(tmp_path: Path) -> None:
    with Emulator(certificate=tmp_path, names=["Blux", "10.0.0.7"]) as blux:
        assert blux.connection()["host"].startswith("https://blux:")
        certificate = x509.load_pem_x509_certificate((tmp_path / "blux-emulator.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["blux", "localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7", "127.0.0.1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_folder_holds_no_key_and_each_start_has_another_certificate(tmp_path: Path) -> None:
    made = set()
    for _ in range(2):
        with Emulator(certificate=tmp_path) as blux:
            assert post(blux) == 200
        (file,) = tmp_path.iterdir()
        made.add(file.read_text())
        assert "PRIVATE" not in file.read_text()
    assert len(made) == 2


def test_a_start_that_fails_leaves_the_certificate_of_the_one_that_runs(tmp_path: Path) -> None:
    with Emulator(certificate=tmp_path) as blux:
        with pytest.raises(OSError, match="is in use"):
            Emulator(certificate=tmp_path, port=int(blux.url.rpartition(":")[2])).start()
        assert post(blux) == 200


def test_who_does_not_shake_hands_holds_up_nobody_and_no_end(tmp_path: Path) -> None:
    with Emulator(certificate=tmp_path) as blux:
        address = ("127.0.0.1", int(blux.url.rpartition(":")[2]))
        with socket.create_connection(address), socket.create_connection(address) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert post(blux) == 200
            began = time.monotonic()
            blux.stop()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("kind", "error"), [("reset", "Connection aborted"), ("truncate", "IncompleteRead")])
def test_connections_break_over_tls_as_well(tmp_path: Path, kind: str, error: str) -> None:
    with Emulator(certificate=tmp_path) as blux:
        blux.fault(kind=kind, times=1)
        with pytest.raises(requests.RequestException, match=error):
            post(blux)
        assert post(blux) == 200


@pytest.mark.parametrize(
    "options", [{"host": ANY}, {"host": ""}, {"host": "blux"}, {"host": "10.0.0.7"}, {"names": ["b"]}]
)
def test_nothing_but_loopback_is_served_without_a_certificate(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"answers over TLS only.*--certificate"):
        Emulator(**options)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    with Emulator(host=host) as blux:
        assert blux.url.startswith(f"http://{host}:")
        assert requests.get(blux.url, timeout=10).status_code == 200


def test_an_address_for_all_networks_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--name"):
        Emulator(host=ANY, certificate=tmp_path)


def test_an_address_or_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1: "):
        Emulator(host="192.0.2.1", certificate=tmp_path).start()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=f"cannot be written to {tmp_path}/file: "):
        Emulator(certificate=tmp_path / "file").start()


@pytest.mark.slow
def test_the_command_says_what_is_missing_in_one_line(tmp_path: Path) -> None:
    run = interpreter.run("-m", "airflow_provider_blux.emulator", "--port", "0", "--host", ANY)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("Beyond loopback the emulator answers over TLS only")
    assert len(run.stderr.splitlines()) == 1


def asked_by(peer: str, **headers: str) -> int | None:
    address = Address(url="https://blux:8088", names=("blux",))
    backend = Backend(address=address, credentials=Credentials(), settings=Settings(), state=None)
    given = Message()
    for name, value in headers.items():
        given[name] = value
    request = messages.Request(
        method="GET", path="/_emulator/state", query="", headers=given, peer=peer, arrived=0.0, read=lambda: b""
    )
    try:
        return messages.answer(Control(backend).routes(), request).status
    finally:
        backend.close()


BASIC = "Basic " + base64.b64encode(b"demo-app:demo-secret-key").decode()


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {"Host": "localhost:8088"}, 200),
        ("127.0.0.1", {"Host": "blux:8088"}, 200),
        ("172.18.0.3", {"Host": "blux:8088"}, 401),
        ("172.18.0.3", {"Host": "localhost:8088"}, 401),
        ("172.18.0.3", {"Host": "blux:8088", "Authorization": "demo-secret-key"}, 401),
        ("172.18.0.3", {"Host": "blux:8088", "Authorization": BASIC}, 200),
        ("172.18.0.3", {"Host": "blux:8088", "Authorization": BASIC, "Origin": "https://blux:8088"}, 200),
        ("172.18.0.3", {"Host": "blux:8088", "Authorization": BASIC, "Origin": "https://evil.example"}, 403),
        ("172.18.0.3", {"Host": "evil.example", "Authorization": BASIC}, 403),
    ],
)
def test_the_control_plane_asks_other_machines_for_credentials(peer: str, headers: dict[str, str], status: int) -> None:
    assert asked_by(peer, **headers) == status

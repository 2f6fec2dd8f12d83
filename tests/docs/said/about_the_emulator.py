"""Provokes the messages of the emulator."""

from __future__ import annotations

from email.message import Message

import requests

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.emulator.backend import Address, Backend, Credentials, Settings
from airflow_provider_blux.emulator.control import Control
from airflow_provider_blux.emulator.messages import Request, answer
from tests.docs.said.scene import Scene, says
from tests.emulator import interpreter


@says("Port … of")
def port_in_use(scene: Scene) -> None:
    Emulator(port=int(scene.blux.url.rpartition(":")[2])).start()


@says("The emulator cannot listen on")
def address_of_another_machine(scene: Scene) -> None:
    Emulator(host="192.0.2.1", certificate=scene.folder).start()


@says("Beyond loopback")
def another_address_without_a_certificate(scene: Scene) -> None:
    Emulator(host="192.0.2.1")


@says("Name the host")
def certificate_without_a_name(scene: Scene) -> None:
    Emulator(host="0.0.0.0", certificate=scene.folder)  # noqa: S104 - refused


@says("The certificate cannot be written")
def certificate_in_no_folder(scene: Scene) -> None:
    scene.file("certificate", b"")
    Emulator(certificate=scene.folder / "certificate").start()


@says("The state file")
def state_that_cannot_be_used(scene: Scene) -> None:
    Emulator(state=scene.folder / "missing" / "state.db").start()


@says("The emulator is not running")
def emulator_that_was_not_started(scene: Scene) -> None:
    Emulator().counts()


@says("fixture 'blux_emulator'")
def missing_fixture(scene: Scene) -> str:
    scene.file("test_theirs.py", b"def test_one(blux_emulator): ...\n")
    return interpreter.run("-m", "pytest", "-p", "no:blux_emulator", "-p", "no:cacheprovider", cwd=scene.folder).stdout


@says("the control plane answers")
def control_plane_from_elsewhere(scene: Scene) -> str:
    return requests.get(f"{scene.blux.url}/_emulator/state", headers={"Host": "example.com"}, timeout=10).text


@says("the control plane asks")
def control_plane_from_another_machine(scene: Scene) -> str:
    backend = Backend(address=Address(url=""), credentials=Credentials(), settings=Settings(), state=None)
    headers = Message()
    headers["Host"] = "localhost"
    request = Request(
        method="GET",
        path="/_emulator/state",
        query="",
        headers=headers,
        peer="192.0.2.1",
        arrived=0.0,
        read=lambda: b"",
    )
    try:
        return answer(Control(backend).routes(), request).body.decode()
    finally:
        backend.close()

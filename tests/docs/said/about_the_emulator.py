"""Provokes the messages of the emulator."""

from __future__ import annotations

import sys

import requests

from airflow_provider_blux.emulator import Emulator
from tests.docs.said.scene import Scene, says
from tests.emulator import interpreter


@says("Port … of")
def port_in_use(scene: Scene) -> None:
    Emulator(port=int(scene.blux.url.rpartition(":")[2])).start()


@says("The emulator needs")
def emulator_without_its_extra(scene: Scene) -> None:
    scene.patch.setitem(sys.modules, "uvicorn", None)  # type: ignore[arg-type]
    scene.patch.delitem(sys.modules, "airflow_provider_blux.emulator.serving")
    Emulator().start()


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


@says("the control plane")
def control_plane_from_elsewhere(scene: Scene) -> str:
    return requests.get(f"{scene.blux.url}/_emulator/state", headers={"Host": "example.com"}, timeout=10).text

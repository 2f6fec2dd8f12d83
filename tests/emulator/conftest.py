from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from airflow_provider_blux.emulator import Emulator, http_server
from tests.emulator.client import Client


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    with Emulator() as blux:
        yield blux


@pytest.fixture
def blux(shared_emulator: Emulator) -> Emulator:
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture
def client(blux: Emulator) -> Iterator[Client]:
    with Client(blux) as client:
        yield client


@pytest.fixture
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all requests arrive at one moment: on a busy machine they would take longer than the second that counts."""
    now = time.monotonic()
    monkeypatch.setattr(http_server, "time", SimpleNamespace(monotonic=lambda: now))

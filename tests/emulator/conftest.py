from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_blux.emulator import Emulator
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

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_blux.emulator import Emulator


@pytest.fixture(scope="module")
def _server() -> Iterator[Emulator]:
    with Emulator() as blux:
        yield blux


@pytest.fixture
def blux(_server: Emulator) -> Emulator:
    _server.reset()
    return _server

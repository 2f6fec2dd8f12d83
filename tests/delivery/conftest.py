from __future__ import annotations

import pytest

from airflow_provider_blux.emulator import Emulator


@pytest.fixture
def blux(_blux_emulator_server: Emulator) -> Emulator:
    _blux_emulator_server.reset()
    return _blux_emulator_server

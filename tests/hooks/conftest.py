"""The fixture ``connect``, which changes the Airflow connection of a test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator


@pytest.fixture
def connect(blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that points ``blux_default`` at the emulator with some fields changed."""

    def connect(*, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        connection = blux_emulator.connection()
        connection = {**connection, **fields, "extra": {**connection["extra"], **(extra or {})}}
        monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))

    return connect

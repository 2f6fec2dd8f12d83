"""Registers the functions that provoke messages, and gives them an emulator, a folder and the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.emulator import Emulator

if TYPE_CHECKING:
    import pytest

USERS = [{"user_id": str(number)} for number in range(1, 4)]
EVENTS = [{"user_id": "1", "name": "viewed", "id": str(number)} for number in range(1, 4)]
# For so long only Airflow waits: the try ends at once.
UNAVAILABLE = {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}}


@dataclass
class Scene:
    """The environment of a provocation: an emulator that ``blux_default`` leads to, a folder, and the log."""

    blux: Emulator
    folder: Path
    patch: pytest.MonkeyPatch
    log: pytest.LogCaptureFixture
    out: pytest.CaptureFixture[str]

    def connect(self, *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        """Change fields of the connection."""
        connection = {**self.blux.connection(), **fields}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        self.patch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))

    def file(self, name: str, content: bytes) -> str:
        """Write a file; return its path."""
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


Provocation = Callable[[Scene], Any]
#: By the beginning of the message; each returns it, raises it, or leaves it in the log.
PROVOCATIONS: dict[str, Provocation] = {}


def says(*beginnings: str) -> Callable[[Provocation], Provocation]:
    """Register a function that provokes the messages with these beginnings."""

    def register(provocation: Provocation) -> Provocation:
        for beginning in beginnings:
            PROVOCATIONS[beginning] = provocation
        return provocation

    return register

"""Deliveries with a snapshot in a separate process, which a test kills: ``... CONNECTION FOLDER VALUE``."""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

from tests.delivery.killed import Elsewhere
from tests.delivery.pushing import push, snapshot_in

USERS = 400


def rows_of(value: int) -> list[dict[str, Any]]:
    """Return a row of each user; a quarter of the rows differ between two values."""
    return [{"user_id": f"u{number}", "x": value if number % 4 == value % 4 else -1} for number in range(USERS)]


def deliver(blux: Any, folder: Path, value: int, **options: Any) -> Any:
    # Each batch is written down before it leaves, so that a kill meets as many writes as may be.
    snapshot = snapshot_in(folder, clock=count(0, 10).__next__)
    return push(blux, "upsert_users", rows_of(value), snapshot=snapshot, batch_size=5, **options)


if __name__ == "__main__":
    blux, folder = Elsewhere(json.loads(sys.argv[1])), Path(sys.argv[2])
    for value in count(int(sys.argv[3])):
        deliver(blux, folder, value)

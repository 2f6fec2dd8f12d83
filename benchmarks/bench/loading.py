"""Loads the snapshot in a folder, and says how long that took beside reading its bytes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.snapshot_files import SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load
from airflow_provider_blux.delivery.storage import Folder
from benchmarks.table import say


def main(folder: str) -> None:
    """Load the snapshot, then read the same files."""
    began = time.monotonic()
    load(SnapshotFolder(Folder(LocalFileSystem(), folder, "snapshot_path"), None))
    loaded = time.monotonic()
    for path in Path(folder).iterdir():
        path.read_bytes()
    say(json.dumps({"load": loaded - began, "read": time.monotonic() - loaded}))


if __name__ == "__main__":
    main(sys.argv[1])

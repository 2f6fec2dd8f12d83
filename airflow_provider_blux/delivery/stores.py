"""Where a checkpoint is kept between two tries: in a file, or in Airflow's task state."""

from __future__ import annotations

import json
from typing import Any, Protocol

from airflow_provider_blux.delivery.folder import Folder
from airflow_provider_blux.exceptions import BluxCheckpointError

WAY_OUT = (
    "To go on: put back what was changed; or run the task once with resume=False, which sends the whole source "
    "again, what earlier tries delivered included."
)


class Store(Protocol):
    """Where a checkpoint is kept between two tries."""

    def load(self) -> Any:
        """Return what was saved last; ``None`` when there is nothing."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep the state, in place of what was saved before."""

    def clear(self) -> None:
        """Forget what was saved."""


class FileStore:
    """Keeps a checkpoint in a file of a folder (``checkpoint_path``)."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = f"{name}.checkpoint.json"
        folder.prepare()

    def __str__(self) -> str:
        return self._folder.url(self._name)

    def load(self) -> Any:
        """Return the file's content.

        :raises BluxCheckpointError: it is not what this package writes.
        """
        content = self._folder.read(self._name)
        if content is None:
            return None
        try:
            return json.loads(content)
        except ValueError:
            raise BluxCheckpointError(f"The checkpoint {self} cannot be read: it is not JSON. {WAY_OUT}") from None

    def save(self, state: dict[str, Any]) -> None:
        """Write the file whole."""
        self._folder.write(self._name, json.dumps(state).encode())

    def clear(self) -> None:
        """Remove the file."""
        self._folder.remove(self._name)


class TaskStateStore:
    """Keeps a checkpoint in Airflow's own task state (3.3 and later), which outlives a try but not the DAG run."""

    _KEY = "blux_checkpoint"

    def __init__(self, store: Any) -> None:
        self._store = store

    def __str__(self) -> str:
        return "Airflow's task state"

    def load(self) -> Any:
        """Return what an earlier try saved."""
        return self._store.get(self._KEY, default=None)

    def save(self, state: dict[str, Any]) -> None:
        """Save the state (about 20 ms)."""
        self._store.set(self._KEY, state)

    def clear(self) -> None:
        """Delete the state: Airflow itself would keep it even when the task is cleared."""
        self._store.delete(self._KEY)

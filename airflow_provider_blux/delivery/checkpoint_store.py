"""Where a checkpoint is kept between two tries: in a file of a folder, or in Airflow's task state."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any, Protocol

from airflow_provider_blux.delivery.storage import Folder, named_in_errors
from airflow_provider_blux.exceptions import BluxCheckpointError

WAY_OUT = (
    "To continue: undo the change, or run the task once with resume=False, which sends the whole source again, "
    "including what earlier tries delivered."
)


class Store(Protocol):
    """Storage for a checkpoint between two tries.

    :raises airflow_provider_blux.exceptions.BluxError: the storage does not answer.
    """

    def load(self) -> Any:
        """Return the state that was saved last; ``None`` if there is none."""

    def save(self, state: dict[str, Any]) -> None:
        """Save the state and replace the previous one."""

    def clear(self) -> None:
        """Delete the saved state."""


class FileStore:
    """Keeps a checkpoint in a file of a folder (``checkpoint_path``)."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = f"{name}.checkpoint.json"
        folder.prepare()

    def __str__(self) -> str:
        return self._folder.url(self._name)

    def load(self) -> Any:
        """Return the state in the file; ``None`` if there is no file.

        :raises BluxCheckpointError: the content of the file is not JSON.
        :raises BluxError: the file cannot be read.
        """
        with self._folder.named_in_errors(self._name, "read"):
            content = self._folder.read(self._name)
        if content is None:
            return None
        try:
            return json.loads(content)
        except ValueError:
            raise BluxCheckpointError(f"The checkpoint {self} cannot be read: it is not JSON. {WAY_OUT}") from None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the content of the file with the state.

        :raises BluxError: the file cannot be written.
        """
        with self._folder.named_in_errors(self._name, "written"):
            self._folder.write(self._name, json.dumps(state).encode())

    def clear(self) -> None:
        """Remove the file.

        :raises BluxError: the file cannot be removed.
        """
        with self._folder.named_in_errors(self._name, "removed"):
            self._folder.remove(self._name)


class TaskStateStore:
    """Keeps a checkpoint in Airflow's own task state (3.3 and later), which outlives a try but not the DAG run."""

    _KEY = "blux_checkpoint"

    def __init__(self, store: Any) -> None:
        self._store = store

    def load(self) -> Any:
        """Return the state that an earlier try saved; ``None`` if there is none.

        :raises BluxError: Airflow does not answer; so do :meth:`save` and :meth:`clear`.
        """
        with self._named_in_errors("read"):
            return self._store.get(self._KEY, default=None)

    def save(self, state: dict[str, Any]) -> None:
        """Save the state and replace the previous one."""
        with self._named_in_errors("written"):
            self._store.set(self._KEY, state)

    def clear(self) -> None:
        """Delete the state: Airflow itself would keep it even when the task is cleared."""
        with self._named_in_errors("removed"):
            self._store.delete(self._KEY)

    @staticmethod
    def _named_in_errors(done: str) -> AbstractContextManager[None]:
        return named_in_errors(
            "The checkpoint in Airflow's task state",
            done,
            "Check that the worker reaches Airflow's API server, or keep the checkpoint in a checkpoint_path.",
        )

"""The task run that a delivery belongs to, and the flag that asks the run to stop."""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from airflow_provider_blux.exceptions import BluxStopped

_LONGEST = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
# What is read with its folder must not be named like a marker of Spark (`_SUCCESS`), which is skipped there.
_LIKE_A_MARKER = re.compile(r"\A[._]")
_HOOK = "hook"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A task instance and the number of its try. Outside a task, the ids are generated and different each time.

    ``dag_id``, ``run_id`` and ``task_id`` are those of Airflow.

    :param map_index: -1 for a task that is not mapped.
    :param try_number: 1 for the first.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1

    @classmethod
    def unnamed(cls) -> Run:
        """Return a run with generated ids, for a hook that is used outside a task."""
        return cls(dag_id=_HOOK, run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}", task_id=secrets.token_hex(4))

    @property
    def task(self) -> str:
        """Return the name of the task, the same in each run; ``hook`` for hooks that are used outside a task."""
        return _HOOK if self.dag_id == _HOOK else f"{self.dag_id}.{self.task_id}"

    @property
    def task_file(self) -> str:
        """Return a file name without suffix that is unique to the task instance and the same in all of its tries."""
        parts = [self.dag_id, self.task_id, self.run_id]
        if self.map_index >= 0:
            parts.append(str(self.map_index))
        # Two names may be equal after unsafe characters are replaced. The digest keeps the file names different.
        digest = blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()
        name = "__".join([*(_UNSAFE.sub("-", part)[:_LONGEST] for part in parts), digest])
        return _LIKE_A_MARKER.sub("-", name)

    @property
    def try_file(self) -> str:
        """Return a file name without suffix that is unique to this try."""
        return f"{self.task_file}__try{self.try_number}"


class Stop:
    """A flag that asks a run to stop; it interrupts each wait of the run."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._is_requested = False

    def request(self) -> None:
        """Ask the run to stop; the run notices it within half a second.

        This is for a signal handler, which must not take a lock as :meth:`set` does.
        """
        self._is_requested = True

    def set(self) -> None:
        """Ask the run to stop: its pauses end at once, requests in flight are waited for, and no new request starts."""
        self._is_requested = True
        self._event.set()

    def is_requested(self) -> bool:
        """Return whether the run was asked to stop."""
        return self._is_requested

    def check(self) -> None:
        """Raise :class:`BluxStopped` when the run was asked to stop."""
        self.sleep(0)

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds; raise :class:`BluxStopped` as soon as the run is asked to stop."""
        if self._is_requested:
            self._event.set()
        if self._event.wait(seconds) if seconds > 0 else self._event.is_set():
            raise BluxStopped("The task was told to stop.")

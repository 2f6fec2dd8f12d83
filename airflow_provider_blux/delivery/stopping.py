"""How a run is told to stop, and how everything that waits in it hears of it."""

from __future__ import annotations

import threading

from airflow_provider_blux.exceptions import BluxStopped


class Stop:
    """A request to stop, which every waiting place of a run heeds at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._is_requested = False

    def request(self) -> None:
        """Ask the run to stop from a signal handler, which may take no lock; heard within half a second."""
        self._is_requested = True

    def set(self) -> None:
        """Ask the run to stop; requests on their way are waited for, no other is started."""
        self._event.set()

    def check(self) -> None:
        """Raise :class:`BluxStopped` when the run was asked to stop."""
        self.sleep(0)

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds, or raise :class:`BluxStopped` as soon as the run is asked to stop."""
        if self._is_requested:
            self._event.set()
        if self._event.wait(seconds) if seconds > 0 else self._event.is_set():
            raise BluxStopped("The task was told to stop.")

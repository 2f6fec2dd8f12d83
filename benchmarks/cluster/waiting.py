"""How long a process had to wait for a core, without which the rate that a server on this machine sees says little.

A server that stands still notes what arrives meanwhile as one burst.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

_EVERY_SECONDS = 0.02
#: What a pace with 2 % of headroom cannot make up for.
LONG = 0.02


class Waiting:
    """Wakes up over and over while a ``with`` block runs, and notes how late it was."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.long = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __str__(self) -> str:
        return f"{self.longest * 1000:.0f} ms, {self.long:,} times more than {LONG * 1000:.0f} ms"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        due = time.monotonic() + _EVERY_SECONDS
        while not self._over.wait(_EVERY_SECONDS):
            late = time.monotonic() - due
            self.longest = max(self.longest, late)
            self.long += late > LONG
            due = time.monotonic() + _EVERY_SECONDS

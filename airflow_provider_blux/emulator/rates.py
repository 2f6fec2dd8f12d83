"""Requests within one second: counted always, policed when asked to."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

# Published for the Application API. For the Open API nothing is published; these are what its clients should assume.
DEFAULT_RATES: Final[Mapping[str, int]] = {
    "application.upsert_users": 20,
    "application.delete_users": 100,
    "open.upsert_users": 20,
    "open.delete_users": 20,
    "open.send_events": 20,
    "open.update_devices": 20,
}

# A second, less what the arithmetic of Unix times in floats may add to the distance of two requests at an exact pace.
WINDOW_SECONDS: Final = 1 - 1e-6


class Arrivals:
    """The arrivals of the last second, by API and operation, in a window that slides: not one count per clock second.

    Every request counts, also one that is refused.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: defaultdict[str, deque[float]] = defaultdict(deque)
        self._peaks: dict[str, int] = {}

    def arrive(self, key: str, now: float) -> int:
        """Count an arrival and return how many there were within the last second, this one included."""
        with self._lock:
            window = self._windows[key]
            while window and now - window[0] >= WINDOW_SECONDS:
                window.popleft()
            window.append(now)
            self._peaks[key] = max(len(window), self._peaks.get(key, 0))
            return len(window)

    def peaks(self) -> dict[str, int]:
        """Return the most requests that any one second has seen, by API and operation."""
        with self._lock:
            return dict(sorted(self._peaks.items()))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._windows.clear()
            self._peaks.clear()


def rates_by_key(rates: Mapping[str, int]) -> dict[str, int]:
    """Return ``rates`` by API and operation; a bare operation means it in both APIs.

    :raises ValueError: an unknown name, or a rate that is not a whole number above zero.
    """
    found: dict[str, int] = {}
    for name, rate in rates.items():
        keys = [key for key in DEFAULT_RATES if name in {key, key.partition(".")[2]}]
        if not keys:
            raise ValueError(f"rates: {name!r} is none of {', '.join(DEFAULT_RATES)}")
        if isinstance(rate, bool) or not isinstance(rate, int) or rate < 1:
            raise ValueError(f"rates: {name} must be a whole number above zero")
        found.update(dict.fromkeys(keys, rate))
    return found

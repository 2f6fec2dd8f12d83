"""Sets how often the interpreter switches between the threads of a delivery."""

from __future__ import annotations

import sys
import threading

# To send a request, a thread needs the interpreter several times, and each time waits for the thread that reads the
# source. With Python's default of 5 ms, a request could start later than the next one should, at 100 a second.
SWITCH_SECONDS = 0.001


class FrequentSwitching:
    """A context in which the interpreter switches threads every millisecond, so that requests do not start late.

    The switch interval is a setting of the whole process. So the first of several deliveries sets it, and the last one
    restores it. An interval that is shorter already, or that other code sets meanwhile, is left as it is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deliveries = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._deliveries += 1
            if self._deliveries == 1:
                self._before = sys.getswitchinterval()
                if self._before > SWITCH_SECONDS:
                    sys.setswitchinterval(SWITCH_SECONDS)

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._deliveries -= 1
            if self._deliveries == 0 and sys.getswitchinterval() == SWITCH_SECONDS:
                sys.setswitchinterval(self._before)


frequent_switching = FrequentSwitching()

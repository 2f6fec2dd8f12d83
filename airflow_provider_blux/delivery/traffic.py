"""Counts the requests of a try."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The request counts of a try at one moment.

    :param requests: number of requests that have ended.
    :param statuses: these requests by the HTTP status of the answer; ``None`` stands for no answer.
    :param waited: seconds that requests waited for the rate limiter, summed over all requests.
    """

    requests: int = 0
    retries: int = 0
    statuses: Mapping[int | None, int] = field(default_factory=dict)
    waited: float = 0.0


class Traffic:
    """Counts the requests of a try, and the time that they waited for the rate limiter; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._retries = 0
        self._statuses: Counter[int | None] = Counter()
        self._waited = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Return a context; the seconds spent in it are counted as waiting for the rate limiter."""
        since = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._waited += self._clock() - since

    def count_request(self, status: int | None) -> None:
        """Count a request that has ended by the HTTP status of its answer; ``None`` stands for no answer."""
        with self._lock:
            self._statuses[status] += 1

    def count_retry(self) -> None:
        """Count that a request is going to be repeated."""
        with self._lock:
            self._retries += 1

    def counted(self) -> Counted:
        """Return the counts as they are now."""
        with self._lock:
            return Counted(
                requests=self._statuses.total(),
                retries=self._retries,
                statuses=dict(self._statuses),
                waited=self._waited,
            )

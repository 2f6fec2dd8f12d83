"""Counts the requests of the last second. A limiter, of one of three kinds, decides which are above the rate."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final, Literal, get_args

from airflow_provider_blux.emulator.endpoints import ENDPOINTS

DEFAULT_RATES: Final[Mapping[str, int]] = {endpoint.rate_key: endpoint.max_rate for endpoint in ENDPOINTS}

LimitKind = Literal["sliding_second", "spacing", "token_bucket"]
"""The kind of a limiter. At a rate of n requests a second, a limiter refuses these requests:

- ``"sliding_second"``: a request if n or more others arrived in the second before it. Refused requests count, too, as
  in HAProxy's ``http_req_rate``.
- ``"spacing"``: a request less than 1/n s after the last accepted one. Times are in whole milliseconds, as in nginx's
  ``limit_req`` without ``burst``.
- ``"token_bucket"``: a request that finds no token. An accepted request takes one token. The bucket is full at the
  start, gets n tokens a second, and holds n tokens at most.
"""
LIMIT_KINDS: Final[tuple[LimitKind, ...]] = get_args(LimitKind)

# One second, less the rounding error of Unix times as floats: requests at exactly the rate must not be refused.
WINDOW_SECONDS: Final = 1 - 1e-6
# Rounding error allowed for the tokens of a bucket.
_ROUNDING: Final = 1e-4


class Limiters:
    """Counts the requests to each operation of each API, and decides which of them are above the rate."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: defaultdict[str, deque[float]] = defaultdict(deque)
        self._peaks: dict[str, int] = {}
        self._buckets: dict[tuple[LimitKind, str], tuple[float, float]] = {}

    def arrive(self, key: str, now: float) -> int:
        """Count an arrival; return the number of arrivals within the last second, including this one.

        The second ends at the newest arrival: it is a sliding window, not a second of the clock. Refused requests
        count, too.

        :param key: API and operation (``open.send_events``).
        :param now: Unix time of the arrival.
        """
        with self._lock:
            window = self._windows[key]
            while window and now - window[0] >= WINDOW_SECONDS:
                window.popleft()
            window.append(now)
            self._peaks[key] = max(len(window), self._peaks.get(key, 0))
            return len(window)

    def admits(self, kind: LimitKind, key: str, rate: int, now: float) -> bool:
        """Count an arrival; return whether the limiter of this kind accepts the request.

        :param key: API and operation (``open.send_events``).
        :param rate: maximum number of requests a second.
        :param now: Unix time of the arrival.
        """
        within_second = self.arrive(key, now)
        if kind == "sliding_second":
            return within_second <= rate
        # To keep a space between requests is to have a bucket for a single token.
        capacity, milliseconds = (1, int(now * 1000)) if kind == "spacing" else (rate, now * 1000)
        with self._lock:
            tokens, filled_at = self._buckets.get((kind, key), (capacity, milliseconds))
            # Requests on several connections may be processed in another order than they arrived.
            tokens = min(capacity, tokens + max(0, milliseconds - filled_at) * rate / 1000)
            is_admitted = tokens >= 1 - _ROUNDING
            self._buckets[kind, key] = tokens - is_admitted, max(milliseconds, filled_at)
            return is_admitted

    def peaks(self) -> dict[str, int]:
        """Return the highest number of requests within any one second, by API and operation."""
        with self._lock:
            return dict(sorted(self._peaks.items()))

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._windows.clear()
            self._peaks.clear()
            self._buckets.clear()


def rates_by_key(rates: Mapping[str, int]) -> dict[str, int]:
    """Return ``rates`` with keys that name both API and operation (``open.send_events``).

    The rate of an operation without an API (``delete_users``) applies to that operation in both APIs.

    :raises ValueError: an unknown name, or a rate that is not a whole number above zero.
    """
    found: dict[str, int] = {}
    for name, rate in rates.items():
        keys = [key for key in DEFAULT_RATES if name in {key, key.partition(".")[2]}]
        if not keys:
            raise ValueError(f"rates: {name!r} is not one of {', '.join(DEFAULT_RATES)}")
        if isinstance(rate, bool) or not isinstance(rate, int) or rate < 1:
            raise ValueError(f"rates: {name} must be a whole number above zero")
        found.update(dict.fromkeys(keys, rate))
    return found

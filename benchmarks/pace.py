"""What the arrivals at a server say about a client's pace."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

Arrival = tuple[float, int | None]
"""When a request arrived, in Unix time, and the status of its answer."""


def share_of_the_rate(arrivals: Iterable[Arrival], limit: int) -> float:
    """Return which share of the allowed requests was accepted, from the first accepted arrival to the last."""
    accepted = [arrived for arrived, status in arrivals if status == 200]
    return (len(accepted) - 1) / (accepted[-1] - accepted[0]) / limit if len(accepted) > 1 else 0.0


def most_in_any_second(arrivals: Iterable[float]) -> int:
    """Return how many arrivals the busiest second saw, wherever it began."""
    window: deque[float] = deque()
    most = 0
    for arrived in arrivals:
        window.append(arrived)
        while arrived - window[0] >= 1:
            window.popleft()
        most = max(most, len(window))
    return most

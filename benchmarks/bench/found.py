"""What a section of the benchmark is asked for, and what it gives: a table, and where the goals stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GOAL_COLUMNS = ("what", "goal", "measured", "")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much is measured.

    :param runs: of each number, whose median is told.
    :param users: of our own deliveries.
    :param peer_users: of those of others, which cost more.
    :param seconds: of a paced delivery of users at the full rate.
    """

    runs: int
    users: int
    peer_users: int
    ids: int
    events: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One row of the verdict.

    :param reached: ``None`` where no number was set.
    """

    what: str
    goal: str
    measured: str
    reached: bool | None = None

    def row(self) -> tuple[str, ...]:
        """Return it as a row of a table."""
        verdict = {True: "reached", False: "**missed**", None: "reported"}[self.reached]
        return self.what, self.goal, self.measured, verdict


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a section has measured."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    goals: Sequence[Goal]

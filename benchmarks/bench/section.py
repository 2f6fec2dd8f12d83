"""What a section of the benchmark is asked for, and what it gives: a table, and whether the goals are reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GOAL_COLUMNS = ("what", "goal", "measured", "")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much is measured.

    :param runs: of each number, whose median is shown.
    :param users: in our own deliveries.
    :param peer_users: in those of others, which cost more.
    :param seconds: of a paced delivery of users at the full rate.
    :param latency: seconds until each answer in our paced deliveries.
    :param sources: of users of whom few have changed.
    """

    runs: int
    users: int
    peer_users: int
    ids: int
    events: int
    seconds: float
    latency: Sequence[float]
    sources: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A number that was set for a measurement.

    :param measured: what came out, or why nothing could be measured.
    :param is_reached: ``None`` where nothing could be measured.
    """

    what: str
    goal: str
    measured: str
    is_reached: bool | None

    def row(self) -> tuple[str, ...]:
        """Return it as a row of a table."""
        verdict = {True: "reached", False: "**missed**", None: "not measured"}[self.is_reached]
        return self.what, self.goal, self.measured, verdict


@dataclass(frozen=True, kw_only=True)
class Section:
    """What was measured.

    :param notes: what the reader of the table must know, such as what was left out and why.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()


def at_most(what: str, value: float | None, limit: float, *, unit: str = "", why_not: str = "") -> Goal:
    """Return a goal for a number.

    :param value: ``None`` where it could not be measured.
    :param why_not: what was missing then.
    """
    measured = why_not if value is None else f"{value:.1f}{unit}" if unit else f"{value:.3f}"
    is_reached = None if value is None else value <= limit
    return Goal(what=what, goal=f"at most {limit:g}{unit}", measured=measured, is_reached=is_reached)

"""What every contender is asked to do on its command line, and what it reports when it is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from benchmarks.measuring import Measuring
from benchmarks.table import say

Counts = dict[str, int]
"""Records that were ``read`` and ``delivered``, and of ours all other counts of the report."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be delivered, and where. The arguments are of our operators; a peer reads ``path``.

    :param url: of the server.
    :param what: one of :data:`benchmarks.rows.ROWS`; peers deliver users.
    :param source: the arguments that name the source of the records.
    :param sample: the same for a source of one record, by which everything is imported before it is measured.
    :param limit: requests a second that the server allows; 0 for any number.
    :param stage: how far a delivery goes: its source is only read, its records are checked but not sent, or all.
    :param try_number: 2 for a task that continues where its first try stopped.
    """

    url: str
    what: str = "users"
    source: Mapping[str, Any]
    sample: Mapping[str, Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    limit: float = 0
    stage: Literal["read", "check", "send"] = "send"
    try_number: int = 1

    @property
    def path(self) -> str:
        """The file that is delivered."""
        return str(self.source["path"])

    def as_json(self) -> str:
        """Return the command line that says so."""
        return json.dumps(asdict(self))


def run(prepare: Callable[[Task], Callable[[], Counts]]) -> None:
    """Do what the command line asks for, and write the counts and what it took as JSON.

    :param prepare: imports and opens what is needed, which is not measured; returns the work, which is.
    """
    work = prepare(Task(**json.loads(sys.argv[1])))
    with Measuring() as usage:
        counts = work()
    say(json.dumps({**counts, **usage.as_dict()}))

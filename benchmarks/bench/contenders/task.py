"""What every contender is told on its command line, and what it tells when it is done."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import Measuring
from benchmarks.table import say

Counts = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be delivered, and where.

    :param url: of the server.
    :param path: of the file.
    :param what: ``users``, ``narrow users``, ``ids`` or ``events``; peers deliver users.
    :param limit: requests a second that are allowed; 0 for any number.
    :param concurrency: most requests in flight; 0 for the default. Ours only.
    :param store: folder of the checkpoint; empty for none. Ours only.
    """

    url: str
    path: str
    what: str = "users"
    limit: float = 0
    concurrency: int = 0
    store: str = ""

    def arguments(self) -> list[str]:
        """Return the command line that says so."""
        return [f"--{name}={value}" for name, value in vars(self).items()]


def measured(ready: Callable[[Task], Callable[[], Counts]]) -> None:
    """Do what the command line asks for, and write the counts and what it took as JSON.

    :param ready: imports and opens what is needed, which is not measured; returns the work, which is.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--what", default="users")
    parser.add_argument("--limit", type=float, default=0)
    parser.add_argument("--concurrency", type=int, default=0)
    parser.add_argument("--store", default="")
    given: dict[str, Any] = vars(parser.parse_args())
    work = ready(Task(**given))
    with Measuring() as took:
        counts = work()
    say(json.dumps({**counts, **took.as_dict()}))

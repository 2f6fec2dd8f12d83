"""Runs a contender, or a part of this benchmark, as a process of its own that reports in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.bench.contenders import OURS, PEERS, Contender
from benchmarks.bench.contenders.task import Task
from benchmarks.delivering import endpoint_for
from benchmarks.pace import Arrival
from benchmarks.table import say

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a delivery took.

    :param records: how many were read.
    :param began: in Unix time.
    :param cpu: seconds of user and system time.
    :param memory: MB of the peak over the start.
    """

    records: int
    delivered: int
    rejected: int = 0
    unchanged: int = 0
    resumed: int = 0
    began: float = 0
    cpu: float
    memory: float
    seconds: float

    @property
    def cpu_a_million(self) -> float:
        """CPU seconds for a million records."""
        return self.cpu / self.records * 1e6


def usage_of(contender: Contender, task: Task, count: int) -> Usage:
    """Let a contender work.

    :param count: records in the source.
    """
    found = run_module(f"contenders.{contender.module}", task.as_json())
    numbers = {name: found[name] for name in Usage.__annotations__ if name in found}
    return Usage(records=count, **numbers)


def expect_failure(contender: Contender, task: Task) -> None:
    """Let a contender work that must fail.

    :raises RuntimeError: it has not failed.
    """
    if _run(f"contenders.{contender.module}", task.as_json(), stderr=subprocess.DEVNULL).returncode == 0:
        raise RuntimeError(f"{contender.title} should have failed, and has not")


def lost(what: str, count: int, arrivals: list[Arrival]) -> int:
    """Return how many of the records cannot be in the requests that the server accepted."""
    accepted = sum(status == 200 for _, status in arrivals)
    return max(count - accepted * endpoint_for(what).max_records, 0)


def run_module(module: str, *arguments: str) -> dict[str, Any]:
    """Return the JSON in the last line that a module of this package writes."""
    process = _run(module, *arguments)
    process.check_returncode()
    found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return found


def contenders() -> list[Contender]:
    """Return ours and the peers that are installed; say which are not."""
    found = [OURS]
    for peer in PEERS:
        if is_installed(peer):
            found.append(peer)
        else:
            say(f"left out, since {peer.needs} is not installed: {peer.title}")
    return found


def is_installed(contender: Contender) -> bool:
    """Return whether a contender can run here."""
    try:
        return find_spec(contender.needs) is not None
    except ModuleNotFoundError:
        return False


def _run(module: str, *arguments: str, stderr: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", f"benchmarks.bench.{module}", *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
    )

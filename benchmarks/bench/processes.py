"""Runs a contender, or a part of this benchmark, as a process of its own that tells as JSON what it took."""

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
from benchmarks.table import say

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Took:
    """What a delivery took.

    :param cpu: seconds of user and system time.
    :param memory: MB of the peak over the start.
    """

    delivered: int
    resumed: int
    cpu: float
    memory: float
    seconds: float

    @property
    def cpu_a_million(self) -> float:
        """CPU seconds for a million records."""
        return self.cpu / self.delivered * 1e6


def delivered(contender: Contender, task: Task) -> Took:
    """Let a contender deliver a file."""
    found = told(f"contenders.{contender.module}", *task.arguments())
    return Took(
        delivered=found["delivered"],
        resumed=found.get("resumed", 0),
        cpu=found["cpu"],
        memory=found["peak"] - found["start"],
        seconds=found["seconds"],
    )


def failed(contender: Contender, task: Task) -> None:
    """Let a contender deliver a file, which it must not manage.

    :raises RuntimeError: it has.
    """
    if _run(f"contenders.{contender.module}", *task.arguments(), stderr=subprocess.DEVNULL).returncode == 0:
        raise RuntimeError(f"{contender.title} should have failed, and has not")


def told(module: str, *arguments: str) -> dict[str, Any]:
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

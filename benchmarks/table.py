"""Markdown tables, and what a reader must know about the machine to judge them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence


def say(line: str = "") -> None:
    """Write a line at once, so that a long run shows how far it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine() -> str:
    """Return the interpreter, the number of cores, and how busy they were with whatever else."""
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {busy}"

"""Run by ``Scheduler``: starts commands and ends them, with everything they started, when standard input ends.

A pipe ends with the process that holds it, so nothing is left behind even when the tests are killed. The commands
come as JSON: ``{"log file": ["command", "argument"]}``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import subprocess
import sys
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Let descendants whose parent has died become children of this process instead of the system's first one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all(patience: float) -> None:
    """End every descendant with SIGTERM; kill those that still run after ``patience`` seconds."""
    descendants = psutil.Process().children(recursive=True)
    for process in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(descendants, timeout=patience)
    while alive := psutil.Process().children(recursive=True):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=patience)


def main(commands: dict[str, list[str]]) -> None:
    """Start the commands, wait for the end of standard input, end them."""
    adopt_orphans()
    try:
        for log, command in commands.items():
            with Path(log).open("w") as output:
                subprocess.Popen(  # noqa: S603 - our own command
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
                )
        sys.stdin.read()
    finally:
        end_all(patience=5)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

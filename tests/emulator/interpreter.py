"""Separate Python processes, for checks that are not possible in the process of the test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this interpreter and wait for its end."""
    return subprocess.run(  # noqa: S603 - the tests' own arguments
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start this interpreter."""
    return subprocess.Popen(  # noqa: S603 - the tests' own arguments
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

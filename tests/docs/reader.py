"""A reader who types the commands of a page into a terminal."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

EMULATOR = "python -m airflow_provider_blux.emulator"
_MARK = "----- end of a step"


@dataclass
class Reader:
    """A new user, who has only an empty folder.

    :param port: used instead of 8088, the port on the pages, which may be in use.
    :param variables: further environment variables.
    """

    folder: Path
    port: int
    variables: dict[str, str] = field(default_factory=dict)

    def as_here(self, code: str) -> str:
        """Return text of a page with the port of this reader in place of 8088."""
        return code.replace("8088", str(self.port))

    def terminal(self, script: str) -> subprocess.Popen[str]:
        """Start a script in a terminal of its own."""
        return subprocess.Popen(  # noqa: S603 - the commands of our own pages
            [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", self.as_here(script)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type_all(self, steps: dict[str, str]) -> dict[str, str]:
        """Type all steps into one shell, so that later steps see exported variables; return the output of each step."""
        terminal = self.terminal(f"\necho '{_MARK}'\n".join(steps.values()))
        output, _ = terminal.communicate(timeout=500)
        assert terminal.returncode == 0, output
        return dict(zip(steps, output.split(_MARK), strict=True))

    @contextmanager
    def emulator(self, command: str) -> Iterator[str]:
        """Run an emulator in another terminal; yield the first line of its output."""
        terminal = self.terminal(f"exec {command}")
        try:
            yield terminal.stdout.readline() if terminal.stdout else ""
        finally:
            os.killpg(terminal.pid, signal.SIGTERM)
            terminal.communicate(timeout=30)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.folder),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "NO_PROXY": "*",
            "PYTHONUNBUFFERED": "1",
            **self.variables,
        }


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

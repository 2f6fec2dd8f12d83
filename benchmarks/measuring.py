"""What a piece of work takes of the process that does it: time, CPU, and memory over where it stood before."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Measuring:
    """Measures while a ``with`` block runs.

    Memory is the resident set as the kernel counts it, in MB; CPU is that of all threads and of ended children;
    ``began`` is in Unix time.
    """

    began = start = peak = seconds = cpu = 0.0

    def __enter__(self) -> Self:
        Path("/proc/self/clear_refs").write_text("5")  # the peak of the imports is not the work's
        self.start, self.began = _megabytes("VmRSS"), time.time()
        self._monotonic, self._cpu = time.monotonic(), _cpu()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu, self.seconds = _cpu() - self._cpu, time.monotonic() - self._monotonic
        self.peak = _megabytes("VmHWM")

    def as_dict(self) -> dict[str, float]:
        """Return what was measured; memory is the peak over the start."""
        memory = self.peak - self.start
        return {"began": self.began, "memory": memory, "seconds": self.seconds, "cpu": self.cpu}


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not tell {field}")

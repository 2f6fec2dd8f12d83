"""Servers in processes of their own, so that their work is not counted as the client's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from airflow_provider_blux.emulator.backend import DEMO, Address

_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_ANSWERS_WITHIN = 60


def connection_json(url: str) -> str:
    """Return the Airflow connection to a server at ``url``, with the emulator's credentials."""
    return json.dumps(DEMO.connection(Address(url=url)))


class Server:
    """A server on loopback that keeps a journal of requests."""

    def __init__(self, url: str, journal: str) -> None:
        self.url = url
        self._journal = journal

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """Return what the server answers."""
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, self.url + path, json=document, timeout=_ANSWERS_WITHIN)
            response.raise_for_status()
            return response.json()

    def arrivals(self) -> list[tuple[float, int | None]]:
        """Return when each request arrived, in order, and the status of its answer."""
        rows = self.ask("GET", self._journal)
        pairs = ((row["arrived"], row["status"]) if isinstance(row, dict) else (row[0], row[1]) for row in rows)
        return sorted(pairs, key=lambda pair: pair[0])

    def in_flight(self) -> tuple[int, float]:
        """Return how many requests a stub had at once, at most and on average from the first to the last answer."""
        counted = self.ask("GET", "/in-flight")
        return int(counted["most"]), float(counted["mean"])


@contextmanager
def emulator(*, police_rates: bool = False, state: Path | None = None) -> Iterator[Server]:
    """Run the emulator."""
    options = [*(["--police-rates"] if police_rates else []), *(["--state", str(state)] if state else [])]
    with _running("airflow_provider_blux.emulator", ["--port", "0", *options]) as url:
        yield Server(url, "/_emulator/requests")


@contextmanager
def stub(
    *,
    limit: int | None = None,
    latency: float = 0.0,
    refuse: int | None = None,
    limit_kind: str = "sliding_second",
    retry_after: int = 1,
) -> Iterator[Server]:
    """Run the server that only counts."""
    options = ["--latency", str(latency), *(["--limit", str(limit)] if limit else [])]
    options += ["--limit-kind", limit_kind, "--retry-after", str(retry_after)]
    options += ["--refuse", str(refuse)] if refuse else []
    with _running("benchmarks.stub", options) as url:
        yield Server(url, "/arrivals")


@contextmanager
def _running(module: str, options: list[str]) -> Iterator[str]:
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own modules
        try:
            greeting = process.stdout.readline() if process.stdout else ""
            found = _URL.search(greeting)
            if found is None:
                raise RuntimeError(f"{module} did not start: {greeting!r}")
            yield found.group()
        finally:
            process.terminate()
            process.wait()

"""Many users through a faulty server, with tries that are killed: ``python -m benchmarks.soak``.

A file of users, some of them repeated with other values, goes to an emulator that fails in eight ways. Every try is
a process with a checkpoint in a file, as under Airflow; some are killed at moments drawn by chance. In the end every
user that the emulator holds is compared with the file. Exit code 1: they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_blux.emulator import Emulator
from benchmarks import servers
from benchmarks.home import settle_in
from benchmarks.soak_source import differences, write_source
from benchmarks.table import machine, say, table

_LOOK_EVERY_SECONDS = 0.2
COLUMNS = ("try", "ended", "seconds", "users held", "counts", "requests", "retries")


def faults(probability: float) -> list[dict[str, Any]]:
    """Return the plan of faults: refusals, resets before and after processing, answers that break off, delays."""
    plan: list[dict[str, Any]] = [{"kind": "status", "status": status} for status in (500, 502, 503, 429)]
    plan += [{"kind": "reset", "processed": processed} for processed in (False, True)]
    plan += [{"kind": "truncate"}, {"kind": "delay", "seconds": 0.1, "seconds_max": 1.0}]
    return [{**fault, "probability": probability} for fault in plan]


class Soak:
    """The tries of one task.

    :param moments: for each kill, how many users the emulator shall hold by then.
    """

    def __init__(self, server: servers.Server, folder: Path, moments: Sequence[int], options: Any) -> None:
        self._server = server
        self._folder = folder
        self._moments = list(moments)
        self._options = options
        self.tries: list[list[object]] = []

    def run(self) -> bool:
        """Try until a try succeeds; return whether one did."""
        for number in range(1, self._options.tries + 1):
            ended = self._try(number)
            say(f"try {number}: {ended}, {self._held():,} users held")
            if ended == "success":
                return not self._moments
        return False

    def _try(self, number: int) -> str:
        command = [sys.executable, "-m", "benchmarks.soak_try", self._server.url, str(self._folder), str(number)]
        command += [str(self._options.rate_limit), str(self._options.concurrency)]
        began = time.monotonic()
        log_path = self._folder / f"try{number}.log"
        with log_path.open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - our own
            self._watch(process)
            process.wait()
        *lines, last = log_path.read_text().splitlines() or [""]
        found = json.loads(last) if last.startswith("{") else {}
        killed = process.returncode < 0
        ended = "SIGKILL" if killed else found.get("ended", f"exit code {process.returncode}")
        if process.returncode > 0 and lines:
            say(f"  {lines[-1]}")
        counts = found.get("counts") or _settled(self._folder)
        numbers = (found.get("requests", ""), found.get("retries", ""))
        seconds = f"{time.monotonic() - began:.0f}"
        self.tries.append([number, ended, seconds, f"{self._held():,}", counts, *numbers])
        return str(ended)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the process at the next moment, unless it ends before."""
        while process.poll() is None:
            if self._moments and self._held() >= self._moments[0]:
                process.kill()
                self._moments.pop(0)
                return
            time.sleep(_LOOK_EVERY_SECONDS)

    def _held(self) -> int:
        return int(self._server.ask("GET", "/_emulator/state")["counts"]["users"])


def _settled(folder: Path) -> str:
    """Return what a try that was killed left to the next one."""
    checkpoint = next(folder.glob("*.checkpoint.json"), None)
    if checkpoint is None:
        return "no checkpoint yet"
    counts = json.loads(checkpoint.read_text())["counts"]
    return f"checkpoint: {counts.get('read', 0):,} records settled"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, print the counts of each try and the verdict; return the exit code."""
    options = _options(arguments)
    rng = random.Random(options.seed)  # noqa: S311 - chance for tests
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="blux_soak_") as name:
        folder, state = Path(name), Path(name) / "state.db"
        settle_in(folder)
        expected, lines = write_source(folder / "users.jsonl", range(options.users), rng)
        say(f"{lines:,} records of {options.users:,} users; faults of {options.faults:.0%} each.")
        with servers.emulator(state=state) as server:
            server.ask("PUT", "/_emulator/settings", {"seed": options.seed})
            for fault in faults(options.faults):
                server.ask("POST", "/_emulator/faults", fault)
            moments = sorted(rng.sample(range(options.users // 20, options.users * 19 // 20), options.kills))
            soak = Soak(server, folder, moments, options)
            ended = soak.run()
            answers = _answers(server)
        with Emulator(state=state) as held:
            wrong = differences(expected, held.users())
        say(f"\n{machine()}, seed {options.seed}, {time.monotonic() - began:.0f} s in all\n")
        say(table(COLUMNS, soak.tries))
        say(f"\nWhat the emulator answered: {answers}.")
        return _verdict(wrong, len(expected), ended=ended)


def _verdict(wrong: Counter[str], users: int, *, ended: bool) -> int:
    if not ended:
        say("\n**Not delivered:** no try succeeded after all kills.")
    for what, count in wrong.items():
        say(f"\n**{count:,} users {what}.**")
    if wrong or not ended:
        return 1
    say(f"\n**All {users:,} users are as the source has them, property by property; none missing, none else.**")
    return 0


def _answers(server: servers.Server) -> str:
    rows = server.ask("GET", "/_emulator/state")["requests"]
    return ", ".join(f"{row['status'] or 'reset'}: {row['requests']:,}" for row in rows)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="(default: %(default)s)")
    parser.add_argument("--kills", type=int, default=3, help="tries that are killed (default: %(default)s)")
    parser.add_argument("--tries", type=int, default=12, help="most tries (default: %(default)s)")
    parser.add_argument("--faults", type=float, default=0.05, help="share of each fault (default: %(default)s)")
    parser.add_argument("--rate-limit", type=float, default=2000, help="requests a second (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=os.getpid(), help="(default: another one each time)")
    options = parser.parse_args(arguments)
    if options.users < 20 * (options.kills + 1):
        parser.error("so few users leave no room for the kills")
    return options


if __name__ == "__main__":
    sys.exit(main())

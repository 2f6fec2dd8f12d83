"""What a suppression list takes of memory and time: ``python -m benchmarks.suppression``, on Linux.

Each kind of list is given to a delivery of some users that it names and some that it does not, in a process of its own.
With ``validate_only`` nothing is sent.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_blux.emulator.backend import DEMO, Address
from benchmarks import servers
from benchmarks.home import settle_in
from benchmarks.measuring import Measuring
from benchmarks.table import machine, say, table

COLUMNS = ("list", "ids", "file (MB)", "memory (MB)", "bytes an id", "seconds to load")
_NO_LIMIT = 100_000
_USERS = 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both kinds of list and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suppression", description=__doc__)
    parser.add_argument("--ids", type=int, default=10_000_000, help="(default: %(default)s)")
    parser.add_argument("--only", choices=WRITERS, help="measure one kind of list")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        say(json.dumps(_measured(options.measure, options.ids)))
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="blux_suppression_") as folder:
        settle_in(Path(folder))
        os.environ["AIRFLOW_CONN_BLUX_DEFAULT"] = _connection("http://127.0.0.1:1")
        for kind in [options.only] if options.only else WRITERS:
            say(f"{options.ids:,} ids in {kind} ...")
            rows.append(_row(kind, options.ids, Path(folder) / kind))
    say(f"\n{machine()}\n")
    say(table(COLUMNS, rows))


def user_id(number: int) -> str:
    """Return one of the ids: eleven digits, as a telephone number has them."""
    return f"010{number:08}"


def _connection(url: str) -> str:
    connection = DEMO.connection(Address(url=url))
    return json.dumps({**connection, "extra": {**connection["extra"], "receipt_key": "benchmark receipt key"}})


def _write_csv(folder: Path, count: int) -> None:
    with (folder / "ids.csv").open("w") as file:
        file.write("user_id\n")
        file.writelines(f"{user_id(number)}\n" for number in range(count))


def _write_receipts(folder: Path, count: int) -> None:
    """Write the receipts of deletions that a stub accepts."""
    from airflow_provider_blux.hooks.blux import BluxHook

    with servers.stub() as server:
        os.environ["AIRFLOW_CONN_RECEIPTS"] = _connection(server.url)
        ids: Any = map(user_id, range(count))
        hook = BluxHook("receipts", "application")
        hook.delete_users(ids, max_users=None, receipts_path=str(folder), rate_limit=_NO_LIMIT, concurrency=1)


WRITERS: dict[str, Callable[[Path, int], None]] = {"ids (CSV)": _write_csv, "receipts": _write_receipts}


def _row(kind: str, count: int, folder: Path) -> list[str]:
    size = 0
    for name, ids in (("sample", 1), ("list", count)):
        place = folder / name
        place.mkdir(parents=True)
        WRITERS[kind](place, ids)
        size = sum(file.stat().st_size for file in place.iterdir())
    command = [sys.executable, "-m", "benchmarks.suppression", "--measure", str(folder), "--ids", str(count)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own module
    found = json.loads(process.stdout.splitlines()[-1])
    return [
        kind,
        f"{count:,}",
        f"{size / 2**20:,.0f}",
        f"{found['memory']:.0f}",
        f"{found['memory'] * 2**20 / count:.1f}",
        f"{found['seconds']:.0f}",
    ]


def _measured(folder: Path, count: int) -> dict[str, float]:
    """Load a list and look users up.

    :param folder: has the list, and one of a single id.
    """
    _suppressed(folder / "sample", range(1))  # brings what is imported only when it is needed
    with Measuring() as usage:
        suppressed = _suppressed(folder / "list", range(count - _USERS, count + _USERS))
    if suppressed != _USERS:
        raise RuntimeError(f"{suppressed:,} users were suppressed where the list has {_USERS:,} of them")
    return usage.as_dict()


def _suppressed(folder: Path, numbers: range) -> int:
    from airflow_provider_blux.hooks.blux import BluxHook

    users = ({"user_id": user_id(number)} for number in numbers)
    report = BluxHook(api="application").upsert_users(users, suppression_path=str(folder), validate_only=True)
    return int(report.suppressed)


if __name__ == "__main__":
    main()

"""What a suppression list takes of memory and time: ``python -m benchmarks.suppression``, on Linux.

Each kind of list is loaded, and then asked about as many users as it names and as many others, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.audit import Hashes, ReceiptsFile
from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.run import Run
from benchmarks.home import settle_in
from benchmarks.table import machine, say, table

KEY = "benchmark receipt key"
COLUMNS = (
    "list",
    "ids",
    "file (MB)",
    "peak RSS (MB)",
    "of that the list (MB)",
    "bytes an id",
    "seconds to load",
    "users/s asked about",
)
# Asking about a tenth of the ids is enough to know how long one takes.
_ASKED = 10


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
        for kind in [options.only] if options.only else WRITERS:
            say(f"{options.ids:,} ids in {kind} ...")
            rows.append(_row(kind, options.ids, Path(folder) / "list"))
    say(f"\n{machine()}\n")
    say(table(COLUMNS, rows))


def user_id(number: int) -> str:
    """Return one of the ids: eleven digits, as a telephone number has them."""
    return f"010{number:08}"


def _write_csv(folder: Path, count: int) -> None:
    with (folder / "ids.csv").open("w") as file:
        file.write("user_id\n")
        file.writelines(f"{user_id(number)}\n" for number in range(count))


def _write_receipts(folder: Path, count: int) -> None:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_blux.delivery.storage import Folder

    place = ObjectStoragePath(str(folder))
    run = Run(dag_id="benchmark", run_id="1", task_id="delete")
    receipts = ReceiptsFile(Folder(place.fs, place.path, "receipts_path"), run, Hashes(KEY))
    endpoint = endpoints_for("delete_users", "application")[0]
    for first in range(0, count, endpoint.max_records):
        numbers = range(first, min(first + endpoint.max_records, count))
        receipts.write(endpoint, "https://blux.example", 200, [user_id(number) for number in numbers])


WRITERS: dict[str, Callable[[Path, int], None]] = {"ids (CSV)": _write_csv, "receipts": _write_receipts}


def _row(kind: str, count: int, folder: Path) -> list[str]:
    folder.mkdir()
    WRITERS[kind](folder, count)
    [file] = folder.iterdir()
    size = file.stat().st_size
    command = [sys.executable, "-m", "benchmarks.suppression", "--measure", str(file), "--ids", str(count)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)  # noqa: S603 - our own module
    found = json.loads(process.stdout.splitlines()[-1])
    file.unlink()
    folder.rmdir()
    megabytes = found["peak"] - found["start"]
    return [
        kind,
        f"{count:,}",
        f"{size / 2**20:,.0f}",
        f"{found['peak']:.0f}",
        f"{megabytes:.0f}",
        f"{megabytes * 2**20 / count:.1f}",
        f"{found['loading']:.0f}",
        f"{found['asked'] / found['asking']:,.0f}",
    ]


def _measured(file: Path, count: int) -> dict[str, float]:
    """Load a list and ask about users; return the megabytes and the seconds."""
    from airflow_provider_blux.sources.files import StorageSource

    source = StorageSource(str(file))
    next(iter(source))  # brings what is imported only when it is needed
    start, began = _peak_in_megabytes(), time.monotonic()
    suppression = Suppression(source, Hashes(KEY), str(file))
    loaded = time.monotonic()
    numbers = range(0, 2 * count, _ASKED)
    covered = sum(suppression.covers({"user_id": user_id(number)}) for number in numbers)
    ended = time.monotonic()
    if len(suppression) != count or covered != len(range(0, count, _ASKED)):
        raise RuntimeError(f"of {count:,} ids the list has {len(suppression):,}, and covered {covered:,} users")
    return {
        "start": start,
        "peak": _peak_in_megabytes(),
        "loading": loaded - began,
        "asked": len(numbers),
        "asking": ended - loaded,
    }


def _peak_in_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

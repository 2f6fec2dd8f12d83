"""Inspect a snapshot, offline: ``python -m airflow_provider_blux.snapshot inspect PATH``.

It prints the number of users or devices in the snapshot and their application, and for each run its time and counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from airflow_provider_blux.delivery.snapshot_files import SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxError

__all__ = ["main"]

_RUN = "{at:<26} {stored:>12} {forgotten:>12} {named:>12}  {task}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the content of a snapshot; return 0, or 2 if there is no snapshot or it cannot be read."""
    options = _parser().parse_args(arguments)
    try:
        lines = _described(options.path)
    except (BluxError, OSError, ImportError, ValueError) as error:
        print(f"{options.path}: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


def _described(path: str) -> list[str]:
    import fsspec  # type: ignore[import-untyped]

    fs, place = fsspec.url_to_fs(path)
    folder = Folder(fs, place, "PATH")
    any_snapshot = SnapshotFolder(folder, None)
    sizes = any_snapshot.sizes()
    if not sizes:
        raise BluxError("there is no snapshot.")
    target = any_snapshot.header(next(iter(sizes))).target
    state = load(SnapshotFolder(folder, target))
    keyed = "keyed by receipt_key" if target.key else "not keyed (the connection has no receipt_key)"
    contested = f"more that a run that has not ended was about to send: {len(state.contested):,}"
    return [
        f"{len(state.rows):,} {target}",
        f"digests: {keyed}; {len(sizes):,} files, {sum(sizes.values()):,} bytes",
        *([contested] if state.contested else []),
        "",
        _RUN.format(at="run ended (UTC)", stored="stored", forgotten="forgotten", named="named", task="task"),
        *(
            _RUN.format(
                at=entry.at,
                stored=f"{entry.stored:,}",
                forgotten=f"{entry.forgotten:,}",
                named="-" if entry.named is None else f"{entry.named:,}",
                task=entry.task,
            )
            for entry in state.history
        ),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_blux.snapshot", description=__doc__)
    inspect = parser.add_subparsers(required=True, metavar="inspect").add_parser(
        "inspect", help="say what a snapshot holds, and when each run wrote how much"
    )
    inspect.add_argument("path", help="the folder: a local path, or a URL without a connection of Airflow")
    return parser


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that it cannot show is not an error
    sys.exit(main())

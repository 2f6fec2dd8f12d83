"""The source of a run: files of users, of unequal size as the days of a backfill are."""

from __future__ import annotations

import random
from itertools import accumulate, pairwise
from pathlib import Path

from benchmarks.soak_source import write_source

_LEAST, _MOST = 0.6, 1.4


def write_partitions(folder: Path, users: int, files: int, rng: random.Random) -> tuple[dict[str, bytes], list[int]]:
    """Write ``users`` users to ``files`` files, some repeated within their file with other values.

    Return what each user must be in the end, as JSON, and the number of records in each file.
    """
    expected: dict[str, bytes] = {}
    lines = []
    for number, (first, end) in enumerate(pairwise(bounds(users, files, rng))):
        of_file, count = write_source(folder / f"part-{number:03d}.jsonl", range(first, end), rng)
        expected.update(of_file)
        lines.append(count)
    return expected, lines


def bounds(users: int, files: int, rng: random.Random) -> list[int]:
    """Return the number of the first user of each file, and the number of users."""
    weights = [rng.uniform(_LEAST, _MOST) for _ in range(files)]
    total = sum(weights)
    return [0, *(round(users * weight / total) for weight in accumulate(weights))]

"""What every peer does with the file: read a line, fold the row into what the API takes, make batches of 100."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from airflow_provider_blux.emulator.backend import DEMO
from airflow_provider_blux.emulator.endpoints import APPLICATION_PREFIX
from airflow_provider_blux.records.fields import CONSENTS, STANDARD_FIELDS

BATCH_SIZE = 100
PATH = f"{APPLICATION_PREFIX}/v2/applications/{DEMO.application_id}/users/update-properties/bulk"
HEADERS = {"Authorization": DEMO.secret_key, "Content-Type": "application/json"}


def rows(path: str) -> Iterator[dict[str, Any]]:
    """Yield the flat rows of a file of JSON lines."""
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def folded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a user of the Application API; uses the row up."""
    user_id = row.pop("user_id")
    known = {name: row.pop(name) for name in STANDARD_FIELDS if name in row}
    for name in CONSENTS:
        if isinstance(known.get(name), str):
            known[name] = known[name] == "true"
    return {"user_id": user_id, "user_properties": known, "custom_user_properties": row}


def batches(path: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the users of a file, 100 at a time."""
    yield from by_hundred(map(folded, rows(path)))


def by_hundred(users: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield lists of 100."""
    rest = iter(users)
    while batch := list(islice(rest, BATCH_SIZE)):
        yield batch

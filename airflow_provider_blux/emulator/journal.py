"""The journal of requests: when each arrived, what it carried, how it was answered."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_blux.emulator.database import Database
from airflow_provider_blux.emulator.rates import Arrivals

_COLUMNS = ("seq", "arrived", "api", "operation", "records", "status", "fault")


class Journal:
    """Every request, in the order of the answers.

    :param arrivals: is told of the requests that a state file brings along.
    """

    def __init__(self, database: Database, arrivals: Arrivals) -> None:
        self._lock = database.lock
        self._db = database.connection
        self._totals: Counter[tuple[str, str, int | None]] = Counter()
        self._records: Counter[tuple[str, str, int | None]] = Counter()
        with self._lock:
            rows = self._db.execute("SELECT api, operation, status, records, arrived FROM requests ORDER BY arrived")
            for api, operation, status, records, arrived in rows:
                self._count(api, operation, status, records)
                arrivals.arrive(f"{api}.{operation}", arrived)

    def note(
        self, *, arrived: float, api: str, operation: str, records: int, status: int | None, fault: str | None
    ) -> None:
        """Note one request; ``status`` is ``None`` where the connection was cut instead of an answer."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO requests (arrived, api, operation, records, status, fault) VALUES (?, ?, ?, ?, ?, ?)",
                (arrived, api, operation, records, status, fault),
            )
            self._count(api, operation, status, records)

    def clear(self) -> None:
        """Forget what the database has just forgotten."""
        with self._lock:
            self._totals.clear()
            self._records.clear()

    def requests(self, limit: int = -1, offset: int = 0) -> list[dict[str, Any]]:
        """Return the requests, the oldest answer first; a ``limit`` below zero means all."""
        return self._rows("SELECT * FROM requests ORDER BY seq LIMIT ? OFFSET ?", (limit, offset))

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the last requests, the newest first."""
        return self._rows("SELECT * FROM requests ORDER BY seq DESC LIMIT ?", (limit,))

    def totals(self) -> list[dict[str, Any]]:
        """Return how many requests and records there were, by API, operation and status."""
        with self._lock:
            rows = sorted(self._totals.items(), key=lambda row: (row[0][:2], row[0][2] or 0))
            return [
                {
                    "api": api,
                    "operation": operation,
                    "status": status,
                    "requests": requests,
                    "records": self._records[api, operation, status],
                }
                for (api, operation, status), requests in rows
            ]

    def _rows(self, query: str, parameters: tuple[int, ...]) -> list[dict[str, Any]]:
        with self._lock:
            rows = self._db.execute(query, parameters).fetchall()
        return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]

    def _count(self, api: str, operation: str, status: int | None, records: int) -> None:
        self._totals[api, operation, status] += 1
        self._records[api, operation, status] += records

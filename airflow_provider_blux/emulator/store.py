"""Stores what the emulator has received in a SQLite database: a temporary one, or a state file that is kept.

Events, deletions and requests have tables of their own. Everything else is a record of a ``kind``: ``users`` (of the
Application API), ``profiles`` (the users of the Open API) or ``devices``.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

# "BLUX". It identifies a state file, so that nothing is written to another database.
_APPLICATION_ID: Final = 0x424C5558
_SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE INDEX records_by_age ON records (kind);
CREATE TABLE events (seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX events_by_user ON events (user_id);
CREATE TABLE deletions (
    api TEXT NOT NULL, user_id TEXT NOT NULL, time REAL NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (api, user_id)
) WITHOUT ROWID;
CREATE TABLE requests (
    seq INTEGER PRIMARY KEY, arrived REAL NOT NULL, api TEXT NOT NULL, operation TEXT NOT NULL,
    records INTEGER NOT NULL, status INTEGER, fault TEXT
);
"""

# The objects that an update merges key by key; any other field is replaced.
_MERGED: Final[Mapping[str, tuple[str, ...]]] = {
    "users": ("user_properties", "custom_user_properties"),
    "profiles": ("properties",),
    "devices": ("properties",),
}
_ID_FIELD: Final[Mapping[str, str]] = {"users": "user_id", "profiles": "user_id", "devices": "device_id"}

# The kind of the users of each API; the APIs have separate users.
USERS_OF: Final[Mapping[str, str]] = {"application": "users", "open": "profiles"}

_PAGE: Final = 1000

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Store:
    """The records, events, deletions and requests that one emulator has received.

    :param path: the state file; ``None`` for a temporary database.
    :raises sqlite3.Error: the file cannot be used, or is not a state file of this version.
    """

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        # An empty name gives a temporary database that moves to disk when it grows, unlike ":memory:".
        self._db = sqlite3.connect(str(path) if path else "", check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare(durable=path is not None)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the database; a state file is complete afterwards."""
        with self.lock:
            self._db.close()

    def clear(self) -> None:
        """Delete all records, events, deletions and requests."""
        with self.lock, self._db:
            for table in ("records", "events", "deletions", "requests"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - the four names above

    def upsert(self, kind: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Create or update records, in order.

        Fields and properties that are absent from an update keep their values. A null is stored like any other value.
        """
        id_field = _ID_FIELD[kind]
        merged: dict[str, dict[str, Any]] = {}
        with self.lock, self._db:
            for record in records:
                key = record[id_field]
                new = {id_field: key, **{name: {} for name in _MERGED[kind]}}
                known = merged[key] = merged.get(key) or self.record(kind, key) or new
                for name, value in record.items():
                    known[name] = {**known[name], **value} if name in _MERGED[kind] else value
            # REPLACE gives a row the highest row number, so row numbers are in the order of the last updates.
            self._db.executemany(
                "REPLACE INTO records (kind, id, body) VALUES (?, ?, ?)",
                [(kind, key, _encode(body)) for key, body in merged.items()],
            )

    def append_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Store every event; an event that arrived twice is stored twice."""
        rows = [(event["user_id"], _encode(event)) for event in events]
        with self.lock, self._db:
            self._db.executemany("INSERT INTO events (user_id, body) VALUES (?, ?)", rows)

    def delete_users(self, api: str, user_ids: Iterable[str], now: float) -> None:
        """Remove users of one API, and store a deletion for each id, even if there was no such user.

        :param now: Unix time of the deletion.
        """
        ids = list(dict.fromkeys(user_ids))
        with self.lock, self._db:
            self._db.executemany("DELETE FROM records WHERE kind = ? AND id = ?", [(USERS_OF[api], i) for i in ids])
            self._db.executemany(
                "INSERT INTO deletions (api, user_id, time, times) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (api, user_id) DO UPDATE SET time = excluded.time, times = times + 1",
                [(api, i, now) for i in ids],
            )

    def note_request(
        self, *, arrived: float, api: str, operation: str, records: int, status: int | None, fault: str | None
    ) -> None:
        """Store one request, with the fields that ``Emulator.requests`` explains."""
        with self.lock, self._db:
            self._db.execute(
                "INSERT INTO requests (arrived, api, operation, records, status, fault) VALUES (?, ?, ?, ?, ?, ?)",
                (arrived, api, operation, records, status, fault),
            )

    def counts(self) -> dict[str, int]:
        """Return the numbers of records, events and deleted ids, as ``Emulator.counts`` explains."""
        with self.lock:  # all numbers are from the same moment
            kinds = dict(self._rows("SELECT kind, count(*) FROM records GROUP BY kind"))
            deleted = dict(self._rows("SELECT api, count(*) FROM deletions GROUP BY api"))
            ((events,),) = self._rows("SELECT count(*) FROM events")
        return {
            **{kind: kinds.get(kind, 0) for kind in ("users", "profiles")},
            "events": events,
            "devices": kinds.get("devices", 0),
            **{f"deleted_{kind}": deleted.get(api, 0) for api, kind in USERS_OF.items()},
        }

    def record(self, kind: str, record_id: str) -> dict[str, Any] | None:
        """Return the record of a kind that has this id; ``None`` if there is none."""
        rows = self._rows("SELECT body FROM records WHERE kind = ? AND id = ?", kind, _bindable(record_id))
        return json.loads(rows[0][0]) if rows else None

    def records(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the records of a kind as pairs of id and record, in the order of the ids."""
        rows = self._paged("SELECT id, body FROM records WHERE kind = ? AND id", kind, after="")
        return ((record_id, json.loads(body)) for record_id, body in rows)

    def newest(self, kind: str, limit: int) -> list[dict[str, Any]]:
        """Return the ``limit`` records of a kind that were created or updated last, the newest first."""
        rows = self._rows("SELECT body FROM records WHERE kind = ? ORDER BY rowid DESC LIMIT ?", kind, limit)
        return [json.loads(body) for (body,) in rows]

    def events(self, user_id: str) -> list[dict[str, Any]]:
        """Return the events of a user in order of arrival."""
        rows = self._rows("SELECT body FROM events WHERE user_id = ? ORDER BY seq", _bindable(user_id))
        return [json.loads(body) for (body,) in rows]

    def all_events(self) -> Iterator[dict[str, Any]]:
        """Yield every event in order of arrival."""
        return (json.loads(body) for _, body in self._paged("SELECT seq, body FROM events WHERE seq", after=0))

    def deletion(self, user_id: str) -> dict[str, Any] | None:
        """Return the deletions of a user, as ``Emulator.deletion`` explains."""
        # Both APIs are named, so that SQLite uses the primary key, which starts with the API.
        query = "SELECT api, time, times FROM deletions WHERE api IN ('application', 'open') AND user_id = ?"
        found = self._named(query, _bindable(user_id))
        return {"user_id": user_id, "deletions": found} if found else None

    def deleted_ids(self, api: str) -> Iterator[str]:
        """Yield the ids whose deletion an API accepted, each once, sorted."""
        rows = self._paged("SELECT user_id FROM deletions WHERE api = ? AND user_id", api, after="")
        return (user_id for (user_id,) in rows)

    def requests(self, limit: int = -1, offset: int = 0) -> list[dict[str, Any]]:
        """Return the requests in the order of the answers.

        :param limit: maximum number of requests; below zero for all.
        :param offset: number of requests to skip, from the oldest.
        """
        return self._named("SELECT * FROM requests ORDER BY seq LIMIT ? OFFSET ?", limit, offset)

    def newest_requests(self, limit: int) -> list[dict[str, Any]]:
        """Return the ``limit`` requests that were answered last, the newest first."""
        return self._named("SELECT * FROM requests ORDER BY seq DESC LIMIT ?", limit)

    def totals(self) -> list[dict[str, Any]]:
        """Return the numbers of ``requests`` and their ``records`` for each ``api``, ``operation`` and ``status``."""
        return self._named(
            "SELECT api, operation, status, count(*) AS requests, sum(records) AS records FROM requests "
            "GROUP BY api, operation, status ORDER BY api, operation, status"
        )

    def arrivals(self) -> list[tuple[str, float]]:
        """Return API and operation (``open.send_events``) and Unix time of each received request, earliest first."""
        return self._rows("SELECT api || '.' || operation, arrived FROM requests ORDER BY arrived")

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        with self.lock:
            return self._db.execute(query, parameters).fetchall()

    def _named(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._rows(query, *parameters)]

    def _paged(self, query: str, *parameters: Any, after: Any) -> Iterator[Any]:
        """Yield the rows of a query in the order of their first column.

        The rows are read in pages of at most 1,000. The lock is held only while a page is read.

        :param query: a query that ends with the name of the first column; the comparison ``> ?`` is added to it.
        :param after: a value below all values of the first column.
        """
        while True:
            page = self._rows(f"{query} > ? ORDER BY 1 LIMIT ?", *parameters, after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def _prepare(self, *, durable: bool) -> None:
        db = self._db
        new = not db.execute("SELECT 1 FROM sqlite_master").fetchone()
        kind = [*db.execute("PRAGMA application_id").fetchone(), *db.execute("PRAGMA user_version").fetchone()]
        if not new and kind != [_APPLICATION_ID, _SCHEMA_VERSION]:
            raise sqlite3.DatabaseError("it belongs to another program or version; name another file")
        # The file must survive a killed process, but not a power failure.
        db.execute("PRAGMA synchronous = OFF")
        db.execute(f"PRAGMA journal_mode = {'WAL' if durable else 'MEMORY'}")
        if new:
            db.executescript(
                f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_SCHEMA_VERSION};"
                f"{_SCHEMA} COMMIT;"
            )


def _bindable(text: str) -> str:
    """Return an id to look up, with lone surrogates escaped, since SQLite cannot take them.

    No stored id has lone surrogates, so none is found by such an id.

    :raises ValueError: the id is not a ``str``, as a number in JSON.
    """
    if not isinstance(text, str):
        raise ValueError(  # noqa: TRY004 - a wrong value like any other
            f"the id is of type {type(text).__name__}; ids in Blux are text, so write a number in quotes"
        )
    return text.encode("utf-8", "backslashreplace").decode()

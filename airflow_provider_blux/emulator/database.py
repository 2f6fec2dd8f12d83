"""The SQLite database behind the emulator: a private one that goes with the process, or a state file that stays."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

# "BLUX": so that somebody's other database is never taken for a state file and written to.
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


class Database:
    """A connection and the lock that its users hold while they use it.

    :param path: the state file; ``None`` for a private database.
    """

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        # An empty name is a private database that spills to disk when it grows, unlike ":memory:".
        self.connection = sqlite3.connect(str(path) if path else "", check_same_thread=False)
        try:
            self._prepare(durable=path is not None)
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Close the database; a state file is whole afterwards."""
        with self.lock:
            self.connection.close()

    def clear(self) -> None:
        """Forget everything."""
        with self.lock, self.connection as db:
            for table in ("records", "events", "deletions", "requests"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - the four names above

    def _prepare(self, *, durable: bool) -> None:
        db = self.connection
        new = not db.execute("SELECT 1 FROM sqlite_master").fetchone()
        kind = db.execute("PRAGMA application_id").fetchone(), db.execute("PRAGMA user_version").fetchone()
        if not new and kind != ((_APPLICATION_ID,), (_SCHEMA_VERSION,)):
            raise sqlite3.DatabaseError("it is another program's database, or another version's")
        # No power failure has to be survived, a killed process has.
        db.execute("PRAGMA synchronous = OFF")
        db.execute(f"PRAGMA journal_mode = {'WAL' if durable else 'MEMORY'}")
        if new:
            db.executescript(
                f"BEGIN; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_SCHEMA_VERSION};"
                f"{_SCHEMA} COMMIT;"
            )

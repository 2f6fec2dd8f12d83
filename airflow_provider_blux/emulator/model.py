"""What the emulator has received: users and profiles, events, devices, deletions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from airflow_provider_blux.emulator.database import Database

# The objects that an update merges key by key; any other field is replaced.
_MERGED: Final[Mapping[str, tuple[str, ...]]] = {
    "users": ("user_properties", "custom_user_properties"),
    "profiles": ("properties",),
    "devices": ("properties",),
}
_ID_FIELD: Final[Mapping[str, str]] = {"users": "user_id", "profiles": "user_id", "devices": "device_id"}

# Which users an API knows: the two keep theirs apart.
USERS_OF: Final[Mapping[str, str]] = {"application": "users", "open": "profiles"}

_PAGE: Final = 1000

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Model:
    """What was received, in one database.

    Records are of a ``kind``: ``users``, ``profiles`` or ``devices``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = database.lock
        self._db = database.connection
        self._counts = self._counted()

    def clear(self) -> None:
        """Forget what the database has just forgotten."""
        with self._lock:
            self._counts = self._counted()

    def upsert(self, kind: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Create or update records in order: an absent key stays as it was, a null is stored."""
        id_field = _ID_FIELD[kind]
        merged: dict[str, dict[str, Any]] = {}
        new = 0
        with self._lock, self._db:
            for record in records:
                key = record[id_field]
                known = merged.get(key) or self.record(kind, key)
                if known is None:
                    new += 1
                    known = {id_field: key, **{name: {} for name in _MERGED[kind]}}
                merged[key] = known
                for name, value in record.items():
                    known[name] = {**known[name], **value} if name in _MERGED[kind] else value
            # REPLACE gives the row the highest number, which makes the row number an order by age.
            self._db.executemany(
                "REPLACE INTO records (kind, id, body) VALUES (?, ?, ?)",
                [(kind, key, _encode(body)) for key, body in merged.items()],
            )
            self._counts[kind] += new

    def append_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Keep every event, the same one twice if it came twice."""
        rows = [(event["user_id"], _encode(event)) for event in events]
        with self._lock, self._db:
            self._db.executemany("INSERT INTO events (user_id, body) VALUES (?, ?)", rows)
            self._counts["events"] += len(rows)

    def delete_users(self, api: str, user_ids: Iterable[str], now: float) -> None:
        """Remove the API's users of these ids, and note each deletion whether or not there was such a user."""
        ids = list(dict.fromkeys(user_ids))
        kind = USERS_OF[api]
        with self._lock, self._db:
            removed = self._db.executemany("DELETE FROM records WHERE kind = ? AND id = ?", [(kind, i) for i in ids])
            self._counts[kind] -= removed.rowcount
            noted = self._db.executemany(
                "INSERT OR IGNORE INTO deletions (api, user_id, time, times) VALUES (?, ?, ?, 1)",
                [(api, i, now) for i in ids],
            )
            if noted.rowcount < len(ids):
                # Those that were noted a moment ago have this very time and are left alone.
                self._db.executemany(
                    "UPDATE deletions SET times = times + 1, time = ? WHERE api = ? AND user_id = ? AND time <> ?",
                    [(now, api, i, now) for i in ids],
                )
            self._counts[f"deleted_{kind}"] += noted.rowcount

    def counts(self) -> dict[str, int]:
        """Return how many there are of each."""
        with self._lock:
            return dict(self._counts)

    def record(self, kind: str, record_id: str) -> dict[str, Any] | None:
        """Return one record."""
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM records WHERE kind = ? AND id = ?", (kind, _bindable(record_id))
            ).fetchone()
        return json.loads(row[0]) if row else None

    def records(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every record with its id, in the order of the ids."""
        after = ""
        while True:
            with self._lock:
                page = self._db.execute(
                    "SELECT id, body FROM records WHERE kind = ? AND id > ? ORDER BY id LIMIT ?", (kind, after, _PAGE)
                ).fetchall()
            yield from ((record_id, json.loads(body)) for record_id, body in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def newest(self, kind: str, limit: int) -> list[dict[str, Any]]:
        """Return the records that were updated last, the newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT body FROM records WHERE kind = ? ORDER BY rowid DESC LIMIT ?", (kind, limit)
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def events(self, user_id: str) -> list[dict[str, Any]]:
        """Return the events of a user in order of arrival."""
        with self._lock:
            rows = self._db.execute(
                "SELECT body FROM events WHERE user_id = ? ORDER BY seq", (_bindable(user_id),)
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def all_events(self) -> Iterator[dict[str, Any]]:
        """Yield every event in order of arrival."""
        after = 0
        while True:
            with self._lock:
                page = self._db.execute(
                    "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, _PAGE)
                ).fetchall()
            yield from (json.loads(body) for _, body in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def deletion(self, user_id: str) -> dict[str, Any] | None:
        """Return, for each API, the Unix time of the last deletion of a user and the number of deletions."""
        with self._lock:
            rows = self._db.execute(
                "SELECT api, time, times FROM deletions WHERE api IN ('application', 'open') AND user_id = ?",
                (_bindable(user_id),),
            ).fetchall()
        found = [{"api": api, "time": time, "times": times} for api, time, times in rows]
        return {"user_id": user_id, "deletions": found} if found else None

    def deleted_ids(self, api: str) -> Iterator[str]:
        """Yield the distinct ids that an API was asked to delete, in order."""
        after = ""
        while True:
            with self._lock:
                page = self._db.execute(
                    "SELECT user_id FROM deletions WHERE api = ? AND user_id > ? ORDER BY user_id LIMIT ?",
                    (api, after, _PAGE),
                ).fetchall()
            yield from (user_id for (user_id,) in page)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def _counted(self) -> dict[str, int]:
        kinds = dict(self._db.execute("SELECT kind, count(*) FROM records GROUP BY kind").fetchall())
        deleted = dict(self._db.execute("SELECT api, count(*) FROM deletions GROUP BY api").fetchall())
        (events,) = self._db.execute("SELECT count(*) FROM events").fetchone()
        return {
            **{kind: kinds.get(kind, 0) for kind in ("users", "profiles")},
            "events": events,
            "devices": kinds.get("devices", 0),
            **{f"deleted_{kind}": deleted.get(api, 0) for api, kind in USERS_OF.items()},
        }


def _bindable(text: str) -> str:
    """Return ``text`` without half surrogate pairs, which SQLite cannot take and no record's id contains."""
    return text.encode("utf-8", "backslashreplace").decode()

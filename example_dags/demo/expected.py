"""The records that Blux should have after each example DAG, computed from the sample files and the shop's tables.

This module does not use the provider, so that a mistake in the provider is not repeated here.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).resolve().parents[1] / "data"
CONSENTS = {
    f"{kind}_consent"
    for kind in (
        "nighttime_notification",
        "marketing_notification",
        "marketing_notification_sms",
        "marketing_notification_email",
        "marketing_notification_kakao",
        "marketing_notification_push",
    )
}
KNOWN = {"phone_number", "email_address", *CONSENTS}

Record = dict[str, Any]


class Source(NamedTuple):
    """The expected counts of a DAG: records read, left out (suppressed or rejected), and unchanged."""

    read: int
    left_out: int = 0
    unchanged: int = 0


@dataclass
class Expected:
    """The records that both APIs should have now.

    For each example DAG there is a method of the same name. It is called before the DAG runs, changes these records as
    the DAG should, and returns the expected counts.

    :param deleted: ids of the users that were deleted.
    :param sent: for each user in the snapshot, the row that was sent last.
    :param open_requests: numbers of the deletion requests that should be open; ``None`` before ``delete_users``.
    """

    users: dict[str, Record] = field(default_factory=dict)
    profiles: dict[str, Record] = field(default_factory=dict)
    events: dict[str, Record] = field(default_factory=dict)
    devices: dict[str, Record] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    sent: dict[str, Record] = field(default_factory=dict)
    open_requests: set[int] | None = None

    def sync_users_from_files(self, _shop: Path) -> Source:
        """Upsert the users in the CRM's CSV, then those in the app's files; count those whose row is unchanged."""
        crm = [_consents_read(row) for row in _csv_rows(DATA / "users.csv")]
        app = _json_lines("users/*.jsonl")
        unchanged = self._unchanged(crm) + self._unchanged(app)
        return self._upsert([*crm, *app])._replace(unchanged=unchanged)

    def sync_users_from_sql(self, shop: Path) -> Source:
        """Upsert the customers that changed since 2026-01-01; their orders are counted without the DAG's query."""
        rows = []
        with closing(sqlite3.connect(shop)) as database:
            orders = database.execute("SELECT customer_no, amount, ordered_on FROM orders").fetchall()
            customers = database.execute("SELECT * FROM customers").fetchall()
        for number, name, phone, email, marketing, night, updated in customers:
            if updated < "2026-01-01":
                continue
            own = [(amount, day) for customer, amount, day in orders if customer == number]
            rows.append(
                {
                    "user_id": str(number),
                    "phone_number": phone,
                    "email_address": email,
                    "marketing_notification_consent": None if marketing is None else marketing == 1,
                    "nighttime_notification_consent": None if night is None else night == 1,
                    "name": name,
                    "orders_count": len(own),
                    "orders_amount": sum(amount for amount, _ in own) if own else None,
                    "last_ordered_on": max(day for _, day in own) if own else None,
                }
            )
        return self._upsert(rows)

    def replay_rejects(self, _shop: Path) -> Source:
        """Upsert the corrected records, except those whose telephone number is still a number: they are rejected."""
        records = [line["record"] for line in _json_lines("corrected/*.jsonl")]
        rows = [
            {
                "user_id": record["회원번호"],
                "phone_number": record["휴대폰"],
                "marketing_notification_consent": {"Y": True, "N": False}[record["마케팅동의"]],
            }
            for record in records
            if isinstance(record["휴대폰"], str)
        ]
        self._upsert(rows)
        for record in records:
            self.sent.pop(record["회원번호"], None)
        self.sent.update({row["user_id"]: row for row in rows})
        return Source(len(records), len(records) - len(rows))

    def notice_small_syncs(self, _shop: Path) -> Source:
        """Change nothing, because the DAG sends no records."""
        return Source(0)

    def backfill_users(self, _shop: Path) -> Source:
        """Upsert the users of every partition, without their consents."""
        rows = _json_lines("partitions/*/users.jsonl")
        return self._upsert([{key: row[key] for key in row.keys() - CONSENTS} for row in rows])

    def backfill_customers(self, shop: Path) -> Source:
        """Upsert, without their consents, the customers that changed in July and August 2026: one run sends a month."""
        query = """SELECT customer_no, phone, email, name FROM customers
                   WHERE updated_at BETWEEN '2026-07-01' AND '2026-08-31 24' ORDER BY updated_at"""
        with closing(sqlite3.connect(shop)) as database:
            customers = database.execute(query).fetchall()
        return self._upsert(
            [
                {"user_id": str(number), "phone_number": phone, "email_address": email, "name": name}
                for number, phone, email, name in customers
            ]
        )

    def tag_buyers(self, _shop: Path) -> Source:
        """Set the number of purchases and their total amount in the profile of each buyer."""
        bought = [event for event in _json_lines("events/*.jsonl") if event["name"] == "purchase"]
        purchases = Counter(event["user_id"] for event in bought)
        for user_id, count in purchases.items():
            amount = sum(event["properties"]["amount"] for event in bought if event["user_id"] == user_id)
            self.profiles[user_id] = {"properties": {"purchases": count, "purchases_amount": amount}}
        return Source(len(purchases))

    def taskflow_users(self, _shop: Path) -> Source:
        """Set the last search and the numbers of visits and page views in the profile of each user."""
        events = _json_lines("events/*.jsonl")
        searches = [event for event in events if event["name"] == "search"]
        notes = [
            (event["user_id"], {"last_search": event["properties"]["query"], "last_search_at": event["timestamp"]})
            for event in searches
        ]
        for name in ("visit", "page_view"):
            counts = Counter(event["user_id"] for event in events if event["name"] == name)
            notes += [(user_id, {f"{name}_count": count}) for user_id, count in counts.items()]
        for user_id, properties in notes:
            self.profiles.setdefault(user_id, {"properties": {}})["properties"].update(properties)
        return Source(len(notes))

    def send_events_from_files(self, _shop: Path) -> Source:
        """Add every event of the files, without a change."""
        events = _json_lines("events/*.jsonl")
        self.events.update((event["id"], event) for event in events)
        return Source(len(events))

    def update_devices(self, _shop: Path) -> Source:
        """Add every device of the file, without a change."""
        devices = json.loads((DATA / "devices.json").read_text(encoding="utf-8"))
        self.devices.update((device["device_id"], device) for device in devices)
        return Source(len(devices))

    def delete_users(self, shop: Path) -> Source:
        """Remove the users with an open request from both APIs; a request whose id has a blank at an end stays open."""
        query = "SELECT request_no, user_id FROM deletion_requests WHERE done_at IS NULL"
        with closing(sqlite3.connect(shop)) as database:
            requests = database.execute(query).fetchall()
        self.open_requests = {number for number, user_id in requests if user_id != user_id.strip()}
        ids = {user_id for number, user_id in requests if number not in self.open_requests}
        for user_id in ids:
            self.users.pop(user_id, None)
            self.profiles.pop(user_id, None)
            self.sent.pop(user_id, None)
        self.deleted |= ids
        return Source(2 * len(requests), 2 * len(self.open_requests))

    def _unchanged(self, rows: list[Record]) -> int:
        """Return how many rows of a task are unchanged, and update ``sent``.

        A user with several rows in one source is sent each time, and is not in ``sent``.
        """
        times = Counter(row["user_id"] for row in rows)
        once = {row["user_id"]: row for row in rows if times[row["user_id"]] == 1}
        allowed = once.keys() - self.deleted
        unchanged = sum(self.sent.get(user_id) == once[user_id] for user_id in allowed)
        for user_id in times:
            self.sent.pop(user_id, None)
        self.sent.update((user_id, once[user_id]) for user_id in allowed)
        return unchanged

    def _upsert(self, rows: list[Record]) -> Source:
        """Update the users, except deleted ones, and return the counts. A null or absent property keeps its value."""
        wanted = [row for row in rows if row["user_id"] not in self.deleted]
        for row in wanted:
            known = row.get("user_properties") or {key: row[key] for key in row.keys() & KNOWN}
            flat = row.keys() - KNOWN - {"user_id", "user_properties", "custom_user_properties"}
            custom = row.get("custom_user_properties") or {key: row[key] for key in flat}
            user = self.users.setdefault(row["user_id"], {"user_properties": {}, "custom_user_properties": {}})
            user["user_properties"].update(_given(known))
            user["custom_user_properties"].update(_given(custom))
        return Source(len(rows), len(rows) - len(wanted))


def _given(properties: Record) -> Record:
    return {key: value for key, value in properties.items() if value is not None}


def _consents_read(row: Record) -> Record:
    return {key: value == "true" if key in CONSENTS else value for key, value in row.items()}


def _csv_rows(file: Path) -> list[Record]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [{key: cell for key, cell in row.items() if cell != ""} for row in csv.DictReader(lines)]


def _json_lines(pattern: str) -> list[Record]:
    return [
        json.loads(line) for file in _files(pattern) for line in file.read_text(encoding="utf-8").split("\n") if line
    ]


def _files(pattern: str) -> Iterable[Path]:
    return sorted(DATA.glob(pattern))

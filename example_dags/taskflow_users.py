"""Tell Blux what each user searched for last, and how often they come: ``@task.blux_upsert_users`` on functions.

Use the decorator if the function only makes records: what it returns or yields is sent, and the task returns the
report. A function that yields is read record by record, so it may yield more than fits into memory, and no record goes
through XCom. If the task does other things too, use the hook in an ordinary ``@task`` (``tag_buyers``).

Arguments come from upstream tasks as with any ``@task``, and ``partial`` and ``expand`` map it. The counts of each kind
of event are sent one kind after the other, because every task uses the whole rate limit.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")


def _events(files: list[str], name: str) -> Iterator[dict[str, Any]]:
    for file in files:
        for event in map(json.loads, ObjectStoragePath(file).read_bytes().splitlines()):
            if event["name"] == name:
                yield event


@dag(
    schedule="@daily",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def taskflow_users() -> None:
    """Send the last searches, then the counts of two kinds of events."""

    @task
    def event_files() -> list[str]:
        return sorted(str(file) for file in ObjectStoragePath(f"{DATA}/events").iterdir())

    @task.blux_upsert_users(api="open")
    def send_last_searches(files: list[str]) -> Iterator[dict[str, Any]]:
        # In the order of time: updates of one user arrive in the order in which they are yielded.
        for event in _events(files, "search"):
            yield {
                "user_id": event["user_id"],
                "last_search": event["properties"]["query"],
                "last_search_at": event["timestamp"],
            }

    @task.blux_upsert_users(api="open", max_active_tis_per_dag=1)
    def send_counts(files: list[str], name: str) -> list[dict[str, Any]]:
        counts = Counter(event["user_id"] for event in _events(files, name))
        return [{"user_id": user_id, f"{name}_count": count} for user_id, count in counts.items()]

    files = event_files()
    send_last_searches(files) >> send_counts.partial(files=files).expand(name=["visit", "page_view"])


taskflow_users()

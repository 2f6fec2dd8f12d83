"""Count what each user bought and keep the sum in their Blux profile: the hook inside an ordinary ``@task``.

Use the hook if a task does other things as well as sending records. It takes any iterable, keeps to the rate limit,
batches and retries like the operators, and the records never go through XCom: only the counts leave the task.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_blux.hooks.blux import BluxHook

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")


@dag(
    schedule="@weekly",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def tag_buyers() -> None:
    """Send each buyer's number of purchases and their total amount."""

    @task(multiple_outputs=False)  # one XCom for the report, not one for each of its counts
    def send_sums() -> dict[str, Any]:
        purchases: Counter[str] = Counter()
        amounts: Counter[str] = Counter()
        for file in sorted(ObjectStoragePath(f"{DATA}/events").iterdir(), key=str):
            for event in map(json.loads, file.read_bytes().splitlines()):
                if event["name"] == "purchase":
                    purchases[event["user_id"]] += 1
                    amounts[event["user_id"]] += event["properties"]["amount"]

        report = BluxHook(api="open").upsert_users(
            {"user_id": user_id, "purchases": count, "purchases_amount": amounts[user_id]}
            for user_id, count in purchases.items()
        )
        return report.as_dict()

    send_sums()


tag_buyers()

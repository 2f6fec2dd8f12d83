"""Fail if a sync read less than half of the usual number of users: a sync of half an export is green, but wrong.

This DAG is started only by the asset that ``sync_users_from_sql`` declares as its outlet, so it runs whenever that DAG
has changed users. The events of the asset carry the reports of its tasks: the counts, never a record.

The URI of the asset contains the application's id from the connection: set ``BLUX_EXAMPLE_APPLICATION`` to yours.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from statistics import median
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, dag, task

from airflow_provider_blux.assets import blux

USERS = blux.users(os.environ.get("BLUX_EXAMPLE_APPLICATION") or "demo-app")
COMPARED_WITH = 7


@dag(
    schedule=[USERS],
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    tags=["blux", "example"],
    doc_md=__doc__,
)
def notice_small_syncs() -> None:
    """Compare the number of users in the last sync with the median of the syncs before it."""

    @task(inlets=[USERS], multiple_outputs=False)
    def compare(**context: Any) -> dict[str, float]:
        events = context["inlet_events"][USERS]
        *before, last = [event.extra["read"] for event in events[-COMPARED_WITH - 1 :]]
        usual = median(before or [last])
        if last < usual / 2:
            raise AirflowFailException(f"Only {last:,} users were read, where {usual:,.0f} are usual.")
        return {"read": last, "usual": usual}

    compare()


notice_small_syncs()

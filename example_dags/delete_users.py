"""Delete the users who asked for it, through both APIs, and say what was asked of each.

The list of requests is read straight from its file, so no id of a person ends up in Airflow's database. ``max_users``
is a guard: a list that is suddenly ten times as long stops here, before anything is deleted. Deleting a user who is
gone already is harmless, so the whole list may be sent again.

Both APIs answer that they accepted the deletion, not that it is done.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")
log = logging.getLogger(__name__)


@dag(
    schedule="@daily",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def delete_users() -> None:
    """Send the deletions to both APIs, then compare their answers."""
    path = f"{DATA}/deletions.csv"
    users = BluxDeleteUsersOperator(task_id="delete_users", path=path, max_users=1_000, api="application")
    profiles = BluxDeleteUsersOperator(task_id="delete_profiles", path=path, max_users=1_000, api="open")

    @task
    def compare(users: dict[str, Any], profiles: dict[str, Any]) -> None:
        log.info("Accepted: %s users, %s profiles.", users["delivered"], profiles["delivered"])
        if users["delivered"] != profiles["delivered"]:
            raise ValueError("The two APIs accepted different numbers of deletions: was the list changed meanwhile?")

    compare(users.output, profiles.output)


delete_users()

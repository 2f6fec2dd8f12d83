"""Send partitions of users that were never sent, several at a time: one mapped task per partition.

``partitions`` lists what lies in the folder at run time, ``expand`` makes a task of each, and ``sum_up`` adds their
reports. A partition that fails is retried alone and goes on where it stopped; the others are not sent again. Start it
by hand, with ``{"pattern": "2026-09-0[1-3]"}`` for a few partitions only.

Old partitions hold users who have been erased since: ``suppression_path`` names the receipts of their deletion, and
they are left out (``sync_users_from_files`` says how to begin with an empty list).

Tasks that run at once share the API's rate limit: keep ``max_active_tis_per_dag`` low and give each its share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")
OUTPUT = os.environ.get("BLUX_EXAMPLE_OUTPUT") or str(Path(__file__).parents[1] / "build" / "examples")


@dag(
    schedule=None,
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    params={"pattern": "*"},
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def backfill_users() -> None:
    """Send every partition, then add up the reports."""

    @task
    def partitions(params: dict[str, Any] | None = None) -> list[str]:
        pattern = (params or {})["pattern"]
        return sorted(str(folder) for folder in ObjectStoragePath(f"{DATA}/partitions").glob(pattern))

    @task(multiple_outputs=False)
    def sum_up(reports: Iterable[dict[str, Any]]) -> dict[str, int]:
        every = list(reports)
        return {
            count: sum(report[count] for report in every) for count in ("read", "delivered", "merged", "suppressed")
        }

    sent = BluxUpsertUsersOperator.partial(
        task_id="send_partition",
        api="application",
        suppression_path=f"{OUTPUT}/receipts",
        rate_limit=10,
        max_active_tis_per_dag=2,
    ).expand(path=partitions())
    sum_up(sent.output)


backfill_users()

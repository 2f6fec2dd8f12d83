"""Send files of users that were never sent: a task cuts them into parts, and each part is sent by a mapped task.

``parts`` lists what lies in the folder at run time, ``expand`` makes a task of each part, and ``sum_up`` makes one
report of theirs. A part that fails is retried alone and goes on where it stopped; clear it, and only it is sent again.
Start the DAG by hand, with ``{"pattern": "2026-09-0[1-3]"}`` for a few days only.

Old files hold users who have been erased since: ``suppression_path`` names the receipts of their deletion, and they are
left out (``sync_users_from_files`` says how to begin with an empty list).

Tasks that run at once share one rate. Here at most two run, and each keeps to its half; with a Redis, give its
connection instead (``rate_limit_conn_id``), and they share the rate as it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_blux.backfill import split_files, summarize_reports
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
    """Send every part, then make one report of all."""

    @task
    def parts(params: dict[str, Any] | None = None) -> list[list[str]]:
        pattern = (params or {})["pattern"]
        return split_files(f"{DATA}/partitions/{pattern}/*.jsonl", parts=4)

    @task(multiple_outputs=False)
    def sum_up(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return summarize_reports(reports)

    sent = BluxUpsertUsersOperator.partial(
        task_id="send_part",
        api="application",
        suppression_path=f"{OUTPUT}/receipts",
        rate_limit_share=1 / 2,
        max_active_tis_per_dag=2,
    ).expand(path=parts())
    sum_up(sent.output)


backfill_users()

"""Send many files of users as a backfill: one task splits them into parts, and a mapped task sends each part.

``parts`` lists the files in the folder at run time, ``expand`` makes a task of each part, and ``sum_up`` adds up their
reports. A part that fails is retried alone and continues where it stopped. To send one part again, clear only its task.
Trigger the DAG by hand, with ``{"pattern": "2026-09-0[1-3]"}`` for a few days only.

Consents are not sent, because they may have been withdrawn since. Old files may also contain users who have been
deleted since. They are not sent, because ``suppression_path`` is the folder with the receipts of their deletion
(``sync_users_from_files`` explains how to start with an empty list).

Tasks that run at the same time must share one rate limit. Here at most two run, and each uses half of the limit. If
you have Redis, set ``rate_limit_conn_id`` instead: then a task that runs alone uses the whole limit.
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
    """Send every part, then combine the reports of the parts into one."""

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
        exclude_fields="consents",
        suppression_path=f"{OUTPUT}/receipts",
        rate_limit_share=1 / 2,
        max_active_tis_per_dag=2,
    ).expand(path=parts())
    sum_up(sent.output)


backfill_users()

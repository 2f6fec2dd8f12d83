"""Every file of a folder by a mapped task of its own; all of them share one pace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_blux.backfill import split_files, summarize_reports
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator


@dag(schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=5)})
def send_partitions() -> None:
    """Make a part of each file, send them, make one report of theirs."""

    @task
    def partitions() -> list[list[str]]:
        return split_files(os.environ["BLUX_CLUSTER_PARTITIONS"], parts=100)

    @task(multiple_outputs=False)
    def summarize(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return summarize_reports(reports)

    sent = BluxUpsertUsersOperator.partial(
        task_id="send_partition",
        rate_limit=float(os.environ["BLUX_CLUSTER_RATE"]),
        rate_limit_conn_id="pace",
        # As many as the two workers have processes: a task waits here, not in the broker, for its turn. What waits in
        # the broker for longer than [scheduler] task_queued_timeout is taken for lost.
        max_active_tis_per_dag=int(os.environ["BLUX_CLUSTER_SLOTS"]),
    ).expand(path=partitions())
    summarize(sent.output)


send_partitions()

"""Every file of a folder by a mapped task of its own; all of them share one pace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

COUNTS = ("read", "delivered", "rejected", "suppressed", "merged", "unknown", "resumed", "batches")


@dag(schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=5)})
def send_partitions() -> None:
    """List the partitions, send them, add up the reports."""

    @task
    def partitions() -> list[str]:
        return sorted(map(str, Path(os.environ["BLUX_CLUSTER_PARTITIONS"]).glob("*.jsonl")))

    @task(multiple_outputs=False)
    def summarize(reports: Iterable[dict[str, Any]]) -> dict[str, int]:
        every = list(reports)
        return {name: sum(report[name] for report in every) for name in COUNTS}

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

"""Our operator, with users from a file."""

from __future__ import annotations

import os

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

with DAG("users", schedule=None):
    # Faster than Blux allows, so that a run is over soon after its first request.
    BluxUpsertUsersOperator(task_id="send", path=os.environ["BLUX_BENCH_USERS"], rate_limit=500, concurrency=32)

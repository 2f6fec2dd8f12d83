"""Deliveries that stop before the end of their source. Each has one try, so a test decides when it continues."""

from __future__ import annotations

from datetime import timedelta
from importlib import metadata

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator, BluxUpsertUsersOperator

# Two records a request, one request at a time.
IN_SMALL_STEPS = {"batch_size": 2, "concurrency": 1}
FOLDER = "{{ dag_run.conf['folder'] }}"
CHECKPOINT = {"checkpoint_path": f"{FOLDER}/checkpoints"}
# From 3.3 on Airflow keeps the progress by itself.
KEEPS_PROGRESS = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2]) >= (3, 3)
WHERE_IT_IS_KEPT = {} if KEEPS_PROGRESS else CHECKPOINT

with DAG("users_with_a_time_limit"):
    BluxUpsertUsersOperator(
        task_id="deliver",
        path=f"{FOLDER}/records.jsonl",
        execution_timeout=timedelta(seconds=8),
        **IN_SMALL_STEPS,
        **WHERE_IT_IS_KEPT,
    )

with DAG("users_without_a_time_limit"):
    BluxUpsertUsersOperator(task_id="deliver", path=f"{FOLDER}/records.jsonl", **IN_SMALL_STEPS, **WHERE_IT_IS_KEPT)

with DAG("users_from_mapped_folders"):
    BluxUpsertUsersOperator.partial(task_id="deliver", **IN_SMALL_STEPS, **WHERE_IT_IS_KEPT).expand(
        path=[f"{FOLDER}/a", f"{FOLDER}/b"]
    )

with DAG("deletions_with_checkpoint"):
    BluxDeleteUsersOperator(
        task_id="deliver",
        path=f"{FOLDER}/records.jsonl",
        receipts_path=f"{FOLDER}/receipts",
        **IN_SMALL_STEPS,
        **CHECKPOINT,
    )

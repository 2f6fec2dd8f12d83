"""Deliveries that end before their source does; one try each, so that going on is the test's own decision."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator, BluxUpsertUsersOperator

# Two records a request, one request at a time.
IN_SMALL_STEPS = {"batch_size": 2, "concurrency": 1}
FOLDER = "{{ dag_run.conf['folder'] }}"

with DAG("users_with_a_time_limit"):
    BluxUpsertUsersOperator(
        task_id="deliver", path=f"{FOLDER}/records.jsonl", execution_timeout=timedelta(seconds=8), **IN_SMALL_STEPS
    )

with DAG("users_without_a_time_limit"):
    BluxUpsertUsersOperator(task_id="deliver", path=f"{FOLDER}/records.jsonl", **IN_SMALL_STEPS)

with DAG("users_from_mapped_folders"):
    BluxUpsertUsersOperator.partial(task_id="deliver", **IN_SMALL_STEPS).expand(path=[f"{FOLDER}/a", f"{FOLDER}/b"])

with DAG("deletions_with_checkpoint"):
    BluxDeleteUsersOperator(
        task_id="deliver",
        path=f"{FOLDER}/records.jsonl",
        checkpoint_path=f"{FOLDER}/checkpoints",
        receipts_path=f"{FOLDER}/receipts",
        **IN_SMALL_STEPS,
    )

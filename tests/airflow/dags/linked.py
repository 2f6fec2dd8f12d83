"""Deliveries whose files are in a bucket, which their links lead to."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator, BluxUpsertUsersOperator

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2
    from airflow.io.store import attach

REJECTS = "gs://crm/rejects/{{ dag.dag_id }}"


class Bucket(MemoryFileSystem):
    """A simulated bucket of Google Cloud Storage; Airflow's provider for it is not installed."""

    protocol = ("gs", "gcs")


attach("gs", fs=Bucket())

with DAG("linked_rejects"):
    BluxUpsertUsersOperator(
        task_id="deliver", users="{{ dag_run.conf['users'] | tojson }}", max_rejects=1, rejects_path=REJECTS
    )

with DAG("linked_mapped"):

    @task.blux_upsert_users(rejects_path=REJECTS)
    def deliver(user):
        return [user]

    deliver.expand(user=[{"user_id": "a"}, {"user_id": 1.5}])

with DAG("linked_receipts"):
    BluxDeleteUsersOperator(task_id="deliver", user_ids=["a", "b"], receipts_path="gs://crm/receipts")

with DAG("linked_failure"):
    BluxUpsertUsersOperator(task_id="deliver", users=[{"user_id": "a"}], blux_conn_id="wrong_key")

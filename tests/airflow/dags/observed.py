"""Observed deliveries: DAGs that are scheduled on their assets, lineage, and progress."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias, task
from airflow.providers.openlineage.utils.selective_enable import enable_lineage

from airflow_provider_blux.assets import blux
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator, BluxUpsertUsersOperator

APPLICATION = "demo-app"  # the emulator's
CRM_DELETIONS = AssetAlias("crm-deletions")
START = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "{{ dag_run.conf['path'] }}"
USERS = "{{ dag_run.conf['users'] | tojson }}"


def shown(events):
    return [{"run_id": event.source_run_id, "extra": event.extra} for event in events]


with DAG("users_with_an_outlet"):
    BluxUpsertUsersOperator(
        task_id="deliver",
        path=PATH,
        max_rejects=1,
        rejects_path="{{ dag_run.conf['folder'] }}/rejects",
        outlets=[blux.users(APPLICATION), Asset("file:///exports/users")],
    )

with DAG("users_checked_with_an_outlet"):
    BluxUpsertUsersOperator(
        task_id="deliver",
        path=PATH,
        validate_only=True,
        outlets=[blux.users("checked"), AssetAlias("checked-users"), Asset("file:///exports/checked")],
    )

with DAG("deletions_with_an_alias"):
    BluxDeleteUsersOperator(
        task_id="deliver",
        user_ids="{{ dag_run.conf['user_ids'] | tojson }}",
        receipts_path="{{ dag_run.conf['folder'] }}/receipts",
        outlets=[CRM_DELETIONS],
    )

with DAG("after_users", schedule=[blux.users(APPLICATION)], start_date=START):

    @task(task_id="events")
    def triggering(**context):
        names = ("triggering_asset_events", "triggering_dataset_events")  # the latter in Airflow 2
        found = next(context[name] for name in names if name in context)
        return [seen for events in found.values() for seen in shown(events)]

    triggering()

with DAG("after_deletions", schedule=[CRM_DELETIONS], start_date=START):

    @task(task_id="events", inlets=[CRM_DELETIONS])
    def of_the_inlet(**context):  # for an alias, Airflow 3.0 names none as triggering
        return shown(context["inlet_events"][CRM_DELETIONS])

    of_the_inlet()

with DAG("users_with_lineage", default_args={"retries": 1, "retry_delay": timedelta(0)}) as with_lineage:
    BluxUpsertUsersOperator(
        task_id="deliver",
        path=["{{ dag_run.conf['folder'] }}/part-*.jsonl", "{{ dag_run.conf['folder'] }}/last.jsonl"],
        batch_size=2,
        concurrency=1,
        max_rejects=0.5,
        rejects_path="{{ dag_run.conf['folder'] }}/rejects",
        checkpoint_path="{{ dag_run.conf['folder'] }}/checkpoints",
    )
enable_lineage(with_lineage)

with DAG("users_checked_with_lineage") as checked_with_lineage:
    BluxUpsertUsersOperator(task_id="deliver", path=PATH, validate_only=True)
enable_lineage(checked_with_lineage)

with DAG("users_from_a_table_with_lineage") as table_with_lineage:
    BluxUpsertUsersOperator(
        task_id="deliver",
        sql="select user_id, grade from {{ dag_run.conf['table'] }} where grade = 'gold' order by user_id",
        sql_conn_id="warehouse_server",
    )
enable_lineage(table_with_lineage)

with DAG("users_from_the_hook_with_lineage") as hook_with_lineage:

    @task
    def deliver(**context):
        return BluxHook().upsert_users(context["dag_run"].conf["users"]).as_dict()

    deliver()
enable_lineage(hook_with_lineage)

with DAG("users_slowly"):
    BluxUpsertUsersOperator(task_id="deliver", users=USERS, batch_size=1, concurrency=1, rate_limit=4)

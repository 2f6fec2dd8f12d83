"""The DAGs of the tests: one for each way that records reach an operator, configured by the run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_blux.alerts import alert_text
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)

# Two retries everywhere, so that a failure on the first try is the operator's own decision.
DEFAULT_ARGS = {"retries": 2, "retry_delay": timedelta(0)}
CONNECTION = "{{ dag_run.conf.get('connection', 'blux_default') }}"


# Airflow logs what a function returns unless it is told not to.
@task(retries=0, show_return_value_in_logs=False)
def read(**context):
    conf = context["dag_run"].conf
    if conf.get("upstream_fails"):
        raise ValueError("the upstream task fails, as the run asks for")
    return [json.loads(line) for line in Path(conf["path"]).read_text().splitlines()]


@task
def page(number):
    return [{"user_id": f"page-{number}-{row}"} for row in (1, 2)]


@task(retries=0, show_return_value_in_logs=False)
def read_pages(**context):
    records = [json.loads(line) for line in Path(context["dag_run"].conf["path"]).read_text().splitlines()]
    return [records[:2], records[2:]]


@task
def careless(**context):
    print(context["dag_run"].conf["users"])  # noqa: T201 - into the log


with DAG("users_in_the_log", default_args=DEFAULT_ARGS):
    careless()

with DAG("users_from_a_list", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(
        task_id="deliver",
        users=[
            {"user_id": "00123", "user_properties": {"marketing_notification_consent": False}},
            {"user_id": "b", "grade": "gold"},
            {"user_id": "c", "phone_number": "01000000001"},
        ],
        blux_conn_id=CONNECTION,
    )

with DAG("users_from_an_upstream_task", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(task_id="deliver", users=read())

with DAG("users_from_a_mapped_task", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(task_id="deliver", users=page.expand(number=[1, 2, 3]))

with DAG("users_from_mapped_lists", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator.partial(task_id="deliver").expand(users=read_pages())

with DAG("users_from_json", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(task_id="deliver", users="{{ dag_run.conf['users'] | tojson }}")

with DAG("users_from_a_file", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(
        task_id="deliver",
        path="{{ dag_run.conf['path'] }}",
        batch_size=2,
        concurrency=1,
        blux_conn_id=CONNECTION,
    )

with DAG("users_with_rejects_and_checkpoint", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(
        task_id="deliver",
        path="{{ dag_run.conf['folder'] }}/records.jsonl",
        batch_size=2,
        concurrency=1,
        max_rejects=0.5,
        rejects_path="{{ dag_run.conf['folder'] }}/rejects",
        checkpoint_path="{{ dag_run.conf['folder'] }}/checkpoints",
    )


def keep_alert(context):
    Path(context["dag_run"].conf["alert"]).write_text(alert_text(context), "utf-8")


with DAG("users_with_alerts", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(
        task_id="deliver",
        path="{{ dag_run.conf['path'] }}",
        max_rejects="{{ dag_run.conf['max_rejects'] }}",
        rejects_path="{{ dag_run.conf['path'] }}-rejects",
        on_failure_callback=keep_alert,
        on_success_callback=keep_alert,
    )

with DAG("users_from_mapped_files", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator.partial(task_id="deliver").expand(
        path=[f"{{{{ dag_run.conf['folder'] }}}}/{name}.jsonl" for name in ("one", "two", "three")]
    )

with DAG("users_from_sql", default_args=DEFAULT_ARGS):
    BluxUpsertUsersOperator(
        task_id="deliver",
        sql="select user_id, email_address, grade from {{ dag_run.conf['table'] }} order by user_id",
        sql_conn_id="warehouse",
    )

with DAG("deletions", default_args=DEFAULT_ARGS):
    BluxDeleteUsersOperator(task_id="deliver", user_ids="{{ dag_run.conf['user_ids'] | tojson }}")

with DAG("deletions_from_an_upstream_task", default_args=DEFAULT_ARGS):
    BluxDeleteUsersOperator(task_id="deliver", user_ids=read())

with DAG("events_from_a_file", default_args=DEFAULT_ARGS):
    BluxSendEventsOperator(
        task_id="deliver", path="{{ dag_run.conf['folder'] }}/records.jsonl", batch_size=2, concurrency=1
    )

with DAG("events_at_most_once", default_args=DEFAULT_ARGS):
    BluxSendEventsOperator(
        task_id="deliver",
        path="{{ dag_run.conf['folder'] }}/records.jsonl",
        batch_size=2,
        concurrency=1,
        on_unknown="keep",
        max_rejects=2,
        rejects_path="{{ dag_run.conf['folder'] }}/rejects",
        checkpoint_path="{{ dag_run.conf['folder'] }}/checkpoints",
    )

with DAG("devices_from_a_file", default_args=DEFAULT_ARGS):
    BluxUpdateDevicesOperator(task_id="deliver", path="{{ dag_run.conf['path'] }}")

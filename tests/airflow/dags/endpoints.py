"""Six deliveries at the same time, one to each endpoint. Each has one try, so a test decides when it continues."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)

FOLDER = "{{ dag_run.conf['folder'] }}"
CONNECTION = "{{ dag_run.conf.get('connection', 'blux_default') }}"

USERS, PROFILES = ({"snapshot_path": f"{FOLDER}/kept/snapshots/{name}"} for name in ("users", "profiles"))
RECEIPTS = {"receipts_path": f"{FOLDER}/kept/receipts"}
# Operator, API, and what only this operator has.
ENDPOINTS = {
    "users": (BluxUpsertUsersOperator, "application", USERS),
    "profiles": (BluxUpsertUsersOperator, "open", PROFILES),
    "deletions": (BluxDeleteUsersOperator, "application", {**USERS, **RECEIPTS}),
    "deletion_jobs": (BluxDeleteUsersOperator, "open", {**PROFILES, **RECEIPTS}),
    "events": (BluxSendEventsOperator, "open", {}),
    "devices": (BluxUpdateDevicesOperator, "open", {"snapshot_path": f"{FOLDER}/kept/snapshots/devices"}),
}
AT_MOST_ONCE = {"on_unknown": "keep", "max_rejects": 2, "rejects_path": f"{FOLDER}/rejects"}


# Airflow logs what a function returns unless it is told not to.
@task(show_return_value_in_logs=False)
def read(name, **context):
    path = Path(context["dag_run"].conf["folder"]) / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@task(show_return_value_in_logs=False)
def read_halves(name, **context):
    path = Path(context["dag_run"].conf["folder"]) / f"{name}.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [records[:2], records[2:]]


def every_endpoint(dag_id, *, of_events=None, **arguments):
    """Make a DAG of deliveries of two records a request, one request at a time."""
    with DAG(dag_id):
        for name, (operator, api, own) in ENDPOINTS.items():
            operator(
                task_id=name,
                path=f"{FOLDER}/{name}.jsonl",
                api=api,
                blux_conn_id=CONNECTION,
                batch_size=2,
                concurrency=1,
                **own,
                **arguments,
                **(of_events or {} if name == "events" else {}),
            )


every_endpoint("every_endpoint")
every_endpoint("every_endpoint_with_a_checkpoint", checkpoint_path=f"{FOLDER}/kept/checkpoints")
every_endpoint(
    "every_endpoint_with_a_checkpoint_at_most_once",
    checkpoint_path=f"{FOLDER}/kept/checkpoints",
    of_events=AT_MOST_ONCE,
)
every_endpoint("every_endpoint_in_limited_time", execution_timeout=timedelta(seconds=3))

with DAG("every_endpoint_from_an_upstream_task"):
    for name, (operator, api, own) in ENDPOINTS.items():
        records = {operator.records_field: read.override(task_id=f"read_{name}")(name)}
        operator(task_id=name, api=api, **records, **own)
    BluxUpsertUsersOperator.partial(task_id="mapped").expand(users=read_halves("users"))

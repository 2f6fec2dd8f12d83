"""Deliveries of records that cannot be read, shaped or sent. Each task is named after its fault and has one try."""

from __future__ import annotations

import json
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)

FOLDER = "{{ dag_run.conf['folder'] }}"
FILES = {
    "cut_off_line": "jsonl",
    "cut_off_array": "json",
    "cut_off_gzip": "jsonl.gz",
    "damaged_parquet": "parquet",
    "csv_with_a_stray_quote": "csv",
    "csv_with_too_many_cells": "csv",
    "csv_in_another_encoding": "csv",
    "csv_without_a_header": "csv",
    "invalid_users": "jsonl",
}


def lines(context, name):
    path = Path(context["dag_run"].conf["folder"]) / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@task(show_return_value_in_logs=False)
def read(name, **context):
    return lines(context, name)


@task(show_return_value_in_logs=False)
def read_as_text(name, **context):
    return str(lines(context, name))


@task
def hook_with_invalid_users(**context):
    return BluxHook().upsert_users(lines(context, "hook_with_invalid_users")).as_dict()


@task
def hook_with_refused_events(**context):
    return BluxHook().send_events(iter(lines(context, "hook_with_refused_events"))).as_dict()


@task
def hook_with_too_many_deletions(**context):
    return BluxHook(api="open").delete_users(lines(context, "hook_with_too_many_deletions"), max_users=1).as_dict()


with DAG("awkward"):
    for name, suffix in FILES.items():
        BluxUpsertUsersOperator(task_id=name, path=f"{FOLDER}/{name}.{suffix}")
    BluxUpsertUsersOperator(
        task_id="overtaken_users", path=f"{FOLDER}/overtaken_users.jsonl", updated_at_field="updated_at"
    )
    BluxUpsertUsersOperator(task_id="suspicious_users", path=f"{FOLDER}/suspicious_users.jsonl", validate_only=True)
    BluxUpsertUsersOperator(
        task_id="undecodable_rows", sql="select user_id, name from undecodable order by rowid", sql_conn_id="warehouse"
    )
    BluxDeleteUsersOperator(
        task_id="invalid_rows",
        sql="select user_id, name from undecodable order by rowid limit 1",
        sql_conn_id="warehouse",
    )
    BluxUpsertUsersOperator(task_id="invalid_values", users=read.override(task_id="read_values")("invalid_values"))
    BluxUpsertUsersOperator(task_id="no_json", users=read_as_text.override(task_id="read_text")("no_json"))
    BluxDeleteUsersOperator(task_id="too_many_deletions", path=f"{FOLDER}/too_many_deletions.jsonl", max_users=2)
    BluxSendEventsOperator(task_id="invalid_events", path=f"{FOLDER}/invalid_events.jsonl")
    BluxSendEventsOperator(
        task_id="events_of_deleted_users",
        path=f"{FOLDER}/events_of_deleted_users.jsonl",
        suppression_path=f"{FOLDER}/erased.jsonl",
    )
    BluxSendEventsOperator(
        task_id="events_with_a_damaged_list",
        path=f"{FOLDER}/events_of_deleted_users.jsonl",
        suppression_path=f"{FOLDER}/events_with_a_damaged_list.jsonl",
    )
    BluxUpdateDevicesOperator(task_id="invalid_devices", path=f"{FOLDER}/invalid_devices.jsonl")
    hook_with_invalid_users()
    hook_with_refused_events()
    hook_with_too_many_deletions()

"""A DAG for mypy: each line with an intended error says so, and no other line may have an error."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_blux.decorators.blux import (
    delete_users_task,
    send_events_task,
    update_devices_task,
    upsert_users_task,
)
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)


@task
def paths() -> list[str]:
    return ["a.csv"]


def records() -> list[dict[str, str]]:
    return []


with DAG("typed", params={"path": "a.csv"}) as dag:
    BluxUpsertUsersOperator(task_id="a", path="a.csv", batch_size=5, retries=2, retry_delay=timedelta(seconds=1))
    BluxUpsertUsersOperator(task_id="b", path=[Path("a.csv"), "b.csv"], exclude_fields="consents", max_rejects=0.1)
    BluxUpsertUsersOperator(task_id="c", path=paths(), validate_only="{{ params.dry }}", full_refresh=True)
    BluxUpsertUsersOperator(task_id="d", path=dag.param("path"), snapshot_path="s", suppression_path=["a", "b"])
    BluxUpsertUsersOperator(task_id="e", users=paths(), field_mapping={"no": "user_id"}, true_values=["Y", 1])
    BluxDeleteUsersOperator(task_id="f", sql="SELECT 1", sql_conn_id="db", max_users=None, receipts_path="r")
    BluxSendEventsOperator(task_id="g", events=[], on_unknown="resend", timestamp_unit="ms", pool="p")
    BluxUpdateDevicesOperator(task_id="h", devices=[], list_key="items", api="open", outlets=[])
    BluxUpsertUsersOperator.partial(task_id="i", batch_size=5).expand(path=["a.csv"])

    BluxUpsertUsersOperator(task_id="j", pth="a.csv")  # refused
    BluxUpsertUsersOperator(task_id="k", path="a.csv", batchsize=5)  # refused
    BluxUpsertUsersOperator(task_id="l", path="a.csv", batch_size="5")  # refused
    BluxUpsertUsersOperator(task_id="m", path="a.csv", api="opne")  # refused
    BluxUpsertUsersOperator(task_id="n", path="a.csv", retires=2)  # refused
    BluxUpsertUsersOperator(task_id="o", path="a.csv", max_users=5)  # refused
    BluxUpsertUsersOperator(path="a.csv")  # refused
    BluxDeleteUsersOperator(task_id="p", path="a.csv", max_user=5)  # refused
    BluxDeleteUsersOperator(task_id="q", path="a.csv", suppression_path="s")  # refused
    BluxSendEventsOperator(task_id="r", events=[], on_unknown="drop")  # refused
    BluxSendEventsOperator(task_id="s", events=[], snapshot_path="s")  # refused
    BluxUpdateDevicesOperator(task_id="t", devices=[], listkey="items")  # refused

    upsert_users_task(records)
    upsert_users_task(batch_size=5, exclude_fields="consents", retries=2, task_id="u")
    delete_users_task(max_users=5, snapshot_path="s")
    send_events_task(on_unknown="resend", suppression_path="s")
    update_devices_task(list_key="items", full_refresh="{{ params.all }}")

    upsert_users_task(batchsize=5)  # refused
    upsert_users_task(path="a.csv")  # refused
    delete_users_task(suppression_path="s")  # refused
    send_events_task(on_unknow="resend")  # refused
    update_devices_task(list_key=5)  # refused

    hook = BluxHook()
    hook.upsert_users([], batch_size=5, exclude_fields=["name"], max_absent=5, rejects_path="r")
    hook.delete_users([], max_users=5, snapshot_path="s", naive_timezone="Asia/Seoul")
    hook.send_events([], on_unknown="resend", resume=False)
    hook.update_devices([], list_key="items", full_refresh=True)

    hook.upsert_users([], batchsize=5)  # refused
    hook.upsert_users([], on_unknown="resend")  # refused
    hook.delete_users([], full_refresh=True)  # refused
    hook.send_events([], snapshot_path="s")  # refused
    hook.update_devices([], updated_at_field="at")  # refused

"""Users from what upstream tasks return, through the XCom backend that keeps large values in object storage."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task, task_group

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator


def users(first: int, count: int) -> list[dict[str, str]]:
    """Return users with running numbers."""
    return [{"user_id": f"{number:05}", "city": "Seoul"} for number in range(first, first + count)]


@task
def a_list(first: int, count: int) -> list[dict[str, str]]:
    """Return users as a list."""
    return users(first, count)


@task
def a_frame() -> Any:
    """Return users as a DataFrame of pandas."""
    import pandas as pd

    return pd.DataFrame(users(0, 150))


@task
def skipped() -> list[dict[str, str]]:
    """Return nothing."""
    raise AirflowSkipException("there is nothing to do")


@task
def nothing() -> None:
    """Return ``None``."""


STARTED = datetime(2026, 1, 31, tzinfo=timezone.utc)  # noqa: UP017 - Airflow 2 serializes no other

with DAG("users_from_a_large_list", schedule=None, start_date=STARTED):
    BluxUpsertUsersOperator(task_id="deliver", users=a_list(0, 1500))

with DAG("users_from_mapped_tasks", schedule=None, start_date=STARTED):
    BluxUpsertUsersOperator(task_id="deliver", users=a_list.partial(count=700).expand(first=[0, 700, 1400]))

with DAG("users_from_a_frame", schedule=None, start_date=STARTED):
    BluxUpsertUsersOperator(task_id="deliver", users=a_frame())

with DAG("users_of_a_skipped_task", schedule=None, start_date=STARTED):
    users_of_none = skipped()
    for on_empty in ("succeed", "skip", "fail"):
        BluxUpsertUsersOperator(
            task_id=on_empty,
            users=users_of_none,
            on_empty=on_empty,
            trigger_rule="none_failed",  # type: ignore[arg-type]
        )
        BluxUpsertUsersOperator(
            task_id=f"{on_empty}_without_a_path",
            path=users_of_none,  # type: ignore[arg-type]
            on_empty=on_empty,
            trigger_rule="none_failed",  # type: ignore[arg-type]
        )

with DAG("users_of_a_task_without_a_value", schedule=None, start_date=STARTED):
    value = nothing()
    BluxUpsertUsersOperator(task_id="deliver", users=value, trigger_rule="none_failed")
    BluxUpsertUsersOperator(task_id="deliver_files", path=value, on_missing="skip", trigger_rule="none_failed")

with DAG("users_of_a_mapped_group", schedule=None, start_date=STARTED):

    @task
    def nothing_or_skipped(number: int) -> None:
        """Return ``None``, or be skipped."""
        if number:
            raise AirflowSkipException("there is nothing to do")

    @task_group
    def group(number: int) -> None:
        """Send what one instance gives."""
        BluxUpsertUsersOperator(task_id="deliver", users=nothing_or_skipped(number), trigger_rule="none_failed")

    group.expand(number=[0, 1])

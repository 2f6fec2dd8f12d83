"""Every lazy value that Airflow makes of upstream outputs, given to a ``@task`` and to an operator of each kind."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)

STARTED = datetime(2026, 1, 31, tzinfo=timezone.utc)  # noqa: UP017 - Airflow 2 serializes no other


def with_prefix(user: dict[str, Any]) -> dict[str, Any]:
    """Return the user with another id; raise for a list."""
    return {**user, "user_id": "p" + user["user_id"]}


def with_city(user: dict[str, Any]) -> dict[str, Any]:
    """Return the user with one more property."""
    return {**user, "city": "Seoul"}


def all_with_prefix(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the users that one instance of a mapped task returned, each with another id."""
    return [with_prefix(user) for user in users]


def merged(pair: tuple[Any, Any]) -> dict[str, Any]:
    """Return the user of the first item with the grade of the second item."""
    user, other = pair
    return {**user, "grade": other["user_id"]}


def event(user: dict[str, Any]) -> dict[str, Any]:
    """Return an event of the user."""
    return {"name": "signed_up", "timestamp": "2026-01-31T00:00:00Z", "user_id": user["user_id"]}


def device(user: dict[str, Any]) -> dict[str, Any]:
    """Return a device of the user."""
    return {"device_id": "d" + user["user_id"], "platform": "ios"}


def user_id(user: dict[str, Any]) -> str:
    """Return the user's id."""
    return str(user["user_id"])


def alone(user: dict[str, Any]) -> list[str]:
    """Return a list of the user's id."""
    return [user["user_id"]]


def first_of(users: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the first user; raise ``IndexError`` for an empty list."""
    return users[0]


@task
def users(prefix: str, count: int = 5) -> list[dict[str, Any]]:
    """Return users with running numbers."""
    return [{"user_id": f"{prefix}{number}"} for number in range(count)]


@task
def received(values: dict[str, Any], **context: Any) -> None:
    """Write the values that a task gets to a file, with the lists in each value flattened one level."""
    items = {
        name: [one for item in value for one in (item if isinstance(item, list | tuple) else [item])]
        for name, value in values.items()
    }
    (Path(context["dag_run"].conf["folder"]) / "received.json").write_text(json.dumps(items))


with DAG("lazy_values", schedule=None, start_date=STARTED):
    a, b = users("a"), users("b", 3)
    many = users.override(task_id="many").partial(count=2).expand(prefix=["x", "y", "z"])
    forms = {
        "map": a.map(with_prefix),
        "map_map": a.map(with_prefix).map(with_city),
        "concat": a.concat(b),
        "concat_map": a.concat(b).map(with_prefix),
        "zip": a.zip(b),
        "zip_map": a.zip(b).map(merged),
        "mapped_map": many.map(all_with_prefix),
        "mapped_concat": many.concat(a),
        "mapped_zip": many.map(first_of).zip(a),
    }
    got = received(forms)
    for name, form in forms.items():
        got >> BluxUpsertUsersOperator(task_id=f"deliver_{name}", users=form)

with DAG("lazy_values_of_each_kind", schedule=None, start_date=STARTED):
    a, b = users("a"), users("b", 3)
    BluxDeleteUsersOperator(task_id="deletions", user_ids=a.map(user_id).concat(b.map(user_id)))
    BluxSendEventsOperator(task_id="events", events=a.concat(b).map(event))
    BluxUpdateDevicesOperator(task_id="devices", devices=a.concat(b).map(device))
    BluxUpsertUsersOperator.partial(task_id="partial", users=a.concat(b).map(with_prefix)).expand(batch_size=[2, 3])
    BluxDeleteUsersOperator.partial(task_id="expanded").expand(user_ids=a.map(alone))

with DAG("lazy_values_with_an_error", schedule=None, start_date=STARTED):
    BluxUpsertUsersOperator(
        task_id="deliver",
        users=users.override(task_id="some").partial(prefix="q").expand(count=[2, 0, 2]).map(first_of),
    )


@task
def file_of(name: str, **context: Any) -> str:
    """Write a file of one user; return its path."""
    file = Path(context["dag_run"].conf["folder"]) / f"{name}.jsonl"
    file.write_text(json.dumps({"user_id": name}))
    return str(file)


with DAG("lazy_paths", schedule=None, start_date=STARTED):
    files = file_of.expand(name=["f1", "f2", "f3"])
    BluxUpsertUsersOperator(task_id="mapped", path=files)
    BluxUpsertUsersOperator(task_id="mapped_map", path=files.map(str), suppression_path=files.map(str))

with DAG("ids_in_pairs", schedule=None, start_date=STARTED):
    BluxDeleteUsersOperator(task_id="deliver", user_ids=users("a").map(user_id).zip(users("b").map(user_id)))

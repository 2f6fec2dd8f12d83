"""How a function becomes a task: the arguments of a decorator, and the errors when the DAG is parsed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import DecoratedOperator, task

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.get_provider_info import get_provider_info
from airflow_provider_blux.operators import blux
from airflow_provider_blux.operators.base import BluxOperator
from tests.decorators.functions import any_decorator, decorated, operator
from tests.operators.pipeline import Upstream, dag

ELSEWHERE: list[dict[str, Any]] = [
    {"path": "s3://b/f.csv"},
    {"storage_conn_id": "s3"},
    {"file_format": "csv"},
    {"sql": "SELECT 1"},
    {"sql_conn_id": "db"},
    {"sql_parameters": [1]},
]


def records(*_: Any, **__: Any) -> list[Any]:
    return []


def kind_of(name: str) -> type[BluxOperator]:
    (kind,) = (one for one in map(vars(blux).get, blux.__all__) if f"blux_{one.operation}" == name)
    return kind


def test_airflow_finds_every_decorator_that_is_declared() -> None:
    declared = {entry["name"] for entry in get_provider_info()["task-decorators"]}

    assert declared == {f"blux_{getattr(blux, name).operation}" for name in blux.__all__}
    assert [name for name in declared if not callable(getattr(task, name, None))] == []


@any_decorator
def test_a_decorated_function_is_the_operator_of_its_records(name: str) -> None:
    made = operator(name, records)

    assert isinstance(made, kind_of(name))
    assert isinstance(made, DecoratedOperator)
    assert (made.task_id, made.custom_operator_name) == ("records", f"@task.{name}")


@any_decorator
def test_a_decorator_is_used_with_and_without_arguments(name: str) -> None:
    bare = getattr(task, name)(records)().operator

    assert (bare.batch_size, operator(name, records, arguments={"batch_size": 7}).batch_size) == (None, 7)


@any_decorator
def test_every_other_argument_of_the_operator_and_of_airflow_is_taken(name: str) -> None:
    own = {
        "blux_upsert_users": {"updated_at_field": "at", "suppression_path": "/s"},
        "blux_delete_users": {"max_users": 5, "receipts_path": "/r"},
        "blux_send_events": {"on_unknown": "keep"},
        "blux_update_devices": {"list_key": "items"},
    }[name]
    shaping = {"field_mapping": {"no": "user_id"}, "true_values": ["Y"], "naive_timezone": "Asia/Seoul"}
    given = {**own, **shaping, "task_id": "t", "retries": 3, "rate_limit": 5.0, "validate_only": True, "pool": "p"}
    made = operator(name, records, arguments=given)

    assert {argument: getattr(made, argument) for argument in given} == given


@any_decorator
@pytest.mark.parametrize("given", ELSEWHERE, ids=lambda given: next(iter(given)))
def test_records_from_elsewhere_are_refused_when_the_function_is_decorated(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(BluxConfigError) as raised:
        decorated(name, records, **given)

    (argument,) = given
    assert str(raised.value).startswith(f"@task.{name} takes no {argument}: its records are what the function returns")


@any_decorator
def test_the_record_argument_is_refused(name: str) -> None:
    with pytest.raises(BluxConfigError, match=f"takes no {kind_of(name).records_field}: "):
        decorated(name, records, **{kind_of(name).records_field: []})


@any_decorator
def test_records_from_elsewhere_are_refused_in_an_override(name: str) -> None:
    with pytest.raises(BluxConfigError, match="takes no path and no sql_conn_id: "):
        decorated(name, records).override(path="s3://b/f.csv", sql_conn_id="db")()


@any_decorator
def test_a_database_among_the_defaults_of_the_dag_does_no_harm(name: str) -> None:
    with dag(default_args={"sql_conn_id": "db", "batch_size": 7}):
        made = operator(name, records)

    assert made.batch_size == 7


@any_decorator
def test_a_wrong_argument_is_found_when_the_dag_is_parsed(name: str) -> None:
    with pytest.raises(BluxConfigError, match="batch_size must be a whole number"):
        operator(name, records, arguments={"batch_size": "7"})


@any_decorator
def test_an_argument_that_does_not_exist_is_refused(name: str) -> None:
    # What PythonOperator has it for is no question here: a report holds no record.
    with pytest.raises(Exception, match="show_return_value_in_logs"):
        operator(name, records, arguments={"show_return_value_in_logs": False})


async def coroutine() -> list[Any]:
    return []


async def stream() -> AsyncIterator[str]:
    yield "a"


@any_decorator
@pytest.mark.parametrize("function", [coroutine, stream])
def test_an_asynchronous_function_is_refused(name: str, function: Any) -> None:
    for decorator in (getattr(task, name), getattr(task, name)(batch_size=5)):
        with pytest.raises(BluxConfigError, match=f"{function.__name__} is asynchronous; @task.{name} takes a "):
            decorator(function)


@any_decorator
def test_what_the_function_needs_must_be_given(name: str) -> None:
    def two(first: str, second: str) -> list[str]:
        return [first, second]

    operator(name, two, "a", second="b")
    with pytest.raises(TypeError, match="second"):
        operator(name, two, "a")


@any_decorator
def test_the_report_is_one_xcom_whatever_the_function_says_that_it_returns(name: str) -> None:
    def annotated() -> dict[str, Any]:
        return {}

    assert operator(name, annotated).multiple_outputs is False
    assert operator(name, annotated, arguments={"multiple_outputs": True}).multiple_outputs is True


@any_decorator
def test_records_of_an_upstream_task_make_it_a_dependency(name: str) -> None:
    with dag():
        rows = Upstream(task_id="rows").output
        tasks = [operator(name, records, rows), operator(name, records, rows=rows, day="{{ ds }}")]

    assert [made.upstream_task_ids for made in tasks] == [{"rows"}, {"rows"}]
    assert [made.task_id for made in tasks] == ["records", "records__1"]


@any_decorator
def test_only_what_a_function_task_has_is_a_template(name: str) -> None:
    own = {
        "blux_upsert_users": ("suppression_path", "exclude_fields", "snapshot_path", "full_refresh"),
        "blux_delete_users": ("receipts_path", "max_users", "snapshot_path"),
        "blux_update_devices": ("suppression_path", "snapshot_path", "full_refresh"),
    }.get(name, ("suppression_path",))
    fields = operator(name, records).template_fields

    assert fields[:5] == ("op_args", "op_kwargs", "blux_conn_id", "rejects_path", "checkpoint_path")
    assert fields[5:] == ("rate_limit_conn_id", "max_rejects", "resume", "validate_only", *own)


@any_decorator
def test_a_mapped_function_has_the_arguments_of_its_own_default_args(name: str) -> None:
    defaults = {"rejects_path": "/rejects", "batch_size": 5, "retries": 7}
    with dag(default_args={"api": "open", "batch_size": 3}) as one:
        decorated(name, records, default_args=defaults, batch_size=9).expand(page=[1, 2])

    instance = cast("Any", one.get_task("records")).unmap({"op_kwargs": {"page": 1}})

    found = (instance.rejects_path, instance.batch_size, instance.retries, instance.api)
    assert found == ("/rejects", 9, 7, "open")


@any_decorator
def test_a_mapped_function_and_one_with_other_arguments_are_made(name: str) -> None:
    def of_a_page(page: int, size: int) -> list[int]:
        return list(range(page * size))

    with dag() as one:
        function = decorated(name, of_a_page, batch_size=5, retries=1)
        function.partial(size=2).expand(page=[1, 2])
        function.override(task_id="other", batch_size=6, retry_delay=timedelta(0))(page=1, size=2)

    mapped: Any = one.get_task("of_a_page")
    instance = mapped.unmap({"op_kwargs": {"page": 2}})
    other: Any = one.get_task("other")
    assert type(mapped).__name__ == "DecoratedMappedOperator"
    assert (instance.batch_size, instance.retries, instance.multiple_outputs) == (5, 1, False)
    assert (other.batch_size, other.retries, other.retry_delay) == (6, 1, timedelta(0))

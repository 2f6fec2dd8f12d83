"""A wrong DAG fails when it is parsed, and the error names the wrong argument."""

from __future__ import annotations

from typing import Any, cast

import pytest

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.operators.base import TEMPLATED, BluxOperator
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
    __all__,
)
from tests.operators.pipeline import dag

OPERATORS: list[type[BluxOperator]] = [
    BluxUpsertUsersOperator,
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
]
any_operator = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.operation)


def made(kind: type[BluxOperator], **arguments: Any) -> BluxOperator:
    return kind(task_id="push", **arguments)


def records(kind: type[BluxOperator]) -> dict[str, Any]:
    return {kind.records_field: []}


def test_the_operators_are_those_that_the_module_lists() -> None:
    assert sorted(kind.__name__ for kind in OPERATORS) == sorted(__all__)


@any_operator
def test_exactly_one_argument_says_where_the_records_come_from(kind: type[BluxOperator]) -> None:
    one = {**records(kind), "path": "s3://b/f.csv", "sql": "SELECT 1"}
    made(kind, **records(kind))
    made(kind, path="s3://b/f.csv")
    made(kind, sql="SELECT 1", sql_conn_id="db")

    for given in ([], [kind.records_field, "path"], [kind.records_field, "sql"], ["path", "sql"], list(one)):
        said = " and ".join(given) or "none"
        with pytest.raises(BluxConfigError) as raised:
            made(kind, sql_conn_id="db", **{name: one[name] for name in given})
        expected = f"Exactly one of {kind.records_field}, path, sql says where the records come from; {said} "
        assert str(raised.value).startswith(expected)


@any_operator
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"api": "opne"}, "api must be one of application, open"),
        ({"api": ""}, "api must be one of application, open"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": True}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": "5"}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": 5.0}, "batch_size must be a whole number of at least 1"),
        ({"rate_limit": 0}, "rate_limit must be a number above 0"),
        ({"rate_limit": -1.5}, "rate_limit must be a number above 0"),
        ({"rate_limit": True}, "rate_limit must be a number above 0"),
        ({"rate_limit": "20"}, "rate_limit must be a number above 0"),
        ({"rate_limit": float("nan")}, "rate_limit must be a number above 0"),
        ({"rate_limit": float("inf")}, "rate_limit must be a number above 0"),
        ({"rate_limit_share": 0}, "rate_limit_share must be a number above 0 and at most 1"),
        ({"rate_limit_share": 1.5}, "rate_limit_share must be a number above 0 and at most 1"),
        ({"rate_limit_share": True}, "rate_limit_share must be a number above 0 and at most 1"),
        ({"rate_limit_share": "0.5"}, "rate_limit_share must be a number above 0 and at most 1"),
        ({"rate_limit_share": float("nan")}, "rate_limit_share must be a number above 0 and at most 1"),
        ({"rate_limit_conn_id": ""}, "rate_limit_conn_id must be the id of a Redis connection"),
        ({"rate_limit_conn_id": 5}, "rate_limit_conn_id must be the id of a Redis connection"),
        ({"rate_limit_fallback": "wait"}, "rate_limit_fallback must be 'fail' or 'share'"),
        (
            {"rate_limit_fallback": "share"},
            "rate_limit_fallback='share' needs rate_limit_conn_id, and rate_limit_share",
        ),
        (
            {"rate_limit_fallback": "share", "rate_limit_conn_id": "pace"},
            "rate_limit_fallback='share' needs rate_limit_conn_id, and rate_",
        ),
        (
            {"rate_limit_fallback": "share", "rate_limit_share": 0.5},
            "rate_limit_fallback='share' needs rate_limit_conn_id, and rate_",
        ),
        ({"concurrency": 0}, "concurrency must be a whole number of at least 1"),
        ({"concurrency": True}, "concurrency must be a whole number of at least 1"),
        ({"concurrency": "8"}, "concurrency must be a whole number of at least 1"),
        ({"validate_only": "no"}, "validate_only must be True or False"),
        ({"validate_only": None}, "validate_only must be True or False"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(kind: type[BluxOperator], arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BluxConfigError, match=words):
        made(kind, **records(kind), **arguments)


@any_operator
def test_arguments_within_their_bounds_are_taken_as_they_are(kind: type[BluxOperator]) -> None:
    operator = made(kind, **records(kind), batch_size=1, rate_limit=0.5, concurrency=1, api="open", validate_only=True)

    found = (operator.batch_size, operator.rate_limit, operator.concurrency, operator.api, operator.validate_only)
    assert found == (1, 0.5, 1, "open", True)


@any_operator
def test_the_share_to_fall_back_to_is_an_equal_part_unless_given(kind: type[BluxOperator]) -> None:
    shared: dict[str, Any] = {**records(kind), "rate_limit_conn_id": "pace", "rate_limit_fallback": "share"}

    assert made(kind, **shared, max_active_tis_per_dag=4)._options()["rate_limit_share"] == 1 / 4
    assert made(kind, **shared, max_active_tis_per_dag=4, rate_limit_share=0.1)._options()["rate_limit_share"] == 0.1
    # What one task may use of a rate of its own is for its author to say.
    assert made(kind, **records(kind), max_active_tis_per_dag=4)._options()["rate_limit_share"] is None


@any_operator
def test_a_file_format_that_does_not_exist_is_refused(kind: type[BluxOperator]) -> None:
    for wrong in ("xlsx", "", "JSON", 5):
        with pytest.raises(BluxConfigError, match="file_format must be one of jsonl, json, csv"):
            made(kind, path="s3://b/f", file_format=wrong)


@any_operator
def test_sql_needs_a_connection(kind: type[BluxOperator]) -> None:
    for nothing in (None, ""):
        with pytest.raises(BluxConfigError, match="sql needs sql_conn_id"):
            made(kind, sql="SELECT 1", sql_conn_id=nothing)


@pytest.mark.parametrize("kind", OPERATORS[2:])
def test_an_api_without_the_operation_is_refused(kind: type[BluxOperator]) -> None:
    with pytest.raises(BluxConfigError, match=rf"The application API has no {kind.operation}\. Set api='open'\."):
        made(kind, **records(kind), api="application")


@pytest.mark.parametrize("bound", [0, -1, True, False, 1.5, "5", [5]], ids=repr)
def test_max_users_is_a_whole_number_or_none(bound: Any) -> None:
    with pytest.raises(BluxConfigError, match="max_users must be a whole number of at least 1, or None"):
        BluxDeleteUsersOperator(task_id="push", user_ids=[], max_users=bound)


def test_max_users_has_a_default_and_an_off() -> None:
    bounds = [
        BluxDeleteUsersOperator(task_id="push", user_ids=[], **arguments).max_users
        for arguments in ({}, {"max_users": None}, {"max_users": 1})
    ]

    assert bounds == [100_000, None, 1]


@any_operator
def test_records_are_given_by_keyword_only(kind: type[BluxOperator]) -> None:
    with pytest.raises(Exception, match="keyword"):
        cast("Any", kind)([], task_id="push")


@any_operator
def test_the_fields_that_the_design_names_are_templated(kind: type[BluxOperator]) -> None:
    assert set(kind.template_fields) >= {
        *(kind.records_field, "path", "storage_conn_id", "sql", "sql_conn_id", "sql_parameters", "blux_conn_id")
    }
    own = {
        "upsert_users": ("suppression_path", "exclude_fields", "snapshot_path", "full_refresh"),
        "delete_users": ("receipts_path", "max_users", "snapshot_path"),
        "update_devices": ("suppression_path", "snapshot_path", "full_refresh"),
    }.get(kind.operation, ("suppression_path",))
    assert tuple(kind.template_fields) == (kind.records_field, *TEMPLATED, *own)
    assert kind.template_fields_renderers == {"sql": "sql", "sql_parameters": "json"}


@any_operator
def test_default_args_reach_every_argument(kind: type[BluxOperator]) -> None:
    with dag(default_args={"blux_conn_id": "crm", "batch_size": 7, "rate_limit": 3, "retries": 2}):
        operator = made(kind, **records(kind))
        own = made_named(kind, "own", **records(kind), blux_conn_id="other")

    assert (operator.blux_conn_id, operator.batch_size, operator.rate_limit, operator.retries) == ("crm", 7, 3, 2)
    assert own.blux_conn_id == "other"


@any_operator
def test_the_default_connection_is_blux_default(kind: type[BluxOperator]) -> None:
    assert made(kind, **records(kind)).blux_conn_id == "blux_default"


@any_operator
def test_a_wrong_default_is_found_when_the_dag_is_parsed(kind: type[BluxOperator]) -> None:
    with dag(default_args={"batch_size": "7"}), pytest.raises(BluxConfigError, match="batch_size"):
        made(kind, **records(kind))


def made_named(kind: type[BluxOperator], name: str, **arguments: Any) -> BluxOperator:
    return kind(task_id=name, **arguments)


@any_operator
def test_a_mapped_operator_is_built_from_partial_and_expand(kind: type[BluxOperator]) -> None:
    field = kind.records_field
    with dag() as one:
        kind.partial(task_id="records", blux_conn_id="crm").expand(**{field: [["a"], ["b"]]})
        kind.partial(task_id="files", file_format="csv").expand(path=["s3://b/1.csv", "s3://b/2.csv"])
        kind.partial(task_id="both").expand_kwargs([{field: ["a"]}, {"path": "s3://b/1.csv"}])

    kinds = [type(one.get_task(name)).__name__ for name in ("records", "files", "both")]
    assert kinds == ["MappedOperator"] * 3


def test_a_mapped_task_has_the_arguments_of_its_own_default_args() -> None:
    defaults = {"suppression_path": "/erased", "batch_size": 5, "retries": 7, "of_another_operator": 1}
    with dag(default_args={"api": "open", "batch_size": 3}) as one:
        BluxUpsertUsersOperator.partial(task_id="push", default_args=defaults, batch_size=9).expand(path=["a.csv"])

    instance = cast("Any", one.get_task("push")).unmap({"path": "a.csv"})

    found = (instance.suppression_path, instance.batch_size, instance.retries, instance.api)
    assert found == ("/erased", 9, 7, "open")


@any_operator
def test_an_instance_of_a_mapped_operator_is_checked_like_any_other(kind: type[BluxOperator]) -> None:
    with dag() as one:
        kind.partial(task_id="push", batch_size=5).expand(path=["s3://b/1.csv"])
    mapped = cast("Any", one.get_task("push"))

    assert mapped.unmap({"path": "s3://b/1.csv"}).batch_size == 5
    with pytest.raises(BluxConfigError, match="Exactly one of"):
        mapped.unmap({"path": "s3://b/1.csv", kind.records_field: []})


@any_operator
def test_an_argument_that_does_not_exist_is_named_and_what_it_holds_is_not(kind: type[BluxOperator]) -> None:
    with pytest.raises(BluxConfigError) as raised:
        made(kind, record=[{"user_id": "john.doe"}], **records(kind))

    assert str(raised.value) == (
        f"{kind.__name__} has no argument record; records are passed as {kind.records_field}, path or sql."
    )
    assert raised.value.__suppress_context__


@any_operator
def test_an_argument_of_airflow_s_own_that_is_wrong_is_airflow_s_to_refuse(kind: type[BluxOperator]) -> None:
    with pytest.raises(Exception, match="'retries' type must be int") as raised:
        made(kind, retries=["many"], **records(kind))

    assert not isinstance(raised.value, BluxConfigError)


@any_operator
def test_a_wrong_api_is_not_repeated(kind: type[BluxOperator]) -> None:
    with pytest.raises(BluxConfigError) as raised:
        made(kind, **records(kind), api="the Open API key, by mistake")

    assert "mistake" not in str(raised.value)

"""Signatures and types for mypy list the same arguments, and an error names the most similar argument."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, task

from airflow_provider_blux.api.endpoints import OPERATIONS
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.hooks import options
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators import arguments, blux
from airflow_provider_blux.operators.arguments import AirflowArguments
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.signatures import ONLY_FOR
from tests.operators.pipeline import dag

ROOT = Path(__file__).parents[1]
TYPED_DAG = Path(__file__).with_name("typed_dag.py")
OPERATORS: list[type[BluxOperator]] = [getattr(blux, name) for name in blux.__all__]
OF_SOME_VERSIONS = {"retry_policy", "render_template_as_native_obj", "task_concurrency"}

any_operator = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.operation)
any_operation = pytest.mark.parametrize("operation", OPERATIONS)


def decorator(operation: str) -> Callable[..., Any]:
    """Return the decorator ``@task.blux_...`` of an operation."""
    found: Callable[..., Any] = getattr(task, f"blux_{operation}")
    return found


def keys_of_kwargs(function: Callable[..., Any], module: Any, name: str = "kwargs") -> dict[str, str]:
    """Return the names and types in the ``TypedDict`` that annotates a function's ``**kwargs``."""
    (typed,) = re.findall(r"^Unpack\[(\w+)\]$", function.__annotations__[name])
    return {key: kind.__forward_arg__ for key, kind in getattr(module, typed).__annotations__.items()}


def own_arguments(function: Callable[..., Any]) -> dict[str, str]:
    return {
        name: str(function.__annotations__[name]) for name in function.__kwdefaults__ or {} if name != "python_callable"
    }


def plain(kind: str) -> str:
    return re.sub(r"^(?:Not)?Required\[(.*)\]$", r"\1", kind)


def listed(function: Callable[..., Any]) -> dict[str, str]:
    return {name: str(parameter.annotation) for name, parameter in signature(function).parameters.items()}


AIRFLOW_S = {
    name
    for name, parameter in signature(BaseOperator.__init__).parameters.items()
    if parameter.kind is not Parameter.VAR_KEYWORD and name != "self"
}


def test_airflow_s_own_arguments_are_those_of_this_version() -> None:
    ours = set(AirflowArguments.__annotations__) | {"task_id"}

    assert ours >= AIRFLOW_S
    assert ours - AIRFLOW_S <= OF_SOME_VERSIONS


def constructors(kind: type[BluxOperator]) -> Iterator[tuple[type, Callable[..., Any]]]:
    """Yield the package's constructors of an operator, without Airflow's wrappers."""
    for one in kind.__mro__:
        if one.__module__.startswith("airflow_provider_blux") and (init := vars(one).get("__init__")):
            yield one, init.__wrapped__


@any_operator
def test_the_types_of_an_operator_name_what_its_constructors_take(kind: type[BluxOperator]) -> None:
    found = list(constructors(kind))
    assert found[0][0] is kind
    assert found[-1][0] is BluxOperator

    for number, (_, init) in enumerate(found):
        typed = {name: plain(kind) for name, kind in keys_of_kwargs(init, arguments).items()}
        passed_on = {name: kind for _, above in found[number + 1 :] for name, kind in own_arguments(above).items()}
        assert {name: kind for name, kind in typed.items() if name in passed_on} == passed_on
        assert set(typed) - set(passed_on) == set(AirflowArguments.__annotations__) | {"task_id"}


@any_operator
def test_the_signature_of_an_operator_lists_every_argument_with_its_type(kind: type[BluxOperator]) -> None:
    own = {name: kind for _, init in constructors(kind) for name, kind in own_arguments(init).items()}
    parameters = signature(kind).parameters

    assert {name: kind for name, kind in listed(kind).items() if name in own} == own
    assert {kind.records_field, "path", "sql", "batch_size", "task_id", "retries"} < set(parameters)
    assert set(parameters) == set(own) | AIRFLOW_S
    assert {parameter.kind for parameter in parameters.values()} == {Parameter.KEYWORD_ONLY}
    assert [name for name, one in parameters.items() if one.annotation is Parameter.empty] == []
    assert [name for name, one in parameters.items() if one.default is Parameter.empty] == ["task_id"]


def test_the_signature_of_a_subclass_is_its_own() -> None:
    class Own(blux.BluxUpsertUsersOperator):
        def __init__(self, *, table: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.table = table

    class Fixed(blux.BluxUpsertUsersOperator):
        def __init__(self, *, table: str, task_id: str) -> None:
            super().__init__(task_id=task_id, path=table)

    assert list(signature(Own).parameters) == ["table", *signature(blux.BluxUpsertUsersOperator).parameters]
    assert list(signature(Fixed).parameters) == ["table", "task_id"]
    with pytest.raises(BluxConfigError, match=r"^Own has no argument batchsize; did you mean batch_size\?$"):
        Own(task_id="push", table="t", users=[], batchsize=5)


@any_operation
def test_the_types_of_a_decorator_name_what_it_takes(operation: str) -> None:
    function = decorator(operation)
    typed = {name: plain(kind) for name, kind in keys_of_kwargs(function, arguments).items()}
    (kind,) = (one for one in OPERATORS if one.operation == operation)
    own = {name: kind for _, init in constructors(kind) for name, kind in own_arguments(init).items()}
    taken = listed(function)

    assert set(typed) - OF_SOME_VERSIONS == set(taken) - {"python_callable"} - OF_SOME_VERSIONS
    assert {name: kind for name, kind in typed.items() if name in own} == {
        name: kind for name, kind in taken.items() if name in own
    }
    assert {kind.records_field, "path", "sql", "op_args", "op_kwargs"}.isdisjoint(taken)
    assert signature(function).parameters["task_id"].default is None


VALUES: dict[str, Any] = {
    "field_mapping": {"no": "user_id"},
    "true_values": ["Y"],
    "false_values": ["N"],
    "naive_timezone": "Asia/Seoul",
    "send_nulls": True,
    "lowercase_columns": True,
    "json_columns": "data",
    "check_ids": False,
    "timestamp_unit": "s",
    "phone_region": "KR",
    "batch_size": 1,
    "rate_limit": 5.0,
    "rate_limit_share": 0.5,
    "rate_limit_fallback": "fail",
    "concurrency": 1,
    "rate_limit_conn_id": None,
    "max_rejects": 0,
    "resume": False,
    "validate_only": True,
    "checkpoint": None,
    "run": Run.unnamed(),
    "watchers": [],
    "exclude_fields": "name",
    "updated_at_field": "at",
    "on_unknown": "resend",
    "full_refresh": True,
    "max_absent": 1,
}


@any_operation
def test_the_types_of_a_hook_s_method_name_what_it_takes(
    operation: str, blux_emulator: Emulator, tmp_path: Path
) -> None:
    method = getattr(BluxHook, operation)
    typed = keys_of_kwargs(method, options, "options")
    assert list(listed(method)) == ["self", "records", *own_arguments(method), *typed]

    for name in options.HookOptions.__annotations__:
        given = {name: VALUES[name] if name in VALUES else str(tmp_path)}
        if name == "checkpoint_path":
            given["run"] = VALUES["run"]
        if name in ("full_refresh", "max_absent"):
            given["snapshot_path"] = str(tmp_path)
        if name in typed:
            getattr(BluxHook(), operation)([], **given)
        else:
            with pytest.raises(BluxConfigError, match=name if name != "max_absent" else "max_absent|snapshot_path"):
                getattr(BluxHook(), operation)([], **given)


def test_arguments_of_some_operations_are_known_with_what_these_send() -> None:
    words = {"upsert_users": "users", "delete_users": "deletions", "send_events": "events", "update_devices": "devices"}
    taken = {words[kind.operation]: set(signature(kind).parameters) - {kind.records_field} for kind in OPERATORS}
    some = set.union(*taken.values()) - set.intersection(*taken.values())

    assert {name: {word for word in taken if name in taken[word]} for name in some} == {
        name: set(sent.replace(" and ", ", ").split(", ")) for name, sent in ONLY_FOR.items()
    }


@any_operation
@pytest.mark.parametrize("argument", ONLY_FOR)
def test_an_argument_of_another_operation_is_told_from_a_typo(
    blux_emulator: Emulator, operation: str, argument: str
) -> None:
    (kind,) = (one for one in OPERATORS if one.operation == operation)
    if argument in signature(kind).parameters:
        return
    words = rf"has no argument {argument}; {argument} is only for {ONLY_FOR[argument]}\.$"

    with pytest.raises(BluxConfigError, match=rf"^{kind.__name__} {words}"):
        kind(task_id="push", **{kind.records_field: [], argument: 5})
    with pytest.raises(BluxConfigError, match=rf"^@task\.blux_{operation} {words}"):
        decorator(operation)(**{argument: 5})
    with pytest.raises(BluxConfigError, match=rf"^BluxHook\.{operation} {words}"):
        getattr(BluxHook(), operation)([], **{argument: 5})


def test_a_hook_names_its_own_wrong_argument() -> None:
    with pytest.raises(BluxConfigError, match=r"^BluxHook has no argument conn_id; did you mean blux_conn_id\?$"):
        BluxHook(conn_id="blux")


@any_operation
@pytest.mark.parametrize(
    ("wrong", "right"), [("batchsize", "batch_size"), ("retires", "retries"), ("fieldmapping", "field_mapping")]
)
def test_a_typo_is_answered_with_the_nearest_argument(operation: str, wrong: str, right: str) -> None:
    (kind,) = (one for one in OPERATORS if one.operation == operation)
    field = kind.records_field

    def answer(owner: str, make: Callable[..., Any]) -> None:
        with pytest.raises(BluxConfigError) as raised:
            make(**{wrong: "a value that may be a secret"})
        assert str(raised.value) == f"{owner} has no argument {wrong}; did you mean {right}?"

    answer(kind.__name__, lambda **given: kind(task_id="push", **{field: []}, **given))
    answer(f"{kind.__name__}.partial", lambda **given: kind.partial(task_id="push", **given))
    name = f"@task.blux_{operation}"
    answer(name, decorator(operation))
    answer(name, lambda **given: decorator(operation)(list, **given))
    with dag():
        answer(name, lambda **given: decorator(operation)(list).override(**given)())


@any_operation
def test_a_typo_in_the_hook_is_answered_with_the_nearest_argument(operation: str) -> None:
    with pytest.raises(
        BluxConfigError, match=rf"^BluxHook\.{operation} has no argument batchsize; did you mean batch_"
    ):
        getattr(BluxHook(), operation)([], batchsize=5)


def test_several_typos_are_answered_at_once() -> None:
    with pytest.raises(BluxConfigError, match=r"has no argument pth, retires; did you mean path, retries\?"):
        blux.BluxUpsertUsersOperator(task_id="push", pth="a.csv", retires=2)  # type: ignore[call-arg]


@pytest.mark.parametrize(("name", "meant"), [("conn_id", "blux_conn_id"), ("dry_run", "validate_only")])
def test_a_name_that_other_operators_use_is_answered_with_ours(name: str, meant: str) -> None:
    with pytest.raises(BluxConfigError, match=rf"has no argument {name}; did you mean {meant}\?$"):
        blux.BluxUpsertUsersOperator(task_id="push", users=[], **{name: ""})  # type: ignore[arg-type]


@any_operation
def test_an_argument_that_is_like_none_is_named_alone(operation: str) -> None:
    (kind,) = (one for one in OPERATORS if one.operation == operation)

    with pytest.raises(
        BluxConfigError, match=rf"argument xyz; records are passed as {kind.records_field}, path or sql"
    ):
        kind(task_id="push", xyz=[])
    with pytest.raises(BluxConfigError, match=rf"^@task\.blux_{operation} has no argument xyz\.$"):
        decorator(operation)(xyz=[])
    with dag(), pytest.raises(BluxConfigError, match=rf"^@task\.blux_{operation} has no argument xyz\.$"):
        decorator(operation)(list).override(xyz=[])()
    with pytest.raises(BluxConfigError, match=rf"^BluxHook\.{operation} has no argument xyz\.$"):
        getattr(BluxHook(), operation)([], xyz=1)


@any_operator
def test_an_operator_with_a_listed_signature_can_be_pickled(kind: type[BluxOperator]) -> None:
    made = kind(task_id="push", **{kind.records_field: [], "batch_size": 5})
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own

    assert (again.task_id, again.batch_size, signature(type(again))) == ("push", 5, signature(kind))


@pytest.mark.slow
def test_mypy_refuses_what_does_not_exist_and_nothing_else() -> None:
    pytest.importorskip("mypy", reason="mypy is where the version of Airflow is that is developed on")
    # With the cache of `make types`, which has to read the sources of Airflow as well.
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "mypy", "--strict", str(TYPED_DAG)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    lines = TYPED_DAG.read_text("utf-8").splitlines()
    refused = {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}

    assert {int(number) for number in re.findall(r"typed_dag\.py:(\d+): error", done.stdout)} == refused, done.stdout
    assert '"pth" for "BluxUpsertUsersOperator"; did you mean "path"?' in done.stdout

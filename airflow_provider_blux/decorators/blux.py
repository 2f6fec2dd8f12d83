"""The decorators ``@task.blux_...``: operators whose records are the values that a function returns or yields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.hooks.compat import determine_kwargs
from airflow_provider_blux.operators.arguments import (
    DeleteUsersArguments,
    SendEventsArguments,
    SourceArguments,
    UpdateDevicesArguments,
    UpsertUsersArguments,
    with_defaults,
)
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)
from airflow_provider_blux.operators.redaction import Hidden, HiddenArguments, HiddenField, from_upstream, revealed
from airflow_provider_blux.signatures import listing, misnamed
from airflow_provider_blux.sources.function import FunctionSource

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator

__all__ = ["delete_users_task", "send_events_task", "update_devices_task", "upsert_users_task"]

# Arguments of the operators for other sources, in addition to ``users``, ``user_ids``, ``events`` or ``devices``.
_ELSEWHERE = tuple(SourceArguments.__annotations__)
# Arguments that Airflow fills in when a decorated function is called.
_OF_THE_CALL = ("python_callable", "op_args", "op_kwargs", "kwargs_to_upstream")


class _FunctionOperator(DecoratedOperator, BluxOperator):
    """An operator whose records come from a function; base class of the operators behind the decorators.

    :param python_callable: the function.
    :param op_args: (templated) its positional arguments.
    :param op_kwargs: (templated) its named arguments.
    """

    template_fields_renderers: ClassVar[dict[str, str]] = DecoratedOperator.template_fields_renderers
    custom_operator_name: ClassVar[str]
    op_args = HiddenField(HiddenArguments)
    op_kwargs = HiddenField(HiddenArguments)

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        _check(type(self), python_callable, kwargs)
        op_kwargs = dict(op_kwargs or {})
        for name in from_upstream(op_kwargs, kwargs, within="op_kwargs"):
            op_kwargs[name] = Hidden(op_kwargs[name], is_template=False)
        kwargs[self.records_field] = ()  # the operator requires a source; the function is called when the task runs
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Push what the function returns or yields; return the report.

        :raises Exception: the error that the function raised, unchanged.
        """
        args = [revealed(value) for value in revealed(self.op_args)]
        kwargs = {name: revealed(value) for name, value in revealed(self.op_kwargs).items()}
        of_context = determine_kwargs(self.python_callable, args, context)
        call = partial(self.python_callable, *args, **{**of_context, **kwargs})
        with closing(FunctionSource(call, _name(self.python_callable))) as self._function:
            # DecoratedOperator.execute is not called: it would look for assets in what the function returns.
            report: dict[str, Any] = super(DecoratedOperator, self).execute(context)
        return report

    def _source(self, context: Context) -> Iterable[Any]:  # noqa: ARG002
        return self._function

    @classmethod
    def arguments(cls) -> list[Parameter]:
        """Return the arguments of the decorator.

        These are the arguments of the operator, except those that select another source and those that Airflow sets.
        """
        others = {cls.records_field, *_ELSEWHERE, *_OF_THE_CALL}
        found = [parameter for name, parameter in signature(cls).parameters.items() if name not in others]
        return [one.replace(default=None) if one.name == "task_id" else one for one in found]

    @classmethod
    def _misnamed(cls, owner: str, given: Iterable[str]) -> BluxConfigError | None:
        return misnamed(owner, given, [argument.name for argument in cls.arguments()])


def _templated(kind: type[BluxOperator]) -> tuple[str, ...]:
    others = (field for field in kind.template_fields if field not in {kind.records_field, *_ELSEWHERE})
    return ("op_args", "op_kwargs", *others)


class _UpsertUsers(_FunctionOperator, BluxUpsertUsersOperator):
    custom_operator_name = "@task.blux_upsert_users"
    template_fields: Sequence[str] = _templated(BluxUpsertUsersOperator)


class _DeleteUsers(_FunctionOperator, BluxDeleteUsersOperator):
    custom_operator_name = "@task.blux_delete_users"
    template_fields: Sequence[str] = _templated(BluxDeleteUsersOperator)

    def _source(self, context: Context) -> Iterable[Any]:  # noqa: ARG002
        # The guard counts the ids before any is deleted. It would call the function a second time for the deletion,
        # and the function might return other ids then. With an iterator, the guard holds the ids in memory instead.
        return self._function if self.max_users is None else self._function.once()


class _SendEvents(_FunctionOperator, BluxSendEventsOperator):
    custom_operator_name = "@task.blux_send_events"
    template_fields: Sequence[str] = _templated(BluxSendEventsOperator)


class _UpdateDevices(_FunctionOperator, BluxUpdateDevicesOperator):
    custom_operator_name = "@task.blux_update_devices"
    template_fields: Sequence[str] = _templated(BluxUpdateDevicesOperator)


@listing(_UpsertUsers.arguments())
def upsert_users_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Unpack[UpsertUsersArguments]
) -> TaskDecorator:
    """Make a function a task that upserts the users it returns or yields.

    :param kwargs: the arguments of :class:`~airflow_provider_blux.operators.blux.BluxUpsertUsersOperator`, except
        those that select the source.
    :raises BluxConfigError: an argument does not exist or selects a source, or the function is asynchronous.
    """
    return _decorator(_UpsertUsers, python_callable, **kwargs)


@listing(_DeleteUsers.arguments())
def delete_users_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Unpack[DeleteUsersArguments]
) -> TaskDecorator:
    """Make a function a task that deletes the users whose ids it returns or yields.

    :param kwargs: the arguments of :class:`~airflow_provider_blux.operators.blux.BluxDeleteUsersOperator`, except
        those that select the source.
    :raises BluxConfigError: an argument does not exist or selects a source, or the function is asynchronous.
    """
    return _decorator(_DeleteUsers, python_callable, **kwargs)


@listing(_SendEvents.arguments())
def send_events_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Unpack[SendEventsArguments]
) -> TaskDecorator:
    """Make a function a task that sends the events it returns or yields.

    :param kwargs: the arguments of :class:`~airflow_provider_blux.operators.blux.BluxSendEventsOperator`, except
        those that select the source.
    :raises BluxConfigError: an argument does not exist or selects a source, or the function is asynchronous.
    """
    return _decorator(_SendEvents, python_callable, **kwargs)


@listing(_UpdateDevices.arguments())
def update_devices_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Unpack[UpdateDevicesArguments]
) -> TaskDecorator:
    """Make a function a task that updates the devices it returns or yields.

    :param kwargs: the arguments of :class:`~airflow_provider_blux.operators.blux.BluxUpdateDevicesOperator`, except
        those that select the source.
    :raises BluxConfigError: an argument does not exist or selects a source, or the function is asynchronous.
    """
    return _decorator(_UpdateDevices, python_callable, **kwargs)


def _decorator(
    kind: type[_FunctionOperator], python_callable: Callable[..., Any] | None = None, **kwargs: Any
) -> TaskDecorator:
    # Checked here too, because the operator of a mapped task is made only when the task runs.
    _check(kind, python_callable, kwargs)
    given = kwargs.keys() - {kind.records_field, *_ELSEWHERE}
    known = [argument.name for argument in kind.arguments()]
    if error := misnamed(kind.custom_operator_name, given, known):
        raise error
    if python_callable is None:
        return cast("TaskDecorator", partial(_decorator, kind, **kwargs))
    kwargs = with_defaults(kwargs, known)
    # Without multiple_outputs Airflow infers it from the function's return annotation; the XCom holds the report.
    kwargs.setdefault("multiple_outputs", False)
    return task_decorator_factory(python_callable=python_callable, decorated_operator_class=kind, **kwargs)


def _check(kind: type[_FunctionOperator], function: Callable[..., Any] | None, kwargs: Mapping[str, Any]) -> None:
    """Check the arguments of a decorator.

    :raises BluxConfigError: an argument selects a source other than the function, or the function is asynchronous.
    """
    given = [name for name in (kind.records_field, *_ELSEWHERE) if kwargs.get(name) is not None]
    if given:
        raise BluxConfigError(
            f"{kind.custom_operator_name} takes no {' and no '.join(given)}: its records are what the function returns "
            "or yields. For records from elsewhere use the operator."
        )
    if iscoroutinefunction(function) or isasyncgenfunction(function):
        raise BluxConfigError(
            f"{_name(function)} is asynchronous; {kind.custom_operator_name} takes a function that returns or yields."
        )


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)

"""The typed arguments of operators and decorators, for mypy and editors, and the check of argument names.

The constructors define the accepted arguments and their defaults. A test checks that the types here agree with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Required, TypedDict

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_blux.delivery.settings import OnUnknown, PaceOptions, ShapingOptions
from airflow_provider_blux.operators.sources import Absence
from airflow_provider_blux.signatures import misnamed, signature_of

if TYPE_CHECKING:
    from airflow_provider_blux.api.endpoints import Api
    from airflow_provider_blux.exceptions import BluxConfigError
    from airflow_provider_blux.sources.formats import FileFormat
    from airflow_provider_blux.sources.paths import AnyPath


class Reference(Protocol):
    """A value that Airflow replaces before the task runs: an upstream task's output or a parameter of the DAG."""

    @property
    def resolve(self) -> Callable[..., Any]:
        """A method that Airflow calls when the task runs, and that returns the value of the argument in this run."""


Text = str | Reference
"""Templated text."""
Flag = bool | str | Reference
"""True or False, or a template of it."""
Number = float | str | Reference
"""A number, or a template of one."""


class AirflowArguments(TypedDict, total=False):
    """Arguments that Airflow defines for all operators, including those that only some versions of Airflow have."""

    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: Any
    max_retry_delay: timedelta | float | None
    retry_policy: Any
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: Any
    params: Any
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Any
    on_failure_callback: Any
    on_success_callback: Any
    on_retry_callback: Any
    on_skipped_callback: Any
    pre_execute: Any
    post_execute: Any
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    task_concurrency: int | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any
    outlets: Any
    task_group: Any
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class BaseArguments(AirflowArguments, total=False):
    """Airflow's arguments of an operator, including the required ``task_id``."""

    task_id: Required[str]


class DeliveryArguments(ShapingOptions, PaceOptions, total=False):
    """The common arguments of all operators and decorators."""

    on_empty: Absence
    blux_conn_id: Text
    api: Api | None
    rate_limit_conn_id: Text | None
    max_rejects: Number
    rejects_path: Text | None
    resume: Flag
    checkpoint_path: Text | None
    validate_only: Flag


class SourceArguments(TypedDict, total=False):
    """The arguments that say where the records come from and how they are read, without the record argument."""

    path: AnyPath | Sequence[AnyPath] | Reference | None
    storage_conn_id: Text | None
    file_format: FileFormat | None
    encoding: str | None
    delimiter: str | None
    hive_partitioning: bool | None
    on_missing: Absence
    sql: Text | None
    sql_conn_id: Text | None
    sql_parameters: Mapping[str, Any] | Sequence[Any] | Reference | None


class OperatorArguments(BaseArguments, DeliveryArguments, SourceArguments, total=False):
    """The common arguments of all operators."""


class SuppressionArguments(TypedDict, total=False):
    """The argument of all operations that could create a deleted user again, which are all except deletions."""

    suppression_path: str | Sequence[str] | Reference | None


class SnapshotArguments(SuppressionArguments, total=False):
    """``suppression_path``, and the arguments of operations that can send only changed records (users and devices)."""

    snapshot_path: Text | None
    full_refresh: Flag
    max_absent: float | None


class SnapshotOperatorArguments(OperatorArguments, SnapshotArguments, total=False):
    """The arguments of an operator that can send only changed records."""


class TaskArguments(AirflowArguments, DeliveryArguments, total=False):
    """The common arguments of all decorators. They have no source arguments, since the function is the source."""

    task_id: str


class UpsertUsersArguments(TaskArguments, SnapshotArguments, total=False):
    """The arguments of ``@task.blux_upsert_users``."""

    exclude_fields: str | Sequence[str] | Reference
    updated_at_field: str | None


class DeleteUsersArguments(TaskArguments, total=False):
    """The arguments of ``@task.blux_delete_users``."""

    max_users: int | Text | None
    receipts_path: Text | None
    snapshot_path: Text | None


class SendEventsArguments(TaskArguments, SuppressionArguments, total=False):
    """The arguments of ``@task.blux_send_events``."""

    on_unknown: OnUnknown


class UpdateDevicesArguments(TaskArguments, SnapshotArguments, total=False):
    """The arguments of ``@task.blux_update_devices``."""

    list_key: str


def with_defaults(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of a task with those that its own ``default_args`` adds.

    Of the ``default_args`` of a mapped task, Airflow keeps only the arguments that all operators have.

    :param given: the arguments, maybe with ``default_args``.
    :param known: the names of the arguments that are added; any other name in ``default_args`` is for other operators.
    """
    defaults = given.get("default_args") or {}
    return {**{name: defaults[name] for name in known if name in defaults}, **given}


class CheckedOperator(BaseOperator):
    """An operator with a signature that lists all arguments, also the inherited ones, for editors and help.

    The error for an unknown argument names the most similar argument.
    """

    #: The name of the record argument; set by each subclass.
    records_field: ClassVar[str]
    __signature__: ClassVar[Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature_of(cls, last=BaseOperator)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return a partial operator for a mapped task; the given arguments are the same for all of its instances.

        :raises BluxConfigError: an argument does not exist; the message names it and the most similar one.
        """
        if error := cls._misnamed(f"{cls.__name__}.partial", kwargs):
            raise error
        return super().partial(**with_defaults(kwargs, signature(cls).parameters))

    @classmethod
    def _misnamed(cls, owner: str, given: Iterable[str]) -> BluxConfigError | None:
        hint = f"records are passed as {cls.records_field}, path or sql."
        return misnamed(owner, given, signature(cls).parameters, hint)

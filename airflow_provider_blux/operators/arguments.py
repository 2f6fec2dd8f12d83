"""The arguments of the operators and decorators with their types, for mypy and editors, and the check of their names.

Which of them are accepted, and their defaults, the constructors say; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Required, TypedDict

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_blux.delivery.settings import OnUnknown, PaceOptions, ShapingOptions
from airflow_provider_blux.operators.sources import Absence
from airflow_provider_blux.signatures import ListedArguments, misnamed

if TYPE_CHECKING:
    from airflow_provider_blux.api.endpoints import Api
    from airflow_provider_blux.exceptions import BluxConfigError
    from airflow_provider_blux.sources.formats import FileFormat
    from airflow_provider_blux.sources.paths import AnyPath


class Reference(Protocol):
    """What Airflow replaces before the task runs: an upstream task's output, a parameter of the DAG."""

    @property
    def resolve(self) -> Callable[..., Any]:
        """Return the value for a run."""


Text = str | Reference
"""Templated text."""
Flag = bool | str | Reference
"""True or False, or a template of it."""
Number = float | str | Reference
"""A number, or a template of one."""


class AirflowArguments(TypedDict, total=False):
    """Airflow's own arguments of every operator; those that only some versions have as well."""

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
    """Airflow's arguments of an operator."""

    task_id: Required[str]


class DeliveryArguments(ShapingOptions, PaceOptions, total=False):
    """What is an argument of every operator and decorator."""

    on_empty: Absence
    blux_conn_id: Text
    api: Api | None
    rate_limit_conn_id: Text | None
    max_rejects: Number
    rejects_path: Text | None
    resume: Flag
    checkpoint_path: Text | None
    validate_only: Flag


class OperatorArguments(BaseArguments, DeliveryArguments, total=False):
    """What is an argument of every operator."""

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


class SuppressionArguments(TypedDict, total=False):
    """What is an argument where an erased user could come back."""

    suppression_path: str | Sequence[str] | Reference | None


class SnapshotArguments(SuppressionArguments, total=False):
    """What is an argument where only what has changed can be sent."""

    snapshot_path: Text | None
    full_refresh: Flag
    max_absent: float | None


class SuppressibleOperatorArguments(OperatorArguments, SuppressionArguments, total=False):
    """The arguments of an operator that could bring an erased user back."""


class SnapshotOperatorArguments(OperatorArguments, SnapshotArguments, total=False):
    """The arguments of an operator that can send only what has changed."""


class TaskArguments(AirflowArguments, DeliveryArguments, total=False):
    """What is an argument of every decorator: no source, since that is the function."""

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


class CheckedOperator(BaseOperator):
    """An operator whose signature lists every argument, and that answers a typo with the nearest one."""

    #: The name of the record argument: what a subclass sets.
    records_field: ClassVar[str]
    __signature__ = ListedArguments(last=BaseOperator)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return what a mapped task is made of: these arguments are the same for each of its instances.

        :raises BluxConfigError: naming an argument that does not exist, and the nearest one that does.
        """
        if error := cls._misnamed(f"{cls.__name__}.partial", kwargs):
            raise error
        return super().partial(**kwargs)

    @classmethod
    def _misnamed(cls, owner: str, given: Iterable[str]) -> BluxConfigError | None:
        hint = f"records are passed as {cls.records_field}, path or sql."
        return misnamed(owner, given, signature(cls).parameters, hint)

"""Checks the arguments of an operator's source, and handles skipped upstream tasks and empty sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import AirflowSkipException, XComArg

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.csv_text import dialect_of
from airflow_provider_blux.sources.formats import FORMATS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

Absence = Literal["fail", "skip", "succeed"]
"""What a task does if there is nothing to send: it fails, is skipped, or succeeds."""


FILE_OPTIONS = ("file_format", "encoding", "delimiter", "hive_partitioning")
"""The arguments that say how files are read."""


def check_source(
    field: str, options: Mapping[str, Any], on_missing: Absence, on_empty: Absence, parameters: Any
) -> None:
    """Check the arguments that say where the records come from and how they are read.

    Arguments that have no effect on the given source are refused, except for connection ids, which ``default_args`` may
    set for all tasks of a DAG.

    :param field: the argument that gives the records: ``path``, ``sql``, or one such as ``users``.
    :param options: the arguments that ``FILE_OPTIONS`` names.
    :param parameters: the argument ``sql_parameters``.
    :raises BluxConfigError: an argument is wrong; the message names it.
    """
    for name, value in (("on_missing", on_missing), ("on_empty", on_empty)):
        if value not in get_args(Absence):
            raise BluxConfigError(f"{name} must be one of {', '.join(get_args(Absence))}.")
    given = {name: value for name, value in options.items() if value is not None}
    if field != "path" and (idle := [*given, *(["on_missing"] if on_missing != "fail" else [])]):
        raise BluxConfigError(f"{', '.join(idle)}: only for path, but the records come from {field}. Leave it out.")
    if field != "sql" and parameters is not None:
        raise BluxConfigError(f"sql_parameters: only for sql, but the records come from {field}. Leave it out.")
    _check_options(options)


def _check_options(options: Mapping[str, Any]) -> None:
    file_format = options["file_format"]
    if file_format is not None and file_format not in FORMATS:
        raise BluxConfigError(f"file_format must be one of {', '.join(FORMATS)}, or be left out.")
    if not isinstance(options["hive_partitioning"], bool | None):
        raise BluxConfigError("hive_partitioning must be True or False, or be left out.")
    dialect_of(options["encoding"], options["delimiter"])
    if file_format not in {None, "csv"} and (options["encoding"] is not None or options["delimiter"] is not None):
        raise BluxConfigError(f"encoding and delimiter are for CSV, and file_format is {file_format}. Leave them out.")


def upstream_of(values: Any) -> set[str]:
    """Return the ids of the upstream tasks whose outputs the values refer to."""
    references = XComArg.iter_xcom_references(values)  # type: ignore[attr-defined,unused-ignore]
    return {operator.task_id for operator, _ in references}


def were_skipped(upstream: set[str], context: Context) -> bool:
    """Return whether one of the upstream tasks was skipped in this DAG run.

    The states of the tasks are read, since the output of a skipped task is ``None``, as if it had returned ``None``.
    In a mapped task group, only the instances that belong to this task instance count.

    :param upstream: the ids of the tasks to examine.
    """
    instance: Any = context.get("ti")
    run: Any = context.get("dag_run")
    if not upstream or instance is None or run is None:
        return False
    if hasattr(instance, "get_task_states"):
        found = instance.get_task_states(dag_id=run.dag_id, task_ids=sorted(upstream), run_ids=[run.run_id])
        own = {name for task in upstream for name in (task, f"{task}_{instance.map_index}")}
        states = [state for name, state in found.get(run.run_id, {}).items() if name in own]
    else:  # Airflow 2
        found = [one for one in run.get_task_instances() if one.task_id in upstream]
        states = [one.state for one in found if one.map_index in (-1, instance.map_index)]
    return any(str(state) == "skipped" for state in states)


def check_read(read: int, on_empty: Absence) -> None:
    """Apply ``on_empty`` if no record was read.

    :param read: number of records that were read.
    :raises AirflowSkipException: no record was read, and ``on_empty`` is ``skip``.
    :raises BluxSourceError: no record was read, and ``on_empty`` is ``fail``.
    """
    if read or on_empty == "succeed":
        return
    if on_empty == "skip":
        raise AirflowSkipException("The source has no record (on_empty='skip').")
    raise BluxSourceError("The source has no record (on_empty='fail'). Check whether its producer has run.")

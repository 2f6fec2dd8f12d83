"""The base class of the four operators: the sources of records, the delivery options and ``execute``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_blux.api.endpoints import Api, Operation, endpoints_for
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.settings import DeliveryOptions, Fallback, check, check_rejects_path, shaping_of
from airflow_provider_blux.exceptions import BluxConfigError, BluxError
from airflow_provider_blux.hooks.blux import BluxHook, check_api
from airflow_provider_blux.operators.arguments import BaseArguments, CheckedOperator, Flag, Number, Reference, Text
from airflow_provider_blux.operators.observability import ObservedOperator
from airflow_provider_blux.operators.redaction import Hidden, from_upstream, revealed
from airflow_provider_blux.operators.sources import (
    FILE_OPTIONS,
    Absence,
    check_read,
    check_source,
    upstream_of,
    were_skipped,
)
from airflow_provider_blux.operators.templating import (
    TemplatedOperator,
    check_given,
    checkable,
    is_reference,
    is_template,
    read_rendered,
)
from airflow_provider_blux.records.options import Meaning
from airflow_provider_blux.records.shapes import RowShape, check_mapping
from airflow_provider_blux.records.timestamps import Unit
from airflow_provider_blux.sources.formats import FileFormat

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_blux.hooks.options import RunOptions
    from airflow_provider_blux.sources.paths import AnyPath

TEMPLATED = (
    "path",
    "storage_conn_id",
    "sql",
    "sql_conn_id",
    "sql_parameters",
    "blux_conn_id",
    "rejects_path",
    "checkpoint_path",
    "rate_limit_conn_id",
    "max_rejects",
    "resume",
    "validate_only",
)
# Arguments that must not be ignored if the DAG gives them: a rendered value must not be None.
_SAFEGUARDS = ("suppression_path", "receipts_path", "snapshot_path", "rejects_path", "checkpoint_path")
# The same, but a template (not an upstream task) may be rendered to None, which means no limit, or no names.
_SAFEGUARDS_FROM_UPSTREAM = ("max_users", "exclude_fields")


class BluxOperator(TemplatedOperator, ObservedOperator, CheckedOperator):
    """Push records to Blux. This is the base class of the four operators; each of them sends one kind of record.

    Exactly one of ``path``, ``sql`` and the record argument (``users``, ``user_ids``, ``events`` or ``devices``) must
    be given. The task returns the report as a dict, never records.

    :param path: (templated) files in object storage: a URL or local path of a file, a folder or a glob, or a list.
    :param storage_conn_id: (templated) Airflow connection of the storage.
    :param file_format: ``jsonl``, ``json``, ``csv`` or ``parquet``; by each file's suffix unless given.
        ``rejects`` sends the records of rejects files again, once they are corrected.
    :param encoding: of CSV files; UTF-8 unless given (``cp949`` is what Excel writes in Korea).
    :param delimiter: of CSV files; a comma unless given.
    :param hive_partitioning: whether a folder ``grade=gold`` gives its records a column ``grade``; unless given, it
        does not, and a warning names such folders.
    :param on_missing: if ``path`` matches no file, the task fails (``fail``, the default), is skipped (``skip``), or
        continues without records (``succeed``).
    :param on_empty: if the source has no record, the task fails (``fail``), is skipped (``skip``), or succeeds
        (``succeed``, the default).
    :param sql: (templated) one SELECT, or the name of a ``.sql`` file with it; its rows are streamed.
    :param sql_conn_id: (templated) Airflow connection of the database.
    :param sql_parameters: (templated) values for the placeholders, in the driver's own style.
    :param field_mapping: ``{source column: Blux field}``. A field in a group is dotted
        (``user_properties.phone_number``). A column that is not in the mapping keeps its own name.
    :param true_values: text and numbers that mean true in a consent, in addition to true itself and the word ``true``.
    :param false_values: text and numbers that mean false in a consent, in addition to false itself and the word
        ``false``. Without these two arguments, a consent must be a boolean or the word ``true`` or ``false``.
    :param naive_timezone: time zone of timestamps without one, such as ``Asia/Seoul``; by default they are rejected.
    :param send_nulls: send a null property as null; by default it is not sent, and Blux keeps the old value.
    :param lowercase_columns: convert column names to lower case and trim them, in rows and in other arguments; useful
        for Snowflake and Oracle.
    :param json_columns: text columns that hold JSON, which is parsed.
    :param check_ids: reject ids and telephone numbers whose text looks damaged or missing (``123.0``, ``1.2E+11``,
        ``nan``, ``NULL``). Such an id in the suppression list makes the task fail.
    :param timestamp_unit: unit of numeric timestamps since the epoch in UTC: ``s``, ``ms`` or ``us``; by default
        numeric timestamps are rejected.
    :param phone_region: region such as ``KR``; telephone numbers are converted to its national format, digits only.
        Needs the extra ``phone`` of this package.
    :param blux_conn_id: (templated) Airflow connection of type ``blux``.
    :param api: ``application`` or ``open``. By default, the API that has the operation and for which the connection has
        credentials; the Application API if this is true of both.
    :param batch_size: records per request; by default, and at most, the limit of the endpoint.
    :param rate_limit: requests a second; by default the limit in the connection or, without one, the published limit.
    :param rate_limit_conn_id: (templated) Airflow connection of a Redis; all tasks with this connection share the rate
        limit.
    :param rate_limit_share: share of the rate limit for this task (above 0, at most 1). Without ``rate_limit_conn_id``
        it always applies. With ``rate_limit_conn_id``, it applies only while Redis does not answer.
    :param rate_limit_fallback: what the task does while Redis does not answer: it fails (``fail``, the default), or
        sends at its share of the rate limit (``share``). The share is ``rate_limit_share`` or, without it, one divided
        by ``max_active_tis_per_dag``.
    :param concurrency: maximum number of requests in flight, at most 256; by default 32, or the number of requests a
        second that the rate limit allows, if that is more.
    :param max_rejects: (templated) how many records (an int), or which share of them (a float), may be rejected or
        unknown (may or may not have arrived); 0 unless given. If there are more, the task fails after it has delivered
        all others.
    :param rejects_path: (templated) folder for the rejected and unknown records; required if ``max_rejects`` is set.
    :param resume: (templated) continue where the last try stopped (the default).
    :param checkpoint_path: (templated) folder for the checkpoint, which records where a try stopped. Airflow 3.3 and
        later stores it without a folder.
    :param validate_only: (templated) read, check and count all records, and warn about suspicious values, but send
        nothing. ``blux://`` assets among the outlets then get no asset event, since nothing has changed.
    """

    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql", "sql_parameters": "json"}
    ui_color = "#e8f1ff"

    #: The name of the hook's method; set by each subclass.
    operation: ClassVar[Operation]

    def __init__(
        self,
        *,
        path: AnyPath | Sequence[AnyPath] | Reference | None = None,
        storage_conn_id: Text | None = None,
        file_format: FileFormat | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        hive_partitioning: bool | None = None,
        on_missing: Absence = "fail",
        on_empty: Absence = "succeed",
        sql: Text | None = None,
        sql_conn_id: Text | None = None,
        sql_parameters: Mapping[str, Any] | Sequence[Any] | Reference | None = None,
        field_mapping: Mapping[str, str] | None = None,
        true_values: Sequence[Meaning] = (),
        false_values: Sequence[Meaning] = (),
        naive_timezone: str | tzinfo | None = None,
        send_nulls: bool = False,
        lowercase_columns: bool = False,
        json_columns: str | Sequence[str] = (),
        check_ids: bool = True,
        timestamp_unit: Unit | None = None,
        phone_region: str | None = None,
        blux_conn_id: Text = BluxHook.default_conn_name,
        api: Api | None = None,
        batch_size: int | None = None,
        rate_limit: float | None = None,
        rate_limit_conn_id: Text | None = None,
        rate_limit_share: float | None = None,
        rate_limit_fallback: Fallback = "fail",
        concurrency: int | None = None,
        max_rejects: Number = 0,
        rejects_path: Text | None = None,
        resume: Flag = True,
        checkpoint_path: Text | None = None,
        validate_only: Flag = False,
        **kwargs: Unpack[BaseArguments],
    ) -> None:
        try:
            super().__init__(**kwargs)
        except Exception:
            # Airflow's error would quote the value of an unknown argument, which may be records.
            if error := self._misnamed(self.operator_name, kwargs):
                raise error from None
            raise
        records = getattr(self, self.records_field)
        if isinstance(records, Hidden) and from_upstream([self.records_field], kwargs):
            records.is_template = False
        self._upstream = upstream_of([records, path])
        # A templated argument may hold anything before it is rendered.
        self.path: Any = path
        self.storage_conn_id: Any = storage_conn_id
        self.file_format = file_format
        self.encoding = encoding
        self.delimiter = delimiter
        self.hive_partitioning = hive_partitioning
        self.on_missing = on_missing
        self.on_empty = on_empty
        self.sql: Any = sql
        self.sql_conn_id: Any = sql_conn_id
        self.sql_parameters: Any = sql_parameters
        self.field_mapping = field_mapping
        self.true_values = true_values
        self.false_values = false_values
        self.naive_timezone = naive_timezone
        self.send_nulls = send_nulls
        self.lowercase_columns = lowercase_columns
        self.json_columns = json_columns
        self.check_ids = check_ids
        self.timestamp_unit = timestamp_unit
        self.phone_region = phone_region
        self.blux_conn_id: Any = blux_conn_id
        self.api = api
        self.batch_size = batch_size
        self.rate_limit = rate_limit
        self.rate_limit_conn_id: Any = rate_limit_conn_id
        self.rate_limit_share = rate_limit_share
        self.rate_limit_fallback = rate_limit_fallback
        self.concurrency = concurrency
        self.max_rejects: Any = max_rejects
        self.rejects_path: Any = rejects_path
        self.resume: Any = resume
        self.checkpoint_path: Any = checkpoint_path
        self.validate_only: Any = validate_only
        self._safeguards = [
            *(name for name in _SAFEGUARDS if getattr(self, name, None) is not None),
            *(name for name in _SAFEGUARDS_FROM_UPSTREAM if is_reference(getattr(self, name, None))),
        ]
        self._check()

    def execute(self, context: Context) -> dict[str, Any]:
        """Push the records; return the report.

        The task is skipped if there is no file or no record, and ``on_missing`` or ``on_empty`` is ``skip``.

        :raises AirflowFailException: the delivery failed, and a retry cannot help.
        :raises BluxError: the delivery failed, and a retry may help.
        """
        self._hook = BluxHook(self.blux_conn_id, self.api)
        if self._is_killed:  # Airflow 3 calls `on_kill` while it renders the templates, and does not stop by itself
            self._hook.stop()
        failure: BluxError | None = None
        try:
            for name in self._safeguards:
                check_given(name, getattr(self, name))
            read_rendered(self, self.template_fields)
            deliver = getattr(self._hook, self.operation)
            source = self._source(context)
            report: dict[str, Any] = deliver(source, **self._options(), **self._run_options(context)).as_dict()
            check_read(report["read"], self.on_empty)
        except BluxError as error:
            failure = error
            # `from None` prints only one message and traceback; the original error stays available as the context.
            if error.retry_helps:
                raise error from None
            raise AirflowFailException(str(error)) from None
        finally:
            self._is_killed = False  # `dag.test()` may try again with this object
            self._store_links(context, failure)
        try:
            self._announce(context, report)
        except Exception as error:  # noqa: BLE001 - all records are delivered; a retry would deliver them again
            self.log.warning("The report could not be attached to the asset events (%s).", type(error).__name__)
        return report

    def on_kill(self) -> None:
        """Ask the running delivery to stop: requests in flight are finished, and no new one is started."""
        self._is_killed = True
        if self._hook:
            self._hook.stop()

    def _run_options(self, context: Context) -> RunOptions:
        """Return the arguments for the hook that depend on the task run: its ids, watchers, and the checkpoint's place.

        If there is no place for the checkpoint, a message is logged.

        :raises BluxConfigError: ``on_unknown`` is ``keep``, which needs a checkpoint, but there is no place for one.
        """
        run, state = _run(context), context.get("task_state_store")
        options: RunOptions = {"run": run, "watchers": self._watchers(context, run)}
        if self.checkpoint_path is None and state is not None:
            from airflow_provider_blux.delivery.checkpoint_store import TaskStateStore

            options["checkpoint"] = TaskStateStore(state)
        elif self.checkpoint_path is None and self.resume:
            if getattr(self, "on_unknown", None) == "keep" and "ti" in context:
                raise BluxConfigError(
                    "on_unknown='keep' promises that nothing is sent twice, so what was sent must be kept for a retry: "
                    "set checkpoint_path (Airflow before 3.3 keeps no task state)."
                )
            self.log.info(
                "No progress is kept for a retry: there is no task state (Airflow 3.3 or later) and no checkpoint_path."
            )
        return options

    def _options(self) -> dict[str, Any]:
        options = {name: getattr(self, name) for name in self._names_of_options()}
        return options | {"rate_limit_share": self._share()}

    @classmethod
    @cache
    def _names_of_options(cls) -> Iterable[str]:
        """Return the names of the arguments that the operator passes on to the hook: those that both of them have."""
        return signature(getattr(BluxHook, cls.operation)).parameters.keys() & signature(cls).parameters.keys()

    def _share(self) -> float | None:
        tasks: int | None = self.max_active_tis_per_dag
        if self.rate_limit_share is None and self.rate_limit_fallback == "share" and tasks:
            return 1 / tasks
        return self.rate_limit_share

    def _source(self, context: Context) -> Iterable[Any]:
        """Return the records that the DAG author chose: files, a query, or the value of the record argument.

        :raises AirflowSkipException: there is no file, and ``on_missing`` is ``skip``.
        """
        from airflow_provider_blux.sources.inline import InlineSource

        if self._source_field == "path":
            from airflow_provider_blux.sources.files import StorageSource

            if self.path is None and were_skipped(self._upstream, context):
                return InlineSource((), "path")
            source = StorageSource(
                self.path,
                conn_id=self.storage_conn_id,
                **self._file_options(),
                operation=self.operation,
                check_columns_of=self._check_columns_of,
            )
            is_empty = self.path == []  # an upstream task has found no file
            if self.on_missing == "fail" or not (is_empty or source.has_no_file()):  # reading raises if there is none
                return source
            name = "path (an empty list)" if is_empty else str(source)
            if self.on_missing == "skip":
                raise AirflowSkipException(f"{name}: there is no such file (on_missing='skip').")
            return InlineSource((), name)
        if self._source_field == "sql":
            from airflow_provider_blux.sources.sql import SqlSource

            return SqlSource(self.sql or "", conn_id=self.sql_conn_id or "", parameters=self.sql_parameters)
        records = revealed(getattr(self, self.records_field))
        if records is None and were_skipped(self._upstream, context):
            records = ()
        return InlineSource(records, self.records_field)

    def _check_columns_of(self, row: Any) -> None:
        """Check the columns of a CSV file with a single line, which may be a record instead of a header.

        :param row: the line as a row: its cells are the column names, and the values are null.
        :raises BluxConfigError: the columns are wrong, or a required one is missing; the message names them.
        """
        api = BluxHook(self.blux_conn_id).credentials.api_for(self.operation, self.api)
        RowShape(self.operation, api, shaping_of(cast("DeliveryOptions", self._options()))).header.read(row)

    def _file_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FILE_OPTIONS}

    def _check(self) -> None:
        """Check all arguments that contain no template, so that a wrong DAG fails when Airflow parses it.

        Also store which of ``path``, ``sql`` and the record argument is given.

        :raises BluxConfigError: an argument is wrong; the message names it.
        """
        choices = (self.records_field, "path", "sql")
        given = [name for name in choices if getattr(self, name) is not None]
        if len(given) != 1:
            raise BluxConfigError(
                f"Exactly one of {', '.join(choices)} says where the records come from; "
                f"{' and '.join(given) + ' are' if given else 'none is'} given."
            )
        self._source_field = given[0]
        if self.sql is not None and not self.sql_conn_id:
            raise BluxConfigError("sql needs sql_conn_id, the Airflow connection of the database.")
        check_source(given[0], self._file_options(), self.on_missing, self.on_empty, self.sql_parameters)
        if api := check_api(self.api):
            endpoints_for(self.operation, api)
        check(cast("DeliveryOptions", checkable(self._options())))
        check_mapping(self.operation, self.api, self.field_mapping or {})
        if not is_template(self.max_rejects):
            check_rejects_path(self.max_rejects, self.rejects_path)
        self._check_outlets()


def _run(context: Context) -> Run:
    instance: Any = context.get("ti")
    if instance is None:  # `execute` called outside of Airflow
        return Run.unnamed()
    return Run(
        dag_id=instance.dag_id,
        run_id=instance.run_id,
        task_id=instance.task_id,
        map_index=-1 if instance.map_index is None else instance.map_index,
        try_number=instance.try_number,
    )

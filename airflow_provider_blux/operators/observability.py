"""What an operator tells while it runs and afterwards: asset events, lineage, and where its delivery stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_blux.api.endpoints import Operation
from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.operators.assets import attach, check_outlets, withdraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import Asset, Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_blux.delivery.progress import Standing, Watcher
    from airflow_provider_blux.delivery.run import Run
    from airflow_provider_blux.hooks.blux import BluxHook
    from airflow_provider_blux.sources.paths import AnyPath


class ObservedOperator(BaseOperator):
    """An operator whose deliveries can be looked at; the base of the operators' common base."""

    operation: ClassVar[Operation]
    path: AnyPath | Sequence[AnyPath] | None
    sql: str | None
    sql_conn_id: str | None
    validate_only: bool
    _hook: BluxHook | None = None
    _standing: Standing | None = None
    #: What is logged once the delivery has said what it does.
    _notice: str | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002
        """Return what was read and changed; Airflow's OpenLineage provider asks for it when the task is over."""
        from airflow_provider_blux.operators.lineage import lineage_of

        return lineage_of(self._inputs(), self._standing, None if self.validate_only else self._changed())

    # What was delivered before a failure was delivered all the same.
    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    def _watchers(self, context: Context, run: Run) -> list[Watcher]:
        """Return who is told where the delivery of this try stands."""
        self._standing = None
        watchers: list[Watcher] = [self._look]
        if (state := context.get("task_state_store")) is not None:
            from airflow_provider_blux.hooks.observability import TaskStateDisplay

            display = TaskStateDisplay(state, run.try_number)
            display.clear()
            watchers.append(display)
        return watchers

    def _look(self, standing: Standing) -> None:
        self._standing = standing
        if self._notice:
            self.log.info(self._notice)
            self._notice = None

    def _check_outlets(self) -> None:
        check_outlets(self.outlets)

    def _announce(self, context: Context, report: dict[str, Any]) -> None:
        """Tell the DAGs that are scheduled on what was changed."""
        if self.validate_only:
            withdraw(self)
        elif self._hook and self._standing:
            hook, endpoint = self._hook, self._standing.endpoint
            extra = {"api": endpoint.api, "operation": endpoint.operation, **report}
            attach(self.outlets, context, extra, lambda: hook.asset(self.operation))

    def _changed(self) -> Asset | None:
        try:
            return self._hook.asset(self.operation) if self._hook else None
        except BluxError:  # the task has failed of it, and said so
            return None

    def _inputs(self) -> list[Dataset]:
        from airflow_provider_blux.operators.lineage import files, tables

        try:
            if self.path is not None:
                return files(self.path)
            return tables(self.sql, self.sql_conn_id or "") if self.sql is not None else []
        except Exception as error:  # noqa: BLE001 - the rest of the lineage is known all the same
            self.log.warning("What the task has read is missing in its lineage (%s).", type(error).__name__)
            return []

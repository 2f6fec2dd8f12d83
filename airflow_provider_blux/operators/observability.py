"""Reports of an operator during and after its run: asset events, lineage and progress."""

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
    """An operator that publishes progress, lineage and asset events; a base class of ``BluxOperator``."""

    operation: ClassVar[Operation]
    path: AnyPath | Sequence[AnyPath] | None
    sql: str | None
    sql_conn_id: str | None
    validate_only: bool
    _hook: BluxHook | None = None
    _standing: Standing | None = None
    #: A message to log after the first progress report of the delivery.
    _notice: str | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002
        """Return the inputs and outputs of the task; called by Airflow's OpenLineage provider at the end."""
        from airflow_provider_blux.operators.lineage import lineage_of

        return lineage_of(self._inputs(), self._standing, None if self.validate_only else self._changed())

    # Records may have been delivered before a failure, so a failed task has lineage, too.
    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    def _watchers(self, context: Context, run: Run) -> list[Watcher]:
        """Return the watchers of the delivery of this try."""
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
        """Attach the report to the asset events of the outlets, for DAGs that are scheduled on them."""
        if self.validate_only:
            withdraw(self)
        elif self._hook and self._standing:
            hook, endpoint = self._hook, self._standing.endpoint
            extra = {"api": endpoint.api, "operation": endpoint.operation, **report}
            attach(self.outlets, context, extra, lambda: hook.asset(self.operation))

    def _changed(self) -> Asset | None:
        try:
            return self._hook.asset(self.operation) if self._hook else None
        except BluxError:  # the task has already failed with this error and logged it
            return None

    def _inputs(self) -> list[Dataset]:
        from airflow_provider_blux.operators.lineage import files, tables

        try:
            if self.path is not None:
                return files(self.path)
            return tables(self.sql, self.sql_conn_id or "") if self.sql is not None else []
        except Exception as error:  # noqa: BLE001 - the rest of the lineage is still valid
            self.log.warning("What the task has read is missing in its lineage (%s).", type(error).__name__)
            return []

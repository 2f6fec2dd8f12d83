"""Reports of an operator during and after its run: asset events, lineage, links and progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AssetAlias, BaseOperator

from airflow_provider_blux.api.endpoints import Operation
from airflow_provider_blux.assets.blux import check_asset, is_blux_asset, is_blux_reference
from airflow_provider_blux.exceptions import BluxConfigError, BluxError
from airflow_provider_blux.operators.links import (
    BluxDocumentationLink,
    BluxReceiptsLink,
    BluxRejectsLink,
    console_url,
    documentation_url,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import Asset, Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_blux.delivery.progress import Standing, Watcher
    from airflow_provider_blux.delivery.run import Run
    from airflow_provider_blux.hooks.blux import BluxHook


class ObservedOperator(BaseOperator):
    """An operator that publishes progress, lineage, asset events and links; a base class of ``BluxOperator``."""

    operator_extra_links = (BluxRejectsLink(), BluxReceiptsLink(), BluxDocumentationLink())
    operation: ClassVar[Operation]
    path: Any
    sql: Any
    sql_conn_id: Any
    validate_only: Any
    rejects_path: Any
    _hook: BluxHook | None = None
    _is_killed = False
    _standing: Standing | None = None
    #: The URLs of the links of this try, by their ``xcom_key``; None until the try has ended. The keys are text, since
    #: OpenLineage may write all attributes of an operator as JSON (``include_full_task_info``).
    links_of_this_try: Mapping[str, str] | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002
        """Return the inputs and outputs of the task; called by Airflow's OpenLineage provider at the end."""
        from airflow_provider_blux.operators.lineage import lineage_of

        return lineage_of(self._inputs(), self._standing, None if self.validate_only else self._changed())

    # Records may have been delivered before a failure, so a failed task has lineage, too.
    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    def _watchers(self, context: Context, run: Run) -> list[Watcher]:
        """Return the watchers of this try: functions that the delivery calls with its progress.

        Also remove the progress of an earlier try from the task state.
        """
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

    def _check_outlets(self) -> None:
        """Check the ``blux://`` assets among the outlets.

        :raises BluxConfigError: an asset is unknown, its URI may hold a secret, or it is a reference (``Asset.ref``
            or text), to which no report can be attached.
        """
        if any(map(is_blux_reference, self.outlets)):
            raise BluxConfigError(
                "outlets holds a reference to an asset in Blux (Asset.ref, or text). Declare the asset itself, such as "
                "Asset('blux://my-app/users')."
            )
        for outlet in filter(is_blux_asset, self.outlets):
            try:
                check_asset(outlet)
            except ValueError as error:
                raise BluxConfigError(f"outlets: {error}") from None

    def _announce(self, context: Context, report: dict[str, Any]) -> None:
        """Attach the report to the asset events of the outlets, for DAGs that are scheduled on them.

        With ``validate_only``, remove the ``blux://`` assets from the outlets, so that they get no event.
        """
        if self.validate_only:  # nothing has changed, so no event is created
            self.outlets = [outlet for outlet in self.outlets if not is_blux_asset(outlet)]
            return
        events = context.get("outlet_events")
        if events is None or self._standing is None:  # `execute` called outside of Airflow
            return
        endpoint = self._standing.endpoint
        extra = {"api": endpoint.api, "operation": endpoint.operation, **report}
        for outlet in self.outlets:
            if is_blux_asset(outlet):
                events[outlet].extra = extra
            elif isinstance(outlet, AssetAlias) and (changed := self._changed()):
                events[outlet].add(changed, extra=_without_lists(extra))

    def _store_links(self, context: Context, error: BluxError | None) -> None:
        """Keep the URLs of the operator's links in ``links_of_this_try``, and push those that are not empty as XComs.

        If this fails, it is logged and not raised.

        :param error: the error of this package with which the try failed; ``None`` if there is none.
        """
        links: dict[str, str] = {}
        self.links_of_this_try = links
        instance = context.get("ti")  # None if `execute` is called outside of Airflow
        try:
            links[BluxDocumentationLink.xcom_key] = documentation_url(self.operation, error)
            if self._standing:
                report = self._standing.report
                links[BluxRejectsLink.xcom_key] = console_url(self.rejects_path, report.rejects)
                links[BluxReceiptsLink.xcom_key] = console_url(getattr(self, "receipts_path", None), report.receipts)
            for key, url in links.items():
                if url and instance is not None:
                    instance.xcom_push(key=key, value=url)
        except Exception as failed:  # noqa: BLE001 - it must not hide how the delivery ended
            self.log.warning("The links of the task could not be stored (%s).", type(failed).__name__)

    def _changed(self) -> Asset | None:
        try:
            return self._hook.asset(self.operation) if self._hook else None
        except Exception:  # noqa: BLE001 - the task has already failed with this error (also of Airflow), and logged it
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


def _without_lists(extra: dict[str, Any]) -> dict[str, Any]:
    """Return ``extra`` with its lists as JSON text.

    Airflow before 3.3 puts the values of an asset alias's ``extra`` into a set, which cannot hold lists.
    """
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in extra.items()}

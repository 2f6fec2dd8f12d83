"""What the hook tells Airflow's hook lineage: which asset it has changed, for use in a ``@task``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_blux.assets.blux import asset_of
from airflow_provider_blux.delivery.progress import Standing

if TYPE_CHECKING:
    from airflow_provider_blux.api.access import Access


class HookLineage:
    """Adds the changed asset to the hook lineage of the task, at the end of a delivery that delivered something.

    :param hook: the hook, by which readers of the lineage tell where it comes from.
    """

    def __init__(self, hook: Any, access: Access) -> None:
        self._hook = hook
        self._application = access.application

    def __str__(self) -> str:
        return "Airflow's hook lineage"

    def __call__(self, standing: Standing) -> None:
        """Add the asset, unless nothing has changed or nothing is over yet."""
        if not standing.is_over or standing.report.delivered == standing.report.resumed:
            return
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        collector.add_output_asset(context=self._hook, uri=asset_of(standing.endpoint.operation, self._application).uri)

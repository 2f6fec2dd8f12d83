"""What a task tells the DAGs that are scheduled on the assets it declares as outlets: its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AssetAlias

from airflow_provider_blux.assets.blux import check_uri, is_blux, is_reference
from airflow_provider_blux.exceptions import BluxConfigError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset, BaseOperator, Context


def check_outlets(outlets: list[Any]) -> None:
    """Check the assets in Blux among the outlets.

    :raises BluxConfigError: one is none that there is, may hold a secret, or is a reference, which gets no report.
    """
    if any(map(is_reference, outlets)):
        raise BluxConfigError(
            "outlets holds a reference to an asset in Blux (Asset.ref). Declare the asset itself, such as "
            "Asset('blux://my-app/users')."
        )
    for outlet in filter(is_blux, outlets):
        try:
            check_uri(outlet.uri)
        except ValueError as error:
            raise BluxConfigError(f"outlets: {error}") from None


def attach(outlets: list[Any], context: Context, extra: dict[str, Any], changed: Callable[[], Asset]) -> None:
    """Attach the report to the events of the assets in Blux.

    :param extra: the report.
    :param changed: returns the asset that was changed, which is what an alias comes to stand for.
    """
    events = context.get("outlet_events")
    if events is None:  # `execute` called outside of Airflow
        return
    for outlet in outlets:
        if is_blux(outlet):
            events[outlet].extra = extra
        elif isinstance(outlet, AssetAlias):
            events[outlet].add(changed(), extra=_without_lists(extra))


def withdraw(operator: BaseOperator) -> None:
    """Take the assets in Blux back, for a task that changes nothing: Airflow would announce them as updated."""
    operator.outlets = [outlet for outlet in operator.outlets if not is_blux(outlet)]


def _without_lists(extra: dict[str, Any]) -> dict[str, Any]:
    """Return ``extra`` with its lists as JSON texts: for an alias, Airflow before 3.3 puts the values into a set."""
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in extra.items()}

"""Attaches the report of a task to the events of its outlet assets, for DAGs that are scheduled on these assets."""

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
    """Check the ``blux://`` assets among the outlets.

    :raises BluxConfigError: an asset is unknown, its URI may hold a secret, or it is a reference (``Asset.ref``), to
        which no report can be attached.
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
    """Attach the report to the events of the ``blux://`` assets.

    :param extra: the report.
    :param changed: returns the changed asset, which is added to each asset alias among the outlets.
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
    """Remove the ``blux://`` assets from the outlets of a task that changes nothing, so that no event is created."""
    operator.outlets = [outlet for outlet in operator.outlets if not is_blux(outlet)]


def _without_lists(extra: dict[str, Any]) -> dict[str, Any]:
    """Return ``extra`` with lists as JSON text. Airflow before 3.3 puts the values of an alias into a set."""
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in extra.items()}

"""One delivery as the hook does it, without Airflow's connection around it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from airflow_provider_blux.api.auth import Access, ApplicationAccess, OpenAccess
from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Api, Operation, endpoints_for
from airflow_provider_blux.delivery.deliver import Delivery
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.settings import CONCURRENCY, DeliveryOptions, settled
from airflow_provider_blux.delivery.storage import Store
from airflow_provider_blux.emulator.backend import DEMO
from airflow_provider_blux.emulator.endpoints import APPLICATION_PREFIX

_UNPACED = 100_000.0


def deliver(
    url: str,
    operation: Operation,
    rows: Iterable[Any],
    *,
    api: Api = "application",
    store: Store | None = None,
    **options: Any,
) -> Report:
    """Deliver ``rows`` to one of the APIs at ``url``.

    :param store: where the checkpoint is kept.
    :param options: the delivery arguments of every operator.
    """
    endpoints = endpoints_for(operation, api)
    given: DeliveryOptions = {**options}  # type: ignore[typeddict-item]
    settings = settled(given, endpoints, None)
    with BluxClient({api: access(url, api)}, pool_size=settings.concurrency) as client:
        return Delivery(client, endpoints, settings, stop=Stop(), store=store).run(rows)


def unpaced(operation: Operation, api: Api = "application") -> dict[str, Any]:
    """Return the options by which no request waits for its turn, and as many are in flight as at the published rate."""
    published = math.ceil(endpoints_for(operation, api)[0].max_rate)
    return {"rate_limit": _UNPACED, "concurrency": max(CONCURRENCY, published)}


def access(url: str, api: Api) -> Access:
    """Return how to reach an API of a server on loopback."""
    if api == "open":
        return OpenAccess(url=url, project_id=DEMO.project_id, api_key=DEMO.open_api_key)
    return ApplicationAccess(
        url=url + APPLICATION_PREFIX, application_id=DEMO.application_id, secret_key=DEMO.secret_key
    )

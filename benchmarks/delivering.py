"""One delivery as the hook does it, without Airflow's connection around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_blux.api.access import ApplicationAccess
from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Operation, endpoints_for
from airflow_provider_blux.delivery.deliver import Delivery
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.settings import DeliveryOptions, settled
from airflow_provider_blux.delivery.stopping import Stop
from airflow_provider_blux.delivery.stores import Store
from airflow_provider_blux.emulator.backend import DEMO
from airflow_provider_blux.emulator.endpoints import APPLICATION_PREFIX


def deliver(
    url: str, operation: Operation, rows: Iterable[Any], *, store: Store | None = None, **options: Any
) -> Report:
    """Deliver ``rows`` to the Application API at ``url``.

    :param store: where the checkpoint is kept.
    :param options: the delivery arguments of every operator.
    """
    access = ApplicationAccess(
        url=url + APPLICATION_PREFIX, application_id=DEMO.application_id, secret_key=DEMO.secret_key
    )
    endpoints = endpoints_for(operation, "application")
    given: DeliveryOptions = {**options}  # type: ignore[typeddict-item]
    settings = settled(given, endpoints, None)
    with BluxClient({"application": access}, pool_size=settings.concurrency) as client:
        return Delivery(client, endpoints, settings, stop=Stop(), store=store).run(rows)

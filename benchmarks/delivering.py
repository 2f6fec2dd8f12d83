"""One delivery as a task makes it: an operator with its default arguments, and its ``execute``."""

from __future__ import annotations

import math
import os
from types import SimpleNamespace
from typing import Any

from airflow_provider_blux.api.endpoints import Api, Endpoint, Operation, endpoints_for
from benchmarks import servers

# What is delivered: the operator, and the endpoint that it uses by default.
_KINDS: dict[str, tuple[str, Operation, Api]] = {
    "users": ("BluxUpsertUsersOperator", "upsert_users", "application"),
    "ids": ("BluxDeleteUsersOperator", "delete_users", "application"),
    "events": ("BluxSendEventsOperator", "send_events", "open"),
}
# More than a stub on loopback can answer.
_NO_LIMIT = 100_000.0
# The operators' own default where fewer requests than this start in a second.
_CONCURRENCY = 32


def deliver(url: str, what: str, *, try_number: int = 1, **arguments: Any) -> dict[str, Any]:
    """Execute the operator for ``what`` against the server at ``url``; return its report.

    :param what: ``users``, ``ids`` or ``events``, or kinds of them, as ``narrow users``.
    :param try_number: the try of the one task that all deliveries in one folder belong to.
    :param arguments: the operator's.
    """
    from airflow_provider_blux.operators import blux

    os.environ["AIRFLOW_CONN_BLUX_DEFAULT"] = servers.connection_json(url)
    operator_name, _, _ = _kind(what)
    operator = getattr(blux, operator_name)(task_id="deliver", **arguments)
    instance = SimpleNamespace(
        dag_id="benchmark", run_id="once", task_id="deliver", map_index=-1, try_number=try_number
    )
    report: dict[str, Any] = operator.execute({"ti": instance})
    return report


def endpoint_for(what: str) -> Endpoint:
    """Return the endpoint that ``what`` is sent to by default."""
    _, operation, api = _kind(what)
    return endpoints_for(operation, api)[0]


def unlimited(what: str) -> dict[str, Any]:
    """Return the arguments by which no request waits for its turn, with as many in flight as at the published rate."""
    return {"rate_limit": _NO_LIMIT, "concurrency": max(_CONCURRENCY, math.ceil(endpoint_for(what).max_rate))}


def _kind(what: str) -> tuple[str, Operation, Api]:
    return next(kind for name, kind in _KINDS.items() if name in what.partition(",")[0].split())

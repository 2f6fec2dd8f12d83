"""The steps of Airflow around ``execute``: the value of an upstream task, rendering, storing, serializing."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.serialization.helpers import serialize_template_field

STARTED = datetime(2026, 1, 31, tzinfo=timezone.utc)  # noqa: UP017 - Airflow 2 serializes no other


class UpstreamValue:
    """A task instance for references to upstream tasks: every pulled XCom is ``value``."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def xcom_pull(self, *_: Any, **__: Any) -> Any:
        return self._value

    def get_relevant_upstream_map_indexes(self, *_: Any, **__: Any) -> None:
        """Return ``None``, since the upstream task is not mapped; called by Airflow 2."""


class Upstream(BaseOperator):
    """An upstream task."""

    def execute(self, context: Any) -> None:
        """Return nothing; :class:`UpstreamValue` supplies the return value."""


def dag(**arguments: Any) -> DAG:
    return DAG("crm", schedule=None, start_date=STARTED, **arguments)


def rendered(operator: Any, *, upstream: Any = None, **context: Any) -> Any:
    operator.render_template_fields({"ti": UpstreamValue(upstream), "expanded_ti_count": None, **context})
    return operator


def shown(operator: Any) -> dict[str, Any]:
    """Return the template fields as Airflow stores them and shows them under "Rendered Template"."""
    return {name: serialize_template_field(getattr(operator, name), name) for name in operator.template_fields}


def serialized(one: DAG) -> str:
    """Return the DAG as the DAG processor writes it to the metadata database."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # Airflow before 3.2
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization

    return json.dumps(Serialization.to_dict(one))

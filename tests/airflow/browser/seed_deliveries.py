"""Write deliveries into the metadata database through Airflow's own models; run by :class:`SeededSite`.

Reads from standard input a JSON list of :class:`Delivery`, each with the fields of that class.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.providers.common.compat.sdk import DAG
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from airflow_provider_blux.operators import blux

BUNDLE = "dags-folder"
TASK = "send"
OPERATORS = {
    "upsert_users": (blux.BluxUpsertUsersOperator, "users"),
    "delete_users": (blux.BluxDeleteUsersOperator, "user_ids"),
    "send_events": (blux.BluxSendEventsOperator, "events"),
    "update_devices": (blux.BluxUpdateDevicesOperator, "devices"),
}


def write_dag(session: Any, dag_id: str, operation: str) -> None:
    """Store a DAG with one task."""
    operator, field = OPERATORS[operation]
    with DAG(dag_id, schedule=None) as dag:
        operator(task_id=TASK, **{field: [{"user_id": "never sent"}]})
    lazy = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db(BUNDLE, None, [lazy], session=session)
    session.flush()
    SerializedDagModel.write_dag(lazy, bundle_name=BUNDLE, session=session)
    session.flush()


def write_delivery(session: Any, task: Any, version: Any, delivery: dict[str, Any], number: int) -> None:
    """Store one run with all parts of its task."""
    run_id = f"run-{number:05}"
    started = datetime.now(UTC) - timedelta(hours=delivery["hours_ago"])
    ended = None if delivery["state"] == "running" else started + timedelta(seconds=delivery["seconds"])
    run = DagRun(
        dag_id=task.dag_id,
        run_id=run_id,
        run_after=started,
        start_date=started,
        state=DagRunState.RUNNING if ended is None else DagRunState.SUCCESS,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
    )
    session.add(run)
    session.flush()
    value = XComModel.serialize_value(delivery["report"])
    xcoms = []
    for part in range(delivery["parts"]) if delivery["parts"] else [-1]:
        instance = TaskInstance(task, dag_version_id=version.id, run_id=run_id, state=delivery["state"], map_index=part)
        instance.start_date, instance.end_date, instance.try_number = started, ended, 1
        session.add(instance)
        if delivery["report"] is not None:
            where = {"dag_run_id": run.id, "dag_id": task.dag_id, "task_id": task.task_id, "run_id": run_id}
            xcoms.append(XComModel(key="return_value", value=value, map_index=part, **where))
    session.flush()
    session.add_all(xcoms)


def main(deliveries: list[dict[str, Any]]) -> None:
    """Store every delivery."""
    DagBundlesManager().sync_bundles_to_db()
    with create_session() as session:
        for dag_id, operation in {delivery["dag_id"]: delivery["operation"] for delivery in deliveries}.items():
            write_dag(session, dag_id, operation)
        tasks = {}
        for number, delivery in enumerate(deliveries):
            dag_id = delivery["dag_id"]
            if dag_id not in tasks:
                dag = SerializedDagModel.get_dag(dag_id, session=session)
                tasks[dag_id] = dag.get_task(TASK), DagVersion.get_latest_version(dag_id, session=session)
            write_delivery(session, *tasks[dag_id], delivery, number)


if __name__ == "__main__":
    main(json.load(sys.stdin))

"""Send one day of events to Blux: the file that is named after the day, once the day is over.

The timetable gives a run the day that has ended, on every Airflow version: ``ds`` is the day of the data. A plain
``"@daily"`` would name the day that has just begun on Airflow 3.

Events are sent at least once. Their ``id`` lets a repeated one be recognised, and their ``timestamp`` must carry
a zone, since Seoul and UTC are nine hours apart.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import dag
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_blux.operators.blux import BluxSendEventsOperator

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")


@dag(
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def send_events_from_files() -> None:
    """Send the events of the day that has ended."""
    BluxSendEventsOperator(task_id="send_events", path=DATA + "/events/{{ ds }}.jsonl")


send_events_from_files()

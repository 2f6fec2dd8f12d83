"""Tell Blux the user and the push token of each device, from the app's list of devices.

Devices change slowly, so one run per week is enough. A device is identified by its ``device_id``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_blux.operators.blux import BluxUpdateDevicesOperator

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")


@dag(
    schedule="@weekly",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def update_devices() -> None:
    """Send the list of devices."""
    BluxUpdateDevicesOperator(task_id="send_devices", path=f"{DATA}/devices.json")


update_devices()

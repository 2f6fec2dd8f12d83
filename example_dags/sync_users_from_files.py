"""Send yesterday's exports to Blux every night: one CSV of the CRM, then a folder of JSON lines of the app.

Every export is complete, but only users who are new or have changed since the last run are sent: the snapshot remembers
what was sent. Both tasks use the same snapshot, since both send users of one application. A user who is in both exports
is sent by both tasks each night, in the order of the tasks, because each overwrites what the other has sent.

An empty or null cell says nothing about the user and leaves the value in Blux as it is: a consent is never made up. The
same user may be in an export twice, and the later row wins. That is also why the app's files wait for the CRM's.

The exports may still contain users who were deleted meanwhile. Those whose deletion has a receipt (``delete_users``
writes it) are not sent and are counted as suppressed. The task fails if the folder of receipts is missing, because it
would create deleted users again. So before the first deletion make the folder with a file that is empty, or has the ids
that were deleted earlier::

    mkdir -p build/examples/receipts && touch build/examples/receipts/earlier.jsonl

The files are read as a stream and may lie in any object storage that Airflow knows: set ``BLUX_EXAMPLE_DATA`` to,
for instance, ``s3://my_aws@exports/blux``, and ``BLUX_EXAMPLE_OUTPUT`` to where the receipts and the snapshot are.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")
OUTPUT = os.environ.get("BLUX_EXAMPLE_OUTPUT") or str(Path(__file__).parents[1] / "build" / "examples")


@dag(
    schedule="@daily",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def sync_users_from_files() -> None:
    """Send the CRM's users, then the app's."""
    crm, app = (
        BluxUpsertUsersOperator(
            task_id=task_id,
            path=f"{DATA}/{files}",
            api="application",
            suppression_path=f"{OUTPUT}/receipts",
            snapshot_path=f"{OUTPUT}/snapshots/users",
        )
        for task_id, files in (("send_crm_users", "users.csv"), ("send_app_users", "users/*.jsonl"))
    )
    crm >> app


sync_users_from_files()

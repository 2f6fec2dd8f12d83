"""Send yesterday's exports to Blux every night: one CSV of the CRM, then a folder of JSON lines of the app.

Every export is whole, but only who is new or has changed since the last run is sent: the snapshot remembers what was
sent. Both tasks name the same one, since both send users of one application. A user whom both exports hold is sent by
both each night, in the order of the tasks, because the one changes what the other has sent.

A cell that is empty or null says nothing about the user and
leaves what Blux knows: a consent is never made up. The same user twice is fine, the later row wins; that is also why
the app's files wait for the CRM's.

The exports may still hold users who were erased meanwhile. Those whose deletion has a receipt (``delete_users`` writes
it) are left out and counted as suppressed. A list that is missing stops the task, lest everyone come back: before the
first deletion, make the folder with a list in it that is empty, or holds the ids that were erased earlier::

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

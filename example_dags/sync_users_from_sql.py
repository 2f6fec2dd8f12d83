"""Send the shop's customers from its database to Blux every night.

The query does the shaping: its column names are Blux's fields, every other column becomes a custom property, and its
consents are true, false or NULL (never asked), never a guess. Rows are streamed, so the table may be large, and the
``ORDER BY`` lets a retry find its place again.

The users of the application are the task's outlet, an asset: ``notice_small_syncs`` runs whenever it is updated.

Needs a connection ``blux_example_shop``. To try it: ``sqlite3 /tmp/shop.sqlite3 < example_dags/data/shop.sql`` and
``export AIRFLOW_CONN_BLUX_EXAMPLE_SHOP='{"conn_type": "sqlite", "host": "/tmp/shop.sqlite3"}'``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_blux.assets import blux
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

APPLICATION = os.environ.get("BLUX_EXAMPLE_APPLICATION") or "demo-app"


@dag(
    schedule="@daily",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={"changed_since": "2026-01-01"},
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def sync_users_from_sql() -> None:
    """Send the customers that have changed."""
    BluxUpsertUsersOperator(
        task_id="send_customers",
        sql="sql/customers.sql",
        sql_conn_id="blux_example_shop",
        sql_parameters={"changed_since": "{{ params.changed_since }}"},
        api="application",
        outlets=[blux.users(APPLICATION)],
    )


sync_users_from_sql()

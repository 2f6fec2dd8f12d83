"""Send the shop's customers from its database to Blux every night.

The query translates the columns: they are named like Blux's fields, every other column becomes a custom property, and
consents are true, false or NULL (never asked), never a guess. Rows are streamed, so the table may be large, and the
``ORDER BY`` lets a retry continue where the last try stopped.

Each run reads what has changed since one hour before the end of the interval of the last successful run. So nothing is
lost by runs that fail, are cleared or never start, and a row that is committed late is read by the next run. The first
run begins at ``changed_since``.

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

# Not `data_interval_start`: under Airflow 3's "@daily" it equals `data_interval_end`, and a run would read nothing.
SINCE = (
    "{% if prev_data_interval_end_success %}"
    "{{ (prev_data_interval_end_success - macros.timedelta(hours=1)).strftime('%Y-%m-%d %H:%M:%S') }}"
    "{% else %}{{ params.changed_since }}{% endif %}"
)
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
        sql_parameters={"changed_since": SINCE},
        api="application",
        outlets=[blux.users(APPLICATION)],
    )


sync_users_from_sql()

"""Send the customers that changed in a month, one range of customer numbers per task; an Airflow backfill sends years.

Each run has a month as its data interval and sends the month that has ended. For the months before the DAG was
enabled, Airflow 3 makes the runs::

    airflow backfill create --dag-id backfill_customers --from-date 2026-01-01 --to-date 2026-09-01 --max-active-runs 1

``ranges`` cuts the table by its key, ``expand`` makes a task of each range, and the query reads only that range. The
table is cut by the user's number, so all rows of a user are in one task, and their order is kept. Old consents may have
been withdrawn since, so consents are not sent, and neither are users who were deleted.

Needs the connection ``blux_example_shop`` (``sync_users_from_sql`` explains how to make it) and a list of deleted
users, which may be empty (``sync_users_from_files`` explains how to start with one). Unpause the DAG first: the runs of
a paused DAG stay queued.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_blux.backfill import split_sql, summarize_reports
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

OUTPUT = os.environ.get("BLUX_EXAMPLE_OUTPUT") or str(Path(__file__).parents[1] / "build" / "examples")
SHOP = "blux_example_shop"


@dag(
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def backfill_customers() -> None:
    """Send the month's customers, range by range, then make one report of all."""

    @task
    def ranges() -> list[dict[str, Any]]:
        return split_sql(SHOP, table="customers", key="customer_no", parts=4)

    @task(multiple_outputs=False)
    def sum_up(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return summarize_reports(reports)

    sent = BluxUpsertUsersOperator.partial(
        task_id="send_range",
        sql="sql/customers_of_a_month.sql",
        sql_conn_id=SHOP,
        api="application",
        exclude_fields="consents",
        suppression_path=f"{OUTPUT}/receipts",
        rate_limit_share=1 / 2,
        max_active_tis_per_dag=2,
    ).expand(sql_parameters=ranges())
    sum_up(sent.output)


backfill_customers()

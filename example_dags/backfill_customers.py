"""Send the customers that changed in a month, with one task per range of customer numbers.

The data interval of a run is the month that has just ended. For the months before the DAG was enabled, a backfill of
Airflow 3 creates the runs::

    airflow backfill create --dag-id backfill_customers --from-date 2026-01-01 --to-date 2026-09-01 --max-active-runs 1

``ranges`` splits the keys of the table into ranges, ``expand`` makes a task of each range, and the query reads only
that range. The key is the customer's number, so all rows of a customer are in one task and keep their order. Consents
are not sent, because they may have been withdrawn since. Users who were deleted are not sent either.

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
    """Send the month's customers, one task per range, then combine the reports of the tasks into one."""

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

"""Delete users on request through both APIs, and keep a receipt of what each API accepted.

The requests are in a table of the shop's database, and their ids stay there: tasks pass only numbers of users and of
requests to each other. A request is marked done when the receipts show that both APIs accepted its id. An id that
cannot be sent or is refused stays open and does not stop the others; the rejects file says why.

More users than ``usual_users`` are deleted only after a person approves. Airflow 3.1 and later ask in the UI (before
3.3 this needs a triggerer). On earlier versions the run stops, and a new run with the configuration
``{"approved": true}`` is the approval.

``deadline_days`` is how long the law gives for an answer: 10 days in Korea; for the one month of the European Union, 28
days are safe. Every run ends by listing the numbers of the requests with fewer than ``warn_days`` left.

Accepted is not erased: neither API tells when a deletion is finished. docs/deletion.md says more.

The snapshot of ``sync_users_from_files`` forgets the users that the Application API deletes, so that a user who
registers again with the same data is sent. A snapshot belongs to one API, and no task keeps one of the profiles.

Needs the connection ``blux_example_shop`` (see ``sync_users_from_sql``) to SQLite or PostgreSQL, and a ``receipt_key``
in the connection to Blux. Receipts and rejects are written below ``BLUX_EXAMPLE_OUTPUT``.
"""

from __future__ import annotations

import logging
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowOptionalProviderFeatureException,
    BaseHook,
    Param,
    dag,
    task,
)

from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
except (ImportError, AirflowOptionalProviderFeatureException):  # before Airflow 3.1
    ApprovalOperator = None

OUTPUT = os.environ.get("BLUX_EXAMPLE_OUTPUT") or str(Path(__file__).parents[1] / "build" / "examples")
SHOP = "blux_example_shop"
# Requests that come in after the run has counted them wait for the next run. The number of the last counted request is
# part of the SQL text and not a parameter, because each database driver writes parameters in its own way.
OPEN = "FROM deletion_requests WHERE done_at IS NULL AND request_no <= {last} ORDER BY request_no"
LAST = "{{ ti.xcom_pull(task_ids='count_requests')['last'] }}"
log = logging.getLogger(__name__)


@dag(
    schedule="@daily",
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "usual_users": Param(1_000, description="More users than this are deleted only after a person approves."),
        "approved": Param(False, description="This run is the approval to delete more than usual_users."),
        "deadline_days": Param(10, description="Days that the law gives for an answer."),
        "warn_days": Param(3, description="Report open requests with fewer days left than this."),
    },
    default_args={"retries": 2},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def delete_users() -> None:
    """Count the users, ask a person if they are many, delete them through both APIs, mark their requests done."""
    counted = count_requests()
    deletions = [
        BluxDeleteUsersOperator(
            task_id=task_id,
            api=api,
            sql=f"SELECT user_id {OPEN.format(last=LAST)}",
            sql_conn_id=SHOP,
            max_users=20_000,  # even with an approval
            max_rejects=100,
            rejects_path=f"{OUTPUT}/rejects",
            receipts_path=f"{OUTPUT}/receipts",
            snapshot_path=snapshot,
            trigger_rule="none_failed_min_one_success",  # `approve` is skipped if it is not needed
        )
        for task_id, api, snapshot in (
            ("delete_users", "application", f"{OUTPUT}/snapshots/users"),
            ("delete_profiles", "open", None),
        )
    ]
    check = is_approval_needed(counted["users"])
    check >> deletions
    check >> approval() >> deletions
    done = mark_done([deletion.output for deletion in deletions], counted["last"])
    # As a teardown it also runs after a failed deletion, and does not make the failed run green.
    done >> report_deadlines().as_teardown()


@task
def count_requests() -> dict[str, int]:
    """Return the number of users with an open request, and the number of the last request (0 if there is none)."""
    query = "SELECT COUNT(DISTINCT user_id), COALESCE(MAX(request_no), 0) FROM deletion_requests WHERE done_at IS NULL"
    users, last = BaseHook.get_hook(SHOP).get_first(query)
    return {"users": users, "last": int(last)}


@task.branch
def is_approval_needed(users: int, params: dict[str, Any] | None = None) -> list[str]:
    """Return the ids of the next tasks: ``approve``, or the deletions.

    More than ``usual_users`` users need an approval, unless the run has the configuration ``{"approved": true}``.
    """
    limits = params or {}
    if users <= limits["usual_users"] or limits["approved"]:
        return ["delete_users", "delete_profiles"]
    return ["approve"]


def approval() -> Any:
    """Return the task ``approve``: Airflow 3.1 and later ask a person, earlier versions fail."""
    if ApprovalOperator is None:
        return stop_without_approval()
    # Wait for one day at most, so that the deadlines are reported every day. The name of the argument depends on the
    # version of the provider `standard` (before 1.12.2: `execution_timeout`).
    names = signature(HITLOperator).parameters
    waits = {"response_timeout" if "response_timeout" in names else "execution_timeout": timedelta(days=1)}
    return ApprovalOperator(
        task_id="approve",
        subject="Delete {{ ti.xcom_pull(task_ids='count_requests')['users'] }} users from Blux?",
        body="More than {{ params.usual_users }} have asked. A deletion cannot be undone; rejected, the requests stay "
        "open and the next run asks again.",
        retries=0,
        **waits,
    )


@task(task_id="approve", retries=0)
def stop_without_approval(params: dict[str, Any] | None = None) -> None:
    """Fail, because this version of Airflow cannot ask a person; the message says how to approve."""
    raise AirflowFailException(
        f"More than {(params or {})['usual_users']} users would be deleted, and nothing was. If that is meant, trigger "
        'this DAG with the configuration {"approved": true}. (From 3.1 on Airflow asks by itself.)'
    )


@task
def mark_done(reports: list[dict[str, Any]], last: int) -> dict[str, int]:
    """Mark the requests done whose ids both APIs accepted; return how many are done and how many are still open.

    :param reports: the reports of the deletions, one for each API; they name the files of receipts.
    :param last: number of the last request to look at.
    """
    shop, blux = BaseHook.get_hook(SHOP), BluxHook()
    requests = dict(_open(shop, "request_no, user_id", last))
    accepted = [str(user_id) for user_id in requests.values() if user_id is not None]
    for report in reports:
        accepted = blux.accepted_ids(accepted, report["receipts"] or [])
    proven = set(accepted)
    done = [number for number, user_id in requests.items() if user_id is not None and str(user_id) in proven]
    now, mark = datetime.now(UTC).isoformat(timespec="seconds"), shop.placeholder
    with closing(shop.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.executemany(
            f"UPDATE deletion_requests SET done_at = {mark} WHERE request_no = {mark}",  # noqa: S608 - no value in it
            [(now, number) for number in done],
        )
        connection.commit()
    if left := sorted(requests.keys() - set(done)):
        log.warning("Not accepted by both APIs, so still open: requests %s. The rejects files say why.", left)
    return {"done": len(done), "open": len(left)}


@task
def report_deadlines(params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Log and return the numbers of the open requests that are near or past their deadline."""
    limits, now = params or {}, datetime.now(UTC)
    due_by = now + timedelta(days=limits["warn_days"] - limits["deadline_days"])
    requests = _open(BaseHook.get_hook(SHOP), "request_no, requested_at", 2**62)
    near = [number for number, asked in requests if _time(asked) < due_by]
    if near:
        log.warning(
            "Open requests with fewer than %s of %s days left, or none: %s.",
            limits["warn_days"],
            limits["deadline_days"],
            near,
        )
    return {"open": len(requests), "near_deadline": near}


def _open(shop: Any, columns: str, last: int) -> list[Any]:
    rows: list[Any] = shop.get_records(f"SELECT {columns} {OPEN.format(last=int(last))}")
    return rows


def _time(value: Any) -> datetime:
    """Return a time from the database with a zone: SQLite stores times as text, and a time without a zone is UTC."""
    time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


delete_users()

"""Send rejected records (dead letters) of the CRM's nightly export again, after somebody has corrected them.

A task with a ``rejects_path`` writes the records that it could not deliver to a file, with the reasons. Copy the file,
correct the records in it, remove the lines that should not be sent, and trigger this DAG with the path of the copy. The
arguments that say how a record is read must be those of the task that rejected it; here both would use ``READING``.
Users who were deleted since are not sent (``sync_users_from_files`` explains how to start with an empty list).

Nobody watches a DAG that is triggered by hand, so its callbacks report how the task ended: in Slack if Airflow's
provider for Slack is installed (connection ``slack_api_default``), otherwise in the log.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import dag

from airflow_provider_blux.alerts import alert_text, report_of
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

DATA = os.environ.get("BLUX_EXAMPLE_DATA") or str(Path(__file__).parent / "data")
OUTPUT = os.environ.get("BLUX_EXAMPLE_OUTPUT") or str(Path(__file__).parents[1] / "build" / "examples")
READING: dict[str, Any] = {
    "field_mapping": {"회원번호": "user_id", "휴대폰": "phone_number", "마케팅동의": "marketing_notification_consent"},
    "true_values": ["Y"],
    "false_values": ["N"],
}

log = logging.getLogger(__name__)


def tell(context: Any) -> None:
    """Send the alert text of a task to Slack, or write it to the log if the provider for Slack is not installed."""
    text = alert_text(context)
    try:
        from airflow.providers.slack.notifications.slack import SlackNotifier
    except ImportError:
        log.warning("%s", text)
        return
    # `notify` and not a call of the notifier, which would render the text as a template.
    SlackNotifier(text=escape(text, quote=False), channel="#crm").notify(context)


def tell_of_rejects(context: Any) -> None:
    """Send the alert text of a successful task if it rejected records, which ``max_rejects`` allows."""
    report = report_of(context)
    if report and report["reasons"]:
        tell(context)


@dag(
    schedule=None,
    start_date=datetime(2026, 10, 1, tzinfo=UTC),
    catchup=False,
    params={"path": f"{DATA}/corrected/*.jsonl"},
    tags=["blux", "example"],
    doc_md=__doc__,
)
def replay_rejects() -> None:
    """Send the corrected records."""
    BluxUpsertUsersOperator(
        task_id="send_corrected",
        path="{{ params.path }}",
        file_format="rejects",
        api="application",
        # Not the folder that is read, because the next run would send the records that this run rejects.
        rejects_path=f"{OUTPUT}/rejects",
        suppression_path=f"{OUTPUT}/receipts",
        # The snapshot of the task that sends these users each night, so that it knows which row was sent last.
        snapshot_path=f"{OUTPUT}/snapshots/users",
        max_rejects=1,
        on_failure_callback=tell,
        on_success_callback=tell_of_rejects,
        **READING,
    )


replay_rejects()

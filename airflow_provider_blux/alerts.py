"""Texts and reports for alerts in Airflow's callbacks: counts and reasons of a delivery, never a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_blux.delivery.reasons import SHOWN, in_words
from airflow_provider_blux.delivery.report import Report, files_in_words, is_report

__all__ = ["alert_text", "report_of"]

_SHOWN = 5


def report_of(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the report of the task whose callback is called, whether the task succeeded or failed.

    A failed task pushes no XCom; its error carries the report. ``None`` if there is no report: the task failed before
    its delivery began or after it had ended, its process was killed, or it is a task of another kind.

    :param context: the argument of ``on_failure_callback``, ``on_retry_callback`` and ``on_success_callback``.
    """
    error = context.get("exception")
    if error is None:
        instance = context.get("ti")
        if instance is None:  # the callback of a whole DAG may have no task
            return None
        try:
            found = instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index)
        except ImportError:  # `airflow dags test` (3.3) calls callbacks of a whole DAG where no XCom can be read
            return None
        return found if is_report(found) else None  # `default_args` may set the callback for other tasks as well
    # A task that is not retried fails with Airflow's AirflowFailException; its context is the package's error.
    errors = (error, getattr(error, "__context__", None))
    return next((report for one in errors if is_report(report := getattr(one, "report", None))), None)


def alert_text(context: Mapping[str, Any]) -> str:
    """Return a few lines for a person: the task, the error, the counts, the most frequent reasons, the rejects files.

    Of an error that is neither Airflow's nor of this package only the type is named, since its message may quote a
    record. Examples are a ``ValueError`` of a function with ``@task.blux_upsert_users``, or an error of a database's
    driver.

    The text may contain column names and an API's error message, so it must not be rendered as a template.

    :param context: see :func:`report_of`.
    """
    return "\n".join(_lines(context))


def _lines(context: Mapping[str, Any]) -> Iterator[str]:
    instance, error, report = context.get("ti"), context.get("exception"), report_of(context)
    if instance is None:
        yield f"{context['dag'].dag_id}, run {context['run_id']}"
    else:
        number = "" if instance.map_index in (None, -1) else f"[{instance.map_index}]"
        yield f"{instance.dag_id}.{instance.task_id}{number}, run {instance.run_id}, try {instance.try_number}"
    if error is not None:
        yield _said(error)
    elif reason := context.get("reason"):  # only in the callback of a whole DAG
        yield reason
    if report is None:
        return
    yield Report(**report).in_words()
    reasons = report["reasons"] or []
    yield from (f"- {line}" for line in in_words(reasons[:_SHOWN]))
    if (others := len(reasons) - _SHOWN) > 0:
        # The last entry of a full list may stand for many reasons.
        at_least = "at least " if len(reasons) == SHOWN else ""
        yield f"- and {at_least}{others} other reason{'s' if others > 1 else ''}"
    if report["rejects"]:
        yield f"Rejects: {files_in_words(report['rejects'])}"


def _said(error: Any) -> str:
    """Return the first line of an error's message; of other code's errors, only the type.

    :param error: an exception, or text if Airflow has only that.
    """
    is_known = isinstance(error, str) or type(error).__module__.startswith(("airflow.", "airflow_provider_blux."))
    return (str(error).partition("\n")[0] if is_known else "") or type(error).__name__

"""The report and the text that a callback gets for a task that has ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, task

from airflow_provider_blux.alerts import alert_text, report_of
from airflow_provider_blux.backfill import summarize_reports
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxUnavailable
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

BAD = [{"user_id": None}, {"user_id": "a", "phone_number": 1012345678}, {"user_id": "b", "phone_number": 1012345678}]


@dataclass
class TaskInstance:
    """The task instance that a callback gets as ``ti``."""

    result: Any = None
    dag_id: str = "crm"
    task_id: str = "send"
    run_id: str = "manual"
    try_number: int = 2
    map_index: int = -1

    def xcom_pull(self, *, task_ids: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.result


def failed(users: list[Any], kind: type[Exception], **arguments: Any) -> dict[str, Any]:
    """Return the context of a task that failed."""
    with pytest.raises(kind) as caught:
        BluxUpsertUsersOperator(task_id="send", users=users, **arguments).execute({})
    return {"ti": TaskInstance(), "exception": caught.value}


def test_a_task_with_too_many_rejects_tells_counts_and_the_most_frequent_reasons(blux_emulator: Emulator) -> None:
    context = failed([*BAD, {"user_id": "c"}], AirflowFailException)

    task, error, counts, *reasons = alert_text(context).splitlines()
    assert task == "crm.send, run manual, try 2"
    assert "allowed are 0 (max_rejects)" in error
    assert counts == "4 read = 1 delivered + 3 rejected"
    assert reasons == [
        "- phone_number: is a number and has already lost its leading zero; read the column as text ... 2 times",
        "- user_id: is missing (null); every record needs one ... 1 time",
    ]
    report = report_of(context)
    assert json.loads(json.dumps(report)) == report


def test_what_a_retry_may_help_carries_the_report_too(blux_emulator: Emulator) -> None:
    blux_emulator.fault(kind="status", status=503, headers={"Retry-After": "86400"})
    context = failed([{"user_id": "a"}], BluxUnavailable)

    assert "503" in alert_text(context)
    report = report_of(context)
    assert report is not None
    assert report["requests"] == 1


class TaskTimeout(BaseException):
    """Like Airflow's error of ``execution_timeout``."""


@pytest.mark.parametrize("error", [TaskTimeout("Timeout"), ValueError("kim@example.com"), OSError("kim@example.com")])
def test_an_error_of_other_code_carries_the_report_and_no_message(
    blux_emulator: Emulator, error: BaseException
) -> None:
    def users() -> Iterator[dict[str, Any]]:
        yield from ({"user_id": str(number)} for number in range(150))
        tick = threading.Event()
        while not dict(blux_emulator.users()):
            tick.wait(0.01)
        raise error

    with pytest.raises(type(error)) as caught:
        BluxHook().upsert_users(users())

    text = alert_text({"ti": TaskInstance(), "exception": caught.value})
    assert text.splitlines()[1:] == [type(error).__name__, "100 read = 100 delivered"]


def test_a_green_task_tells_its_report_and_what_was_tolerated(blux_emulator: Emulator, tmp_path: Any) -> None:
    operator = BluxUpsertUsersOperator(task_id="send", users=BAD, max_rejects=3, rejects_path=str(tmp_path))
    instance = TaskInstance(operator.execute({}), map_index=4)

    text = alert_text({"ti": instance})

    assert text.startswith("crm.send[4], run manual, try 2\n3 read = 3 rejected\n- phone_number: ")
    assert f"Rejects: file://{tmp_path}/" in text


def test_the_parts_of_a_file_in_object_storage_are_one_glob() -> None:
    tries = [f"s3://crm/rejects/crm__try{number}.part{part:08}.jsonl" for number in (1, 2) for part in range(1, 2001)]
    report = Report(read=1, rejected=1, rejects=[*tries, "s3://crm/rejects/crm__try3.part00000001.jsonl"]).as_dict()

    assert alert_text({"ti": TaskInstance(report)}).splitlines()[-1] == (
        "Rejects: s3://crm/rejects/crm__try1.part*.jsonl, s3://crm/rejects/crm__try2.part*.jsonl, "
        "s3://crm/rejects/crm__try3.part00000001.jsonl"
    )


def test_of_many_reasons_five_are_named(blux_emulator: Emulator) -> None:
    context = failed([{"user_id": "a", f"column_{number}": float("nan")} for number in range(8)], AirflowFailException)

    assert alert_text(context).count("\n- column_") == 5
    assert "\n- and 3 other reasons" in alert_text(context)


@pytest.mark.parametrize(("number", "said"), [(6, "1 other reason"), (19, "14 other reasons")], ids=str)
def test_the_other_reasons_are_counted(number: int, said: str) -> None:
    reasons = [{"field": f"column_{index}", "reason": "is wrong", "number": 1} for index in range(number)]
    report = Report(read=number, rejected=number, reasons=reasons).as_dict()

    assert alert_text({"ti": TaskInstance(report)}).splitlines()[-1] == f"- and {said}"


def test_an_entry_that_stands_for_many_reasons_is_not_counted_as_one(blux_emulator: Emulator) -> None:
    context = failed([{"user_id": "a", f"column_{number}": float("nan")} for number in range(40)], AirflowFailException)

    assert alert_text(context).splitlines()[-1] == "- and at least 15 other reasons"


@pytest.mark.parametrize("result", [{}, {"rows": 5}, summarize_reports([]), ["text"], None], ids=str)
def test_a_callback_of_all_tasks_of_a_dag_may_meet_a_task_of_another_kind(result: Any) -> None:
    context = {"ti": TaskInstance(result)}

    assert report_of(context) is None
    assert alert_text(context) == "crm.send, run manual, try 2"


def test_the_callback_of_a_whole_dag_may_have_no_task() -> None:
    context = {"dag": SimpleNamespace(dag_id="crm"), "run_id": "manual", "reason": "timed_out"}

    assert report_of(context) is None
    assert alert_text(context) == "crm, run manual\ntimed_out"


def test_the_callback_of_a_whole_dag_tells_why_it_is_called_where_no_xcom_can_be_read() -> None:
    class Instance(TaskInstance):
        def xcom_pull(self, *, task_ids: str, map_indexes: int) -> Any:
            raise ImportError("cannot import name 'SUPERVISOR_COMMS'")  # `dags test` of Airflow 3.3

    assert alert_text({"ti": Instance(), "reason": "task_failure"}).splitlines()[1:] == ["task_failure"]


def test_the_callback_of_a_whole_dag_tells_why_it_is_called() -> None:
    assert alert_text({"ti": TaskInstance(), "reason": "task_failure"}).splitlines()[1:] == ["task_failure"]


def test_a_task_that_is_not_mapped_may_have_no_map_index(blux_emulator: Emulator) -> None:
    operator = BluxUpsertUsersOperator(task_id="send", users=[{"user_id": "a"}])
    instance = TaskInstance(operator.execute({}), map_index=None)  # type: ignore[arg-type]

    assert alert_text({"ti": instance}) == "crm.send, run manual, try 2\n1 read = 1 delivered"


@pytest.mark.parametrize("error", [AirflowFailException("wrong"), BluxConfigError("wrong"), "killed", KeyError()])
def test_a_task_without_a_delivery_has_no_report_and_says_why(error: Any) -> None:
    context = {"ti": TaskInstance(), "exception": error}

    assert report_of(context) is None
    assert alert_text(context).splitlines()[1] in {"wrong", "killed", "KeyError"}


def test_no_value_of_a_record_is_in_an_alert(blux_emulator: Emulator) -> None:
    assert "1012345678" not in alert_text(failed(BAD, AirflowFailException))


def test_the_error_of_a_function_is_named_without_its_message_which_may_quote_a_record(
    blux_emulator: Emulator,
) -> None:
    def users() -> Any:
        yield {"user_id": int("canary@example.com")}

    with pytest.raises(ValueError, match="canary") as caught:
        task.blux_upsert_users(users)().operator.execute({})

    text = alert_text({"ti": TaskInstance(), "exception": caught.value})
    assert text.splitlines()[1:] == ["ValueError", "0 read = 0 delivered"]

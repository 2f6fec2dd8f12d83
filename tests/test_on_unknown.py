"""``on_unknown="keep"``, and its former name, which is accepted until 1.0."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowProviderDeprecationWarning

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxSendEventsOperator
from tests.decorators.functions import operator

EVENT: dict[str, Any] = {"name": "purchase", "user_id": "1", "timestamp": "2026-01-31T09:00:00+09:00"}
OLD: Any = "reject"
is_called_keep_now = "on_unknown='reject' is now called 'keep'; from 1.0 on the old word is refused"


def test_the_old_word_of_an_operator_is_taken_with_a_warning_about_the_dag() -> None:
    with pytest.warns(AirflowProviderDeprecationWarning, match=is_called_keep_now) as warned:
        made = BluxSendEventsOperator(task_id="send", events=[], on_unknown=OLD)

    assert made.on_unknown == "keep"
    assert [warning.filename for warning in warned] == [__file__]


def test_the_old_word_of_a_decorator_is_taken_with_a_warning() -> None:
    with pytest.warns(AirflowProviderDeprecationWarning, match=is_called_keep_now):
        made = operator("blux_send_events", list, arguments={"on_unknown": OLD, "task_id": "send"})

    assert made.on_unknown == "keep"


def test_the_old_word_of_the_hook_is_taken_with_a_warning_and_means_the_same(
    blux_emulator: Emulator, tmp_path: Path
) -> None:
    blux_emulator.fault(kind="reset", processed=True, times=1)
    with pytest.warns(AirflowProviderDeprecationWarning, match=is_called_keep_now) as warned:
        report = BluxHook().send_events([EVENT], on_unknown=OLD, max_rejects=1, rejects_path=str(tmp_path))

    assert (report.unknown, len(blux_emulator.events("1"))) == (1, 1)
    assert [warning.filename for warning in warned] == [__file__]


def test_another_word_is_refused() -> None:
    for word in ("drop", "", None):
        with pytest.raises(BluxConfigError, match="on_unknown must be 'resend' or 'keep'"):
            BluxSendEventsOperator(task_id="send", events=[], on_unknown=word)  # type: ignore[arg-type]


def test_a_folder_for_the_checkpoint_is_enough_without_a_task_state(
    blux_emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    instance = SimpleNamespace(dag_id="crm", run_id="1", task_id="send", map_index=-1, try_number=1)
    task = BluxSendEventsOperator(
        task_id="send", events=[EVENT], on_unknown="keep", checkpoint_path=str(tmp_path / "progress")
    )

    assert task.execute({"ti": instance})["delivered"] == 1  # type: ignore[typeddict-item]
    assert "No progress is kept" not in caplog.text

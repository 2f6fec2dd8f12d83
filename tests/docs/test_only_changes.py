"""docs/only-changes.md is correct."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from airflow_provider_blux import snapshot
from airflow_provider_blux.delivery.accepted_rows import SIZE
from airflow_provider_blux.delivery.row_digests import USER_BYTES
from airflow_provider_blux.delivery.snapshot_state import _MANY, _WORTH
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators import blux as operators
from tests.docs.readme import Readme

PAGE = Readme("docs/only-changes.md")
TEMPLATE = "{{ dag_run.start_date.weekday() == 6 }}"


def test_the_snippets_make_the_tasks_that_they_show() -> None:
    names = []
    for block in PAGE.code("python"):
        shown: dict[str, Any] = {}
        code = block.code.replace(f'"{TEMPLATE}"', "True")  # rendered
        exec(f"task = {code}", vars(operators).copy(), shown)  # noqa: S102 - the docs' own text
        names.append((type(shown["task"]).__name__, shown["task"].snapshot_path))

    assert {kind for kind, _ in names} == {"BluxUpsertUsersOperator", "BluxDeleteUsersOperator"}
    assert len({path for _, path in names}) == 1


@pytest.mark.parametrize(("day", "expected"), [(29, "True"), (30, "False")])
def test_the_template_is_true_on_sundays(day: int, expected: str) -> None:
    run = SimpleNamespace(start_date=datetime(2026, 11, day, tzinfo=UTC))

    assert any(TEMPLATE in block.code for block in PAGE.code("python"))
    assert jinja2.Template(TEMPLATE).render(dag_run=run) == expected


def test_the_command_is_one_that_there_is(blux_emulator: Emulator, tmp_path: Any, capsys: Any) -> None:
    [command] = [block.code.split() for block in PAGE.code("bash")]
    BluxHook().upsert_users([{"user_id": "a"}], snapshot_path=str(tmp_path))

    assert command[:3] == ["python", "-m", snapshot.__name__]
    assert snapshot.main([str(tmp_path) if word == "PATH" else word for word in command[3:]]) == 0
    assert "1 users of" in capsys.readouterr().out


def test_the_sizes_are_those_of_the_code() -> None:
    assert f"{SIZE} bytes a user, and {USER_BYTES} more" in PAGE.prose.replace("\n", " ")
    assert f"more than {_MANY}," in PAGE.prose
    assert _WORTH == 4  # a quarter


@pytest.mark.parametrize(
    "argument",
    [
        {"json_columns": ["x"]},
        {"lowercase_columns": True},
        {"check_ids": False},
        {"timestamp_unit": "s"},
        {"phone_region": "KR"},
        {"send_nulls": True},
    ],
    ids=str,
)
def test_another_way_to_read_rows_sends_all_users_once(blux_emulator: Emulator, tmp_path: Any, argument: Any) -> None:
    options = [{}, argument, argument]

    reports = [BluxHook().upsert_users([{"user_id": "a"}], snapshot_path=str(tmp_path), **one) for one in options]
    assert [report.delivered for report in reports] == [1, 1, 0]


A, B = '{"user_id": "u", "x": 1}', '{"user_id": "u", "x": 1, "y": null}'


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (A, '{"user_id": "u", "x": "1"}'),
        (A, '{"user_id": "u", "x": true}'),
        (A, '{"user_id": "u", "x": 1.0}'),
        (A, B),
        (A, '{"x": 1, "user_id": "u"}'),
    ],
)
def test_what_the_table_calls_different_is_sent_again(
    blux_emulator: Emulator, tmp_path: Any, first: str, second: str
) -> None:
    folder = str(tmp_path)

    assert [BluxHook().upsert_users([json.loads(row)], snapshot_path=folder).delivered for row in (first, second)] == [
        1,
        1,
    ]


def test_the_refresh_of_the_first_of_two_tasks_forgets_the_users_of_the_other(
    blux_emulator: Emulator, tmp_path: Any
) -> None:
    crm, app, folder = [{"user_id": "crm"}], [{"user_id": "app"}], str(tmp_path)
    hook, refreshes = BluxHook(), (False, True, False)
    counts = [
        (
            hook.upsert_users(crm, snapshot_path=folder, full_refresh=refresh).delivered,
            hook.upsert_users(app, snapshot_path=folder).delivered,
        )
        for refresh in refreshes
    ]

    assert counts == [(1, 1), (1, 1), (0, 0)]

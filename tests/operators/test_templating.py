"""Templates in an operator's arguments: template files, data, and the conversion of rendered text."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.operators.blux import (
    BluxDeleteUsersOperator,
    BluxSendEventsOperator,
    BluxUpdateDevicesOperator,
    BluxUpsertUsersOperator,
)
from tests.operators.pipeline import Upstream, dag, rendered

native = pytest.mark.parametrize("native", [False, True], ids=["text templates", "native templates"])


@native
@pytest.mark.parametrize("exists", [True, False])
def test_only_sql_names_a_template_file(tmp_path: Path, native: bool, exists: bool) -> None:
    if exists:
        (tmp_path / "kim.sql").write_text("SELECT 1", "utf-8")
    with dag(template_searchpath=str(tmp_path), render_template_as_native_obj=native):
        ids = BluxDeleteUsersOperator(task_id="ids", user_ids=["kim.sql", "{{ ds }}.sql"])
        records = BluxUpsertUsersOperator(task_id="records", users=[{"user_id": "a", "last_file": "kim.sql"}])
        paths = BluxUpsertUsersOperator(task_id="paths", path=["kim.sql"], suppression_path="kim.sql")
        query = BluxUpsertUsersOperator(task_id="query", sql="select 1", sql_conn_id="db", sql_parameters=["kim.sql"])
    for operator in (ids, records, paths, query):
        operator.resolve_template_files()
        rendered(operator, ds="2026-01-31")

    assert ids.user_ids.value == ["kim.sql", "2026-01-31.sql"]
    assert records.users.value == [{"user_id": "a", "last_file": "kim.sql"}]
    assert (paths.path, paths.suppression_path) == (["kim.sql"], "kim.sql")
    assert query.sql_parameters == ["kim.sql"]


def test_a_missing_template_file_names_its_task(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    # The log of a task holds this of every task in the file of its DAG.
    with dag():
        query = BluxUpsertUsersOperator(task_id="send_gold", sql="users.sql", sql_conn_id="db")

    query.resolve_template_files()

    logged = caplog.text + capsys.readouterr().out
    assert "Task send_gold: the file that sql names cannot be read." in logged


def test_the_queries_that_a_mapped_operator_is_expanded_over_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "users.sql").write_text("SELECT '{{ ds }}' AS user_id", "utf-8")
    with dag(template_searchpath=str(tmp_path)) as one:
        BluxUpsertUsersOperator.partial(task_id="push", sql_conn_id="db", sql_parameters=["users.sql"]).expand(
            sql=["users.sql"]
        )

    instance = rendered(cast("Any", one.get_task("push")).unmap({"sql": "users.sql"}), ds="2026-01-31")

    assert instance.sql == "SELECT '2026-01-31' AS user_id"
    assert instance.sql_parameters == ["users.sql"]


def test_a_file_needs_a_dag() -> None:
    operator = BluxUpsertUsersOperator(task_id="push", sql="users.sql", sql_conn_id="db")

    with pytest.raises(
        BluxConfigError, match=r"^sql names a file in the folder of the DAG, but the operator belongs to no DAG"
    ):
        rendered(operator)


@native
def test_text_without_a_template_is_not_changed_by_rendering(native: bool) -> None:
    ids = ["1_000", "00123", "1e5", "None", "('a',)", "2026"]
    with dag(render_template_as_native_obj=native):
        operator = rendered(BluxDeleteUsersOperator(task_id="push", user_ids=ids, receipts_path="2026"))

    assert (operator.user_ids.value, operator.receipts_path) == (ids, "2026")


@native
@pytest.mark.parametrize("user_id", ["2026_01", "12#3", "0x1F", "+82", "(7)", "1001", "00123"])
def test_an_id_in_a_template_is_not_read_as_another_number(blux_emulator: Emulator, native: bool, user_id: str) -> None:
    with dag(render_template_as_native_obj=native):
        operator = BluxDeleteUsersOperator(task_id="push", user_ids=["{{ params.user_id }}"])
    rendered(operator, params={"user_id": user_id}).execute({})

    assert set(blux_emulator.deleted_users()) == {user_id}


@native
@pytest.mark.parametrize("template", ["{{ params.ids }}", "[{{ params.ids }}]"])
@pytest.mark.parametrize("ids", ["2026_01, 2026_02", "7, 0x1F", "{'user_id': 0b11},"])
def test_ids_in_the_text_of_a_list_are_not_read_as_other_numbers(
    blux_emulator: Emulator, native: bool, template: str, ids: str
) -> None:
    with dag(render_template_as_native_obj=native):
        operator = BluxDeleteUsersOperator(task_id="push", user_ids=template)

    with pytest.raises(AirflowFailException, match="user_ids is text, but not a JSON list"):
        rendered(operator, params={"ids": ids}).execute({})
    assert set(blux_emulator.deleted_users()) == set()


@pytest.mark.parametrize("ids", ["7, -8", "'7', '2026_01'", [7, "2026_01"], ("7", "0x1F")])
def test_native_templates_give_lists_as_in_any_dag(ids: Any) -> None:
    with dag(render_template_as_native_obj=True):
        operator = BluxDeleteUsersOperator(task_id="push", user_ids="{{ params.ids }}")

    expected = ast.literal_eval(ids) if isinstance(ids, str) else ids
    assert rendered(operator, params={"ids": ids}).user_ids.value == expected


@native
def test_a_template_finds_the_macros_of_the_dag_and_the_functions_of_jinja(native: bool) -> None:
    with dag(render_template_as_native_obj=native, user_defined_macros={"shop": lambda city: f"shop-{city}"}):
        operator = BluxUpsertUsersOperator(
            task_id="push", path=["{{ shop('seoul') }}.csv", "{% for day in range(2) %}{{ shop(day) }} {% endfor %}"]
        )

    assert rendered(operator).path == ["shop-seoul.csv", "shop-0 shop-1 "]


@native
def test_a_template_is_rendered_once(native: bool) -> None:
    pulled: list[str] = []
    with dag(render_template_as_native_obj=native):
        operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "{{ pull('id') }}"}])

    rendered(operator, pull=lambda key: pulled.append(key) or "2026_01")
    assert operator.users.value == [{"user_id": "2026_01"}]
    assert pulled == ["id"]


@pytest.mark.parametrize(("value", "kept"), [(5, 5), (1.5, 1.5), (True, True), ("5", 5), ("1.50", 1.5), ("a", "a")])
def test_native_templates_give_values_as_in_any_dag(value: Any, kept: Any) -> None:
    with dag(render_template_as_native_obj=True):
        operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a", "value": "{{ params.value }}"}])

    (user,) = rendered(operator, params={"value": value}).users.value
    assert (user["value"], type(user["value"])) == (kept, type(kept))


@native
@pytest.mark.parametrize("on_missing", ["succeed", "skip", "fail"])
@pytest.mark.parametrize("as_path", [Path, ObjectStoragePath, lambda path: [Path(path)]])
def test_a_template_in_a_path_object_is_rendered(
    blux_emulator: Emulator, tmp_path: Path, native: bool, on_missing: Any, as_path: Any
) -> None:
    (tmp_path / "2026-01-31").mkdir()
    (tmp_path / "2026-01-31" / "users.csv").write_text("user_id\n1\n", "utf-8")
    with dag(render_template_as_native_obj=native):
        operator = BluxUpsertUsersOperator(
            task_id="push",
            path=as_path(tmp_path / "{{ ds }}" / "users.csv"),
            checkpoint_path=Path(tmp_path / "{{ ds }}" / "checkpoints"),  # type: ignore[arg-type]
            on_missing=on_missing,
        )

    assert rendered(operator, ds="2026-01-31").execute({})["delivered"] == 1
    assert (tmp_path / "2026-01-31" / "checkpoints").is_dir()


@pytest.mark.parametrize("where", ["sql", "parameters", "neither"])
@pytest.mark.parametrize("end", ["2026-01-31", "2026-02-01"])
def test_a_query_of_an_empty_interval_is_warned_of(capsys: pytest.CaptureFixture[str], where: str, end: str) -> None:
    start = "{{ data_interval_start }}"
    with dag():
        operator = BluxUpsertUsersOperator(
            task_id="push",
            sql=f"SELECT '{start}'" if where == "sql" else "SELECT 1",
            sql_conn_id="db",
            sql_parameters={"since": start} if where == "parameters" else None,
            rejects_path=f"/rejects/{start}",
        )
    rendered(operator, data_interval_start="2026-01-31", data_interval_end=end)

    warned = "which equals data_interval_end" in "".join(capsys.readouterr())
    assert warned == (where != "neither" and end == "2026-01-31")


DECIDED = {"validate_only": "{{ params.dry }}", "resume": "{{ params.resume }}", "max_rejects": "{{ params.rejects }}"}


@native
@pytest.mark.parametrize(("rejects", "delivered"), [(1, True), ("1", True), (0.5, True), ("0.5", True), (0, False)])
@pytest.mark.parametrize("dry", [True, False, "true", "False"])
def test_a_run_decides_by_its_configuration(
    blux_emulator: Emulator, tmp_path: Path, native: bool, rejects: Any, delivered: bool, dry: Any
) -> None:
    with dag(render_template_as_native_obj=native):
        operator = BluxUpsertUsersOperator(
            task_id="push",
            users=[{"user_id": "a", "age": 5}, {"user_id": ""}],
            rejects_path=str(tmp_path),
            exclude_fields="{{ params.fields }}",
            **cast("Any", DECIDED),
        )
    params = {"dry": dry, "resume": False, "rejects": rejects, "fields": ["age"]}
    rendered(operator, params=params)

    if not delivered:
        with pytest.raises(AirflowFailException, match=r"allowed are 0 \(max_rejects\)"):
            operator.execute({})
    else:
        report = operator.execute({})
        assert (report["rejected"], report["validate_only"]) == (1, dry in (True, "true"))
    expected = {} if dry in (True, "true") else {"a": {}}
    assert {name: user["custom_user_properties"] for name, user in blux_emulator.users()} == expected


@native
@pytest.mark.parametrize(
    ("most", "message"),
    [
        (1, r"More than 1"),
        ("1", r"More than 1"),
        (None, None),
        ("None", None),
        (3, None),
        ("", "max_users has been rendered to empty text; it must be a whole number, or None"),
        ("many", "max_users has been rendered to text of 4 characters; it must be a whole number, or None"),
        ("0", "max_users must be a whole number of at least 1"),
        ("1.5", "max_users must be a whole number of at least 1"),
    ],
)
def test_a_run_decides_how_many_users_may_be_deleted(
    blux_emulator: Emulator, native: bool, most: Any, message: str | None
) -> None:
    with dag(render_template_as_native_obj=native):
        operator = BluxDeleteUsersOperator(
            task_id="push", user_ids=["a", "b"], max_users=cast("Any", "{{ params.most }}")
        )
    rendered(operator, params={"most": most})

    if message is None:
        assert operator.execute({})["delivered"] == 2
    else:
        with pytest.raises(AirflowFailException, match=message):
            operator.execute({})


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("None", set()),
        ("[]", set()),
        ("age", {"age"}),
        ('["age", "city"]', {"age", "city"}),
        ("['age', 'city']", {"age", "city"}),
    ],
)
def test_names_are_read_as_one_name_or_a_list(blux_emulator: Emulator, text: str, excluded: set[str]) -> None:
    user = {"age": 5, "city": "Seoul"}
    with dag():
        operator = BluxUpsertUsersOperator(
            task_id="push", users=[{"user_id": "a", **user}], exclude_fields="{{ params.fields }}"
        )
    rendered(operator, params={"fields": text}).execute({})

    assert blux_emulator.user("a")["custom_user_properties"].keys() == user.keys() - excluded


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("validate_only", "yes", "validate_only has been rendered to text of 3 characters; it must be True or False"),
        ("validate_only", "", "validate_only has been rendered to empty text; it must be True or False"),
        ("resume", "None", "resume must be True or False"),
        ("max_rejects", "some", "max_rejects has been rendered to text of 4 characters; it must be a number"),
        ("max_rejects", "-1", "max_rejects must be a whole number"),
        ("max_rejects", "5", "rejects_path must name a folder"),
    ],
)
def test_text_that_stands_for_nothing_is_named_by_its_form(
    blux_emulator: Emulator, name: str, text: str, message: str
) -> None:
    with dag():
        operator = BluxUpsertUsersOperator(task_id="push", users=[], **cast("Any", {name: "{{ params.x }}"}))

    with pytest.raises(AirflowFailException, match=message):
        rendered(operator, params={"x": text}).execute({})


def test_no_shared_rate_is_a_choice_of_a_run(blux_emulator: Emulator) -> None:
    with dag():
        operator = BluxUpsertUsersOperator(
            task_id="push", users=[{"user_id": "a"}], rate_limit_conn_id="{{ params.redis }}"
        )

    assert rendered(operator, params={"redis": None}).execute({})["delivered"] == 1


def test_what_an_upstream_task_returned_decides(blux_emulator: Emulator) -> None:
    with dag():
        count = Upstream(task_id="count").output
        operator = BluxDeleteUsersOperator(task_id="push", user_ids=["a", "b"], max_users=cast("Any", count))

    assert operator.upstream_task_ids == {"count"}
    with pytest.raises(AirflowFailException, match="More than 1"):
        rendered(operator, upstream=1).execute({})


@pytest.mark.parametrize(
    ("operator_class", "records", "safeguard"),
    [
        (BluxDeleteUsersOperator, {"user_ids": ["a"]}, "max_users"),
        (BluxUpsertUsersOperator, {"users": [{"user_id": "a", "secret": 1}]}, "exclude_fields"),
    ],
)
def test_an_upstream_task_that_returned_nothing_switches_no_safeguard_off(
    blux_emulator: Emulator, operator_class: Any, records: dict[str, Any], safeguard: str
) -> None:
    with dag():
        decided = Upstream(task_id="decide").output
        operator = operator_class(task_id="push", **records, **{safeguard: decided})

    with pytest.raises(AirflowFailException, match=rf"^{safeguard} is given, but its .* upstream task returned None\."):
        rendered(operator, upstream=None).execute({})
    assert blux_emulator.requests() == []


@pytest.mark.parametrize(
    "arguments",
    [{"validate_only": "true"}, {"resume": "no"}, {"max_rejects": "3"}, {"exclude_fields": [5]}],
)
def test_a_literal_is_checked_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    with pytest.raises(BluxConfigError, match=next(iter(arguments))):
        BluxUpsertUsersOperator(task_id="push", users=[], **arguments)


@pytest.mark.parametrize(
    ("kind", "argument", "records"),
    [
        (BluxUpsertUsersOperator, "suppression_path", {"users": [{"user_id": "a"}]}),
        (BluxSendEventsOperator, "suppression_path", {"events": [{"name": "seen", "user_id": "a"}]}),
        (BluxUpdateDevicesOperator, "suppression_path", {"devices": [{"device_id": "a"}]}),
        (BluxDeleteUsersOperator, "receipts_path", {"user_ids": ["a"]}),
        (BluxUpsertUsersOperator, "snapshot_path", {"users": [{"user_id": "a"}]}),
        (BluxDeleteUsersOperator, "snapshot_path", {"user_ids": ["a"]}),
        (BluxUpsertUsersOperator, "rejects_path", {"users": [{"user_id": "a"}]}),
        (BluxSendEventsOperator, "checkpoint_path", {"events": [{"name": "seen", "user_id": "a"}]}),
    ],
)
def test_what_keeps_users_away_or_proves_a_deletion_is_never_silently_left_out(
    blux_emulator: Emulator, kind: Any, argument: str, records: dict[str, Any]
) -> None:
    with dag(render_template_as_native_obj=True):
        upstream = Upstream(task_id="upstream")
        operators = [
            kind(task_id="template", **records, **{argument: "{{ none }}"}),
            kind(task_id="output", **records, **{argument: upstream.output}),
        ]
    for operator in operators:
        with pytest.raises(
            AirflowFailException,
            match=f"^{argument} is given, but its template, parameter or upstream task returned None",
        ):
            rendered(operator).execute({})

    assert not blux_emulator.requests()


@pytest.mark.parametrize("text", ["phone_number,email_address", "consents, grade", "grade;phone_number", "ssn,grade"])
@pytest.mark.parametrize("lowercase_columns", [False, True])
def test_several_excluded_names_in_one_text_are_not_one_name(text: str, lowercase_columns: bool) -> None:
    with pytest.raises(BluxConfigError, match="write several as a list"):
        BluxUpsertUsersOperator(task_id="push", users=[], exclude_fields=text, lowercase_columns=lowercase_columns)


@native
@pytest.mark.parametrize("on_missing", ["succeed", "skip", "fail"])
def test_a_template_without_a_value_is_no_missing_file(blux_emulator: Emulator, native: bool, on_missing: Any) -> None:
    with dag(render_template_as_native_obj=native):
        operator = BluxUpsertUsersOperator(
            task_id="push", path="{{ params.day }}", file_format="jsonl", on_missing=on_missing
        )

    with pytest.raises(AirflowFailException, match=r"^path .*; name "):
        rendered(operator, params={"day": None}).execute({})


@pytest.mark.parametrize("on_missing", ["succeed", "skip", "fail"])
@pytest.mark.parametrize("template", ["{{ params.files }}", "{{ params.files | tojson }}"])
@pytest.mark.parametrize("files", [["/exports/users.csv"], ["/1.csv", "/2.csv"], [], (), ("/users.csv",)])
def test_a_list_that_a_template_made_text_is_no_missing_file(
    blux_emulator: Emulator, template: str, files: Any, on_missing: Any
) -> None:
    with dag():
        operator = BluxUpsertUsersOperator(task_id="push", path=template, on_missing=on_missing)

    way_out = r"\(path=task\.output\), set render_template_as_native_obj=True in the DAG, or name a file\."
    with pytest.raises(AirflowFailException, match=rf"^path .* the text of a list\. Pass .* {way_out}"):
        rendered(operator, params={"files": files}).execute({})


def test_a_list_of_paths_may_come_from_a_native_template(blux_emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id\n1\n", "utf-8")
    with dag(render_template_as_native_obj=True):
        operator = BluxUpsertUsersOperator(task_id="push", path="{{ params.files }}")

    assert rendered(operator, params={"files": [str(tmp_path / "users.csv")]}).execute({})["delivered"] == 1


@pytest.mark.parametrize("text", ["", "None", []])
def test_a_suppression_list_without_a_name_is_named(blux_emulator: Emulator, text: Any) -> None:
    operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a"}], suppression_path=text)

    with pytest.raises(AirflowFailException, match=r"^suppression_path .*; name "):
        operator.execute({})
    assert not blux_emulator.requests()


@pytest.mark.parametrize("argument", ["receipts_path", "rejects_path", "checkpoint_path", "snapshot_path"])
def test_a_folder_that_is_rendered_to_a_number_is_named(blux_emulator: Emulator, argument: str) -> None:
    with dag(render_template_as_native_obj=True):
        operator = BluxDeleteUsersOperator(task_id="push", user_ids=["a"], **cast("Any", {argument: "{{ ds_nodash }}"}))

    with pytest.raises(AirflowFailException, match=f"^{argument} is of type int; it must be the path of a folder"):
        rendered(operator, ds_nodash="20260131").execute({})
    assert not blux_emulator.requests()

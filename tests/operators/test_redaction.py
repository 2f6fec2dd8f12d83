"""Records in a template field: the upstream task is a dependency, and records are neither shown nor rendered."""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from jinja2 import UndefinedError

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.operators.base import BluxOperator
from airflow_provider_blux.operators.blux import BluxDeleteUsersOperator, BluxUpsertUsersOperator
from airflow_provider_blux.operators.redaction import Hidden
from tests.operators.pipeline import Upstream, dag, rendered, serialized, shown
from tests.operators.test_arguments import any_operator, made

PERSONAL = "john.doe@example.com"
USERS = [{"user_id": "a", "email_address": PERSONAL}, {"user_id": "b"}]


def upsert(**arguments: Any) -> BluxUpsertUsersOperator:
    return BluxUpsertUsersOperator(task_id="push", **arguments)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (USERS, "<list of 2>"),
        ([], "<list of 0>"),
        (list(range(12_345)), "<list of 12,345>"),
        (tuple(USERS), "<tuple of 2>"),
        (f'[{{"user_id": "{PERSONAL}"}}]', "<str of 37>"),
        ({"user_id": PERSONAL}, "<dict of 1>"),
        (iter(USERS), "<list_iterator>"),
        (5, "<int>"),
    ],
)
def test_a_hidden_value_shows_its_type_and_its_length(value: Any, text: str) -> None:
    hidden = Hidden(value, is_template=False)

    assert (repr(hidden), str(hidden), f"{hidden}") == (text, text, text)


@any_operator
def test_an_upstream_task_becomes_a_dependency(kind: type[BluxOperator]) -> None:
    with dag():
        rows = Upstream(task_id="rows")
        direct = kind(task_id="direct", **{kind.records_field: rows.output})
        key = kind(task_id="key", **{kind.records_field: rows.output["ids"]})
        inside = kind(task_id="inside", **{kind.records_field: [{"user_id": rows.output}]})
        path = kind(task_id="path", path=rows.output)

    assert all(operator.upstream_task_ids == {"rows"} for operator in (direct, key, inside, path))


@any_operator
def test_literal_records_make_no_dependency_and_are_not_shown(kind: type[BluxOperator]) -> None:
    operator = made(kind, **{kind.records_field: USERS})

    assert operator.upstream_task_ids == set()
    assert shown(operator)[kind.records_field] == "<list of 2>"
    assert PERSONAL not in repr(vars(operator)[f"_{kind.records_field}"])


def test_what_an_upstream_task_returned_is_hidden_once_rendered() -> None:
    with dag():
        operator = upsert(users=Upstream(task_id="rows").output)

    rendered(operator, upstream=USERS)

    assert shown(operator)["users"] == "<list of 2>"
    assert operator.users.value == USERS


@pytest.mark.parametrize("native", [False, True], ids=["text templates", "native templates"])
def test_a_template_inside_a_record_of_an_upstream_task_is_data(blux_emulator: Emulator, native: bool) -> None:
    users = [{"user_id": "{{ 7 * 7 }}", "note": "{{ ti.secret }}", "list": ["{% raw %}"]}]
    with dag(render_template_as_native_obj=native):
        operator = upsert(users=Upstream(task_id="rows").output)

    rendered(operator, upstream=users).execute({})

    assert operator.users.value == users
    assert blux_emulator.user("{{ 7 * 7 }}") == {
        "user_id": "{{ 7 * 7 }}",
        "user_properties": {},
        "custom_user_properties": {"note": "{{ ti.secret }}", "list": ["{% raw %}"]},
    }


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "users",
    [[{"user_id": "{{ 7 * 7 }}"}], '[{"user_id": "{{ 7 * 7 }}"}]', '[{"user_id": "{% broken"}]'],
    ids=["list", "JSON", "no template"],
)
def test_a_template_inside_a_record_that_a_mapped_operator_is_expanded_over_is_data(users: Any, native: bool) -> None:
    with dag(render_template_as_native_obj=native) as one:
        BluxUpsertUsersOperator.partial(task_id="push").expand(users=Upstream(task_id="rows").output)

    # As `render_template_fields` of a mapped operator does it: what it pulled is listed as not to be rendered.
    instance = cast("Any", one.get_task("push")).unmap({"users": users})
    instance._do_render_template_fields(instance, instance.template_fields, {}, one.get_template_env(), {id(users)})

    assert instance.users.value == users
    assert shown(instance)["users"] == f"<{type(users).__name__} of {len(users)}>"


@any_operator
def test_a_template_inside_a_record_that_an_upstream_task_gave_to_expand_kwargs_is_data(
    kind: type[BluxOperator],
) -> None:
    given = {kind.records_field: [{"user_id": "{{ 7 * 7 }}", "note": "{% broken"}]}
    with dag() as one:
        rows = Upstream(task_id="rows").output
        kind.partial(task_id="all").expand_kwargs(rows)
        kind.partial(task_id="some").expand_kwargs([rows, {"path": "a.csv"}])
        kind.partial(task_id="none", **{kind.records_field: ["{{ ds }}"]}).expand_kwargs(rows)
        kind.partial(task_id="literal").expand_kwargs([{kind.records_field: ["{{ ds }}"]}])

    def instance(task_id: str, **values: Any) -> Any:
        # Airflow does not list them as not to be rendered.
        return rendered(cast("Any", one.get_task(task_id)).unmap(values), ds="2026-01-31")

    def held(task_id: str, **values: Any) -> Any:
        return getattr(instance(task_id, **values), kind.records_field).value

    for task_id in ("all", "some"):
        assert held(task_id, **given) == given[kind.records_field]
        assert instance(task_id, path="{{ ds }}").path == "2026-01-31"
    assert held("none", batch_size=5) == ["2026-01-31"]
    assert held("literal", **{kind.records_field: ["{{ ds }}"]}) == ["2026-01-31"]


def test_none_from_an_upstream_task_is_no_reference_any_more() -> None:
    with dag():
        operator = upsert(users=Upstream(task_id="rows").output)

    assert rendered(operator, upstream=None).users is None


def test_a_template_in_the_dag_is_rendered_and_then_hidden() -> None:
    operator = rendered(upsert(users='[{"user_id": "{{ run_id }}"}]'), run_id=PERSONAL)

    assert operator.users.value == f'[{{"user_id": "{PERSONAL}"}}]'
    assert shown(operator)["users"] == "<str of 37>"


@any_operator
def test_a_template_that_fails_shows_no_record(
    kind: type[BluxOperator], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = made(kind, **{kind.records_field: [{"user_id": "{{ none_such.id }}", "email_address": PERSONAL}]})

    with pytest.raises(UndefinedError):
        rendered(operator)

    log = "".join([caplog.text, *capsys.readouterr()])  # Airflow 2 logs to the standard output
    assert "Template: <list of 1>" in log
    assert PERSONAL not in log


def test_templates_inside_literal_records_are_rendered() -> None:
    operator = rendered(upsert(users=[{"user_id": "u-{{ run_id }}"}]), run_id="7")

    assert operator.users.value == [{"user_id": "u-7"}]


def test_references_inside_literal_records_are_resolved_and_then_hidden() -> None:
    with dag():
        operator = upsert(users=[{"user_id": "u", "grade": Upstream(task_id="grade").output}])

    rendered(operator, upstream="{{ 7 * 7 }}")

    assert operator.users.value == [{"user_id": "u", "grade": "{{ 7 * 7 }}"}]
    assert shown(operator)["users"] == "<list of 1>"


def test_paths_queries_and_connections_are_rendered_and_shown() -> None:
    by_path = upsert(path="s3://b/{{ ds }}/*.csv", storage_conn_id="s3_{{ env }}", blux_conn_id="blux_{{ env }}")
    by_sql = upsert(sql="SELECT '{{ ds }}'", sql_conn_id="db_{{ env }}", sql_parameters={"day": "{{ ds }}"})
    for operator in (by_path, by_sql):
        rendered(operator, ds="2026-01-31", env="prod")

    assert (by_path.path, by_path.storage_conn_id, by_path.blux_conn_id) == (
        "s3://b/2026-01-31/*.csv",
        "s3_prod",
        "blux_prod",
    )
    assert (by_sql.sql, by_sql.sql_conn_id, by_sql.sql_parameters) == (
        "SELECT '2026-01-31'",
        "db_prod",
        {"day": "2026-01-31"},
    )
    assert shown(by_path)["path"] == "s3://b/2026-01-31/*.csv"


def test_a_query_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "users.sql").write_text("SELECT '{{ ds }}' AS user_id", "utf-8")
    with dag(template_searchpath=str(tmp_path)):
        operator = upsert(sql="users.sql", sql_conn_id="db")

    operator.resolve_template_files()

    assert rendered(operator, ds="2026-01-31").sql == "SELECT '2026-01-31' AS user_id"


def test_a_record_of_an_upstream_task_that_looks_like_a_file_name_is_data(tmp_path: Path) -> None:
    (tmp_path / "users.sql").write_text("SELECT 1", "utf-8")
    with dag(template_searchpath=str(tmp_path)):
        operator = BluxDeleteUsersOperator(task_id="push", user_ids=Upstream(task_id="ids").output)

    operator.resolve_template_files()

    assert rendered(operator, upstream=["users.sql"]).user_ids.value == ["users.sql"]


@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_a_copy_of_an_operator_hides_and_keeps_its_records(copied: Any) -> None:
    with dag():
        literal = upsert(users=USERS)
        referring = BluxUpsertUsersOperator(task_id="refers", users=Upstream(task_id="rows").output)

    assert copied(literal).users.value == USERS
    assert shown(copied(literal))["users"] == "<list of 2>"
    assert rendered(copied(referring), upstream=USERS).users.value == USERS


@pytest.mark.parametrize("copied", [deepcopy, lambda operator: operator.prepare_for_execution()])
def test_rendering_a_copy_leaves_the_original_a_template(copied: Any) -> None:
    operator = upsert(users=[{"user_id": "{{ run_id }}"}])

    rendered(copied(operator), run_id="first")

    assert rendered(operator, run_id="second").users.value == [{"user_id": "second"}]


@any_operator
def test_a_dag_with_literal_records_is_serialized_without_them(kind: type[BluxOperator]) -> None:
    with dag() as one:
        made(kind, **{kind.records_field: USERS})

    text = serialized(one)

    assert PERSONAL not in text
    assert "<list of 2>" in text


def test_a_dag_with_a_mapped_operator_and_references_is_serialized() -> None:
    with dag() as one:
        rows = Upstream(task_id="rows")
        upsert(users=rows.output)
        BluxUpsertUsersOperator.partial(task_id="mapped", batch_size=5).expand(users=rows.output)

    assert '"mapped"' in serialized(one)

"""Arguments of a function: rendered as any other template, and neither shown nor stored."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any, cast

import pytest
from jinja2 import UndefinedError

from airflow_provider_blux.operators.redaction import revealed
from tests.decorators.functions import any_decorator, decorated, operator
from tests.operators.pipeline import Upstream, dag, rendered, serialized, shown

PERSONAL = "john.doe@example.com"
USERS = [{"user_id": "a", "email_address": PERSONAL}, {"user_id": "b"}]


def records(*args: Any, **kwargs: Any) -> list[Any]:
    return [args, kwargs]


@any_decorator
def test_arguments_show_their_names_types_and_lengths(name: str) -> None:
    with dag():
        rows = Upstream(task_id="rows").output
        made = operator(name, records, rows, PERSONAL, 5, rows=rows, day="{{ ds }}", nothing=None)

    fields = shown(rendered(made, upstream=USERS, ds="2026-01-31"))

    assert fields["op_args"] == "[<list of 2>, <str of 20>, <int>]"
    assert fields["op_kwargs"] == "{'rows': <list of 2>, 'day': <str of 10>, 'nothing': <NoneType>}"
    assert PERSONAL not in repr(fields)


@any_decorator
def test_a_template_can_read_a_single_argument(name: str) -> None:
    with dag() as one:
        made = rendered(operator(name, records, "seoul", day="{{ ds }}"), ds="2026-01-31")

    template = one.get_template_env().from_string("{{ task.op_args[0] }} {{ task.op_kwargs['day'] }}")
    assert template.render(task=made) == "seoul 2026-01-31"


@any_decorator
def test_arguments_in_the_dag_are_hidden_before_they_are_rendered_too(name: str) -> None:
    with dag() as one:
        made = operator(name, records, USERS, rows=USERS, note="{{ ds }}")

    assert PERSONAL not in repr(shown(made))
    assert PERSONAL not in serialized(one)


@any_decorator
def test_arguments_of_a_mapped_task_are_hidden(name: str) -> None:
    with dag() as one:
        decorated(name, records).partial(note="{{ ds }}").expand(rows=Upstream(task_id="rows").output)

    # As `render_template_fields` of a mapped operator does it: what it pulled is listed as not to be rendered.
    users = [{"user_id": "{{ 7 * 7 }}", "email_address": PERSONAL}]
    mapped = cast("Any", one.get_task("records"))
    instance = mapped.unmap({"op_kwargs": {"rows": users}})
    instance._do_render_template_fields(
        instance, instance.template_fields, {"ds": "2026-01-31"}, one.get_template_env(), {id(users)}
    )

    assert shown(instance)["op_kwargs"] == "{'note': <str of 10>, 'rows': <list of 1>}"
    assert instance.op_kwargs.value == {"note": "2026-01-31", "rows": users}
    assert '"records"' in serialized(one)


@pytest.mark.parametrize("native", [False, True])
@any_decorator
def test_a_template_in_text_that_a_task_is_expanded_over_is_data(name: str, native: bool) -> None:
    user_id = "{{ 7 * 7 }}"
    with dag(render_template_as_native_obj=native) as one:
        decorated(name, records).partial(note="{{ ds }}").expand(user_id=Upstream(task_id="ids").output)

    # As `render_template_fields` of a mapped operator does it: what it pulled is listed as not to be rendered.
    instance = cast("Any", one.get_task("records")).unmap({"op_kwargs": {"user_id": user_id}})
    fields, environment = instance.template_fields, one.get_template_env()
    instance._do_render_template_fields(instance, fields, {"ds": "2026-01-31"}, environment, {id(user_id)})

    assert instance.op_kwargs.value == {"note": "2026-01-31", "user_id": user_id}


@any_decorator
def test_a_template_inside_what_an_upstream_task_gave_to_expand_kwargs_is_data(name: str) -> None:
    users = [{"user_id": "{{ 7 * 7 }}", "note": "{% broken"}]
    with dag() as one:
        decorated(name, records).partial(notes=["{{ ds }}"]).expand_kwargs(Upstream(task_id="rows").output)

    # Airflow does not list them as not to be rendered.
    instance = rendered(cast("Any", one.get_task("records")).unmap({"op_kwargs": {"rows": users}}), ds="2026-01-31")

    assert {key: revealed(value) for key, value in instance.op_kwargs.value.items()} == {
        "notes": ["2026-01-31"],
        "rows": users,
    }
    assert shown(instance)["op_kwargs"] == "{'notes': <list of 1>, 'rows': <list of 1>}"


@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_a_copy_of_a_task_hides_and_keeps_its_arguments(copied: Any) -> None:
    with dag():
        literal = operator("blux_upsert_users", records, USERS, day="{{ ds }}")
        referring = operator("blux_upsert_users", records, rows=Upstream(task_id="rows").output)

    assert rendered(copied(literal), ds="2026-01-31").op_kwargs.value == {"day": "2026-01-31"}
    assert shown(copied(literal))["op_args"] == "[<list of 2>]"
    assert rendered(copied(referring), upstream=USERS).op_kwargs.value == {"rows": USERS}


@any_decorator
def test_each_run_in_one_process_renders_the_arguments_again(name: str) -> None:
    with dag():
        made = operator(name, records, ["{{ ds }}"], day="{{ ds }}")

    for day in ("2026-01-31", "2026-02-28"):
        instance = rendered(made.prepare_for_execution(), ds=day)

        assert revealed(instance.op_args) == ([day],)
        assert instance.op_kwargs.value == {"day": day}


@any_decorator
@pytest.mark.parametrize("config", ["literal", "reference"])
def test_a_template_that_fails_shows_no_argument(
    name: str, config: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with dag() as one:
        beside = Upstream(task_id="config").output if config == "reference" else "literal"
        mapped = decorated(name, records).partial(day="{{ none_such.day }}", config=beside)
        mapped.expand(rows=Upstream(task_id="rows").output)
    instance = cast("Any", one.get_task("records")).unmap({"op_kwargs": {"rows": USERS}})

    with pytest.raises(UndefinedError):
        rendered(instance, upstream="value")

    log = "".join([caplog.text, *capsys.readouterr()])  # Airflow 2 logs to the standard output
    assert "'rows': <list of 2>" in log
    assert PERSONAL not in log


@any_decorator
def test_arguments_beside_a_reference_are_hidden_and_reach_the_function(name: str) -> None:
    with dag() as one:
        made = operator(name, records, Upstream(task_id="rows").output, PERSONAL, day="{{ ds }}", rows=[PERSONAL])

    assert PERSONAL not in serialized(one)
    assert made.upstream_task_ids == {"rows"}
    rendered(made, upstream=USERS, ds="2026-01-31")
    assert shown(made)["op_args"] == "[<list of 2>, <str of 20>]"
    assert [revealed(value) for value in revealed(made.op_args)] == [USERS, PERSONAL]
    assert {key: revealed(value) for key, value in revealed(made.op_kwargs).items()} == {
        "day": "2026-01-31",
        "rows": [PERSONAL],
    }

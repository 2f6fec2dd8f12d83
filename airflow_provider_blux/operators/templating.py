"""Templates in an operator's arguments: template files for ``sql``, and conversion of rendered text to values."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from io import StringIO
from pathlib import PurePath
from token import NUMBER
from tokenize import generate_tokens
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator
from jinja2.nativetypes import NativeEnvironment, native_concat

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.operators.redaction import Hidden
from airflow_provider_blux.sources.rows import items_of

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context

_FLAG, _NUMBER, _NAMES = "True or False", "a number", "a name or a JSON list of names"
#: Templated arguments whose rendered text is converted to another type, with a description of the expected value.
_STANDS_FOR = {
    "resume": _FLAG,
    "validate_only": _FLAG,
    "full_refresh": _FLAG,
    "max_rejects": _NUMBER,
    "max_users": "a whole number, or None",
    "exclude_fields": _NAMES,
    "rate_limit_conn_id": "the id of a connection, or None",
}
_TEXT_IS_FINE = ("exclude_fields", "rate_limit_conn_id")
_PATHS = {"path", "suppression_path"}
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_SQL_FILE = ".sql"
_MAY_BE_ALTERED = (str, int, list, tuple, dict)


class TemplatedOperator(BaseOperator):
    """An operator that reads only ``sql`` from a template file.

    In any other argument, text such as ``users.sql`` is data and not the name of a file.
    """

    template_ext: ClassVar[Sequence[str]] = ()  # type: ignore[misc]
    sql: Any
    sql_parameters: Any

    def resolve_template_files(self) -> None:
        """Read the query from a file if ``sql`` names one; Airflow calls this when it parses the DAG.

        An error is only logged here. It is raised when the task renders its templates.
        """
        try:
            self.sql = self._query(self.sql, self.get_template_env())
        except Exception:  # rendering raises the same error later, where it appears in the task log
            self.log.exception("Task %s: the file that sql names cannot be read.", self.task_id)
        super().resolve_template_files()

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a value, but return text without a template unchanged. A ``pathlib.Path`` is rendered as its text.

        With ``render_template_as_native_obj``, Airflow would convert such text to a value, as ``"1"`` to a number.
        It would also convert rendered text to another whole number or text, as the id ``"2026_01"`` to 202601, alone or
        in a list. Such text is kept.
        """
        if isinstance(content, PurePath):
            content = str(content)
        if isinstance(content, Hidden):
            # Not by Airflow, which would log the value if a template in it fails, and would alter the object, which the
            # operator shares with the one that it is a copy of.
            content = copy(content)
            if content.is_template:
                content.value = self.render_template(content.value, context, jinja_env, seen_oids)
            return content
        if isinstance(content, str):
            environment = jinja_env or self.get_template_env()
            is_of_the_query = content is self.sql or any(content is value for value in _values(self.sql_parameters))
            if content is self.sql:
                content = self._query(content, environment)
            if is_of_the_query:
                self._warn_of_an_empty_interval(content, context)
            # What a mapped task took from upstream is in `seen_oids`: it is data, and Airflow does not render it.
            is_data = id(content) in (seen_oids or ())
            if not is_data and all(kind == "data" for _, kind, _ in environment.lex(content)):
                return content
            if not is_data and isinstance(environment, NativeEnvironment):
                return _native_value(environment.from_string(content), context)
        return super().render_template(content, context, jinja_env, seen_oids)

    def _warn_of_an_empty_interval(self, template: str, context: Context) -> None:
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        if "data_interval_start" in template and start is not None and start == end:
            self.log.warning(
                "The query names data_interval_start, which equals data_interval_end in this run (as under Airflow 3's "
                "@daily), so that it may read nothing. Use prev_data_interval_end_success, as docs/queries.md does."
            )

    def _query(self, sql: Any, environment: jinja2.Environment) -> Any:
        if not isinstance(sql, str) or not sql.endswith(_SQL_FILE):
            return sql
        if environment.loader is None:
            raise BluxConfigError(
                "sql names a file in the folder of the DAG, but the operator belongs to no DAG. Use it in a DAG."
            )
        return environment.loader.get_source(environment, sql)[0]


def _native_value(template: jinja2.Template, context: Any) -> Any:
    """Render a template to a value of Python as Airflow does, but keep text that would become another value."""
    variables = copy(context)  # not a dict: Airflow 2 would warn about each deprecated variable
    # The macros of the DAG and the functions of Jinja, such as `range`.
    variables.update((name, value) for name, value in template.globals.items() if name not in context)
    parts: list[Any] = list(template.root_render_func(template.new_context(variables, shared=True)))
    value = native_concat(parts)
    if len(parts) == 1 and not isinstance(parts[0], str):  # a value, which has never been text
        return value
    text = "".join(map(str, parts))
    return text if isinstance(value, _MAY_BE_ALTERED) and _is_altered(value, text) else value


def _is_altered(value: Any, text: str) -> bool:
    """Return whether Airflow has altered text: a number or text is not the same, or a whole number in a collection.

    :param value: what Airflow made of the text.
    """
    if isinstance(value, str | int):
        return str(value) != text
    numbers = (token.string for token in generate_tokens(StringIO(text).readline) if token.type == NUMBER)
    return any(type(number := ast.literal_eval(written)) is int and str(number) != written for written in numbers)


def is_template(value: Any) -> bool:
    """Return whether Airflow will replace a value: a text template, an upstream output or a parameter of the DAG."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, list | tuple):
        return any(map(is_template, value))
    return is_reference(value)


def is_reference(value: Any) -> bool:
    """Return whether a value is an upstream output or a parameter of the DAG, which Airflow replaces by its value."""
    return callable(getattr(value, "resolve", None))


def check_given(name: str, value: Any) -> None:
    """Check that an argument given by the DAG author is not ``None`` after rendering.

    :raises BluxConfigError: a template, a parameter of the DAG or an upstream task produced ``None``.
    """
    if value is None:
        raise BluxConfigError(
            f"{name} is given, but its template, parameter or upstream task returned None. This try sent nothing. "
            "Return a value, or leave the argument out."
        )


def read_rendered(operator: Any, names: Iterable[str]) -> None:
    """Convert rendered arguments of an operator in place: text to the type of the argument, paths to a list.

    The rendered paths may be the outputs of a mapped upstream task, which Airflow gives as a lazy sequence.

    :param names: the names of the templated arguments.
    :raises BluxConfigError: text cannot be converted; the message names the argument and the expected value.
    """
    for name in _STANDS_FOR.keys() & set(names):
        value = getattr(operator, name)
        if isinstance(value, str):
            value = _value_of(name, value.strip())
        if value is None and name == "exclude_fields":
            value = ()
        setattr(operator, name, value)
    for name in _PATHS & set(names):
        if isinstance(value := getattr(operator, name), Sequence) and not isinstance(value, str):
            setattr(operator, name, list(items_of(value)))


def checkable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without a template, which can be checked when the DAG is parsed.

    A templated ``rate_limit_conn_id`` is replaced by a placeholder text, since other options are checked against it.
    """
    checkable = {name: value for name, value in options.items() if name not in _STANDS_FOR or not is_template(value)}
    if "rate_limit_conn_id" in options:
        checkable.setdefault("rate_limit_conn_id", "{{ a template }}")
    return checkable


def _value_of(name: str, text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if name in _TEXT_IS_FINE and not isinstance(value, list | tuple):
        return text
    if isinstance(value, str):
        raise BluxConfigError(
            f"{name} has been rendered to {f'text of {len(text)} characters' if text else 'empty text'}; "
            f"it must be {_STANDS_FOR[name]}."
        )
    return value


def _values(parameters: Any) -> Iterable[Any]:
    if isinstance(parameters, Mapping):
        return parameters.values()
    return parameters if isinstance(parameters, list | tuple) else ()

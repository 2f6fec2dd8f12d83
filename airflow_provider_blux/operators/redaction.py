"""Keep records out of the template fields that Airflow stores and shows.

A record argument must be a template field, since only there an ``XComArg`` makes the upstream task a dependency. But
Airflow stores each template field after rendering. So the field holds an object whose text is the type and the number
of the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any

from airflow.providers.common.compat.sdk import XComArg


class Hidden:
    """A wrapper for the records in a template field. Its text is only their type and number: ``<list of 3>``.

    :param value: the records.
    :param is_template: whether Airflow must still render the value. ``False`` for the output of an upstream task, since
        a ``{{ ... }}`` in its records is data and not a template.
    """

    def __init__(self, value: Any, *, is_template: bool) -> None:
        self.value = value
        self.is_template = is_template

    def __repr__(self) -> str:
        size = f" of {len(self.value):,}" if isinstance(self.value, Sized) else ""
        return f"<{type(self.value).__name__}{size}>"


class HiddenArguments(Hidden):
    """The arguments of a function; its text shows only the type and the length of each argument.

    A template such as ``map_index_template="{{ task.op_kwargs['day'] }}"`` can read a single argument.
    """

    __iter__ = None  # a class with `__getitem__` could otherwise be iterated, which would show all arguments

    def __getitem__(self, key: Any) -> Any:
        return revealed(self.value[key])

    def __repr__(self) -> str:
        if isinstance(self.value, Mapping):
            return repr({name: Hidden(revealed(value), is_template=False) for name, value in self.value.items()})
        return repr([Hidden(revealed(value), is_template=False) for value in self.value])


class HiddenField:
    """An attribute (a descriptor) that wraps each value assigned to it in a :class:`Hidden` object.

    A reference to an upstream task is not wrapped, since Airflow must find it and replace it with the task's output.
    Beside a reference, each other argument of a function is wrapped.

    :param kind: the class of the wrapper.
    """

    def __init__(self, kind: type[Hidden] = Hidden) -> None:
        self._kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else instance.__dict__.get(self._name)

    def __set__(self, instance: Any, value: Any) -> None:
        # The first value comes from the DAG file and may hold references and templates. Airflow sets the rendered one.
        is_first = self._name not in instance.__dict__
        if not _is_kept(value, deep=is_first):
            value = self._kind(value, is_template=is_first)
        elif self._kind is HiddenArguments and isinstance(value, Mapping):
            value = {name: _beside_references(one) for name, one in value.items()}
        elif self._kind is HiddenArguments and isinstance(value, list | tuple):
            value = [_beside_references(one) for one in value]
        instance.__dict__[self._name] = value


def _beside_references(value: Any) -> Any:
    return value if _is_kept(value, deep=True) else Hidden(value, is_template=True)


def revealed(value: Any) -> Any:
    """Return the value inside a :class:`Hidden` object; return other values unchanged."""
    return value.value if isinstance(value, Hidden) else value


def from_upstream(names: Iterable[str], arguments: Mapping[str, Any], *, within: str | None = None) -> set[str]:
    """Return the names of the arguments that ``expand_kwargs`` took from the output of an upstream task.

    Airflow would render templates in the lists and dicts of such arguments, although they are data.

    :param names: the names of the arguments to examine.
    :param arguments: all arguments with which Airflow creates the operator of a mapped task instance.
    :param within: ``op_kwargs`` if the names are keys of this argument; ``None`` if they are the names of arguments of
        the operator.
    """
    dag = arguments.get("dag")
    mapped = dag.task_dict.get(arguments["task_id"]) if dag else None
    partial = getattr(mapped, "partial_kwargs", None)
    if partial is None:
        return set()
    given = getattr(mapped, f"{within}_expand_input" if within else "expand_input").value
    if not (isinstance(given, XComArg) or (isinstance(given, list) and any(isinstance(one, XComArg) for one in given))):
        return set()
    return set(names) - set(partial[within] if within else partial)


def _is_kept(value: Any, *, deep: bool) -> bool:
    """Return whether a value is not wrapped: it is ``None``, wrapped already, or a reference to an upstream task.

    :param deep: whether a reference may also be inside of a list or dict.
    """
    if value is None or isinstance(value, Hidden | XComArg):
        return True
    references = XComArg.iter_xcom_references(value) if deep else iter(())  # type: ignore[attr-defined,unused-ignore]
    return any(True for _ in references)

"""What the tests of the decorators share: the four of them, tasks made of functions, a state that Airflow keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_blux.api.endpoints import OPERATIONS

any_decorator = pytest.mark.parametrize("name", [f"blux_{operation}" for operation in OPERATIONS])


class TaskState(dict[str, Any]):
    """The progress of a task as Airflow 3.3 keeps it from try to try."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def decorated(name: str, function: Callable[..., Any], **arguments: Any) -> Any:
    """Return what ``@task.<name>(**arguments)`` makes of a function."""
    return getattr(task, name)(**arguments)(function)


def operator(name: str, function: Callable[..., Any], *args: Any, arguments: Any = None, **kwargs: Any) -> Any:
    """Return the operator that calling the decorated function makes.

    :param arguments: those of the decorator.
    """
    return decorated(name, function, **(arguments or {}))(*args, **kwargs).operator

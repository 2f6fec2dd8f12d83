"""Shared by the tests of the decorators: the four decorators, decorated functions, and a task state store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import task

from airflow_provider_blux.api.endpoints import OPERATIONS

any_decorator = pytest.mark.parametrize("name", [f"blux_{operation}" for operation in OPERATIONS])


class TaskState(dict[str, Any]):
    """A task state store like that of Airflow 3.3, which keeps values between tries."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def decorated(name: str, function: Callable[..., Any], **arguments: Any) -> Any:
    """Return a function decorated with ``@task.<name>(**arguments)``."""
    return getattr(task, name)(**arguments)(function)


def operator(name: str, function: Callable[..., Any], *args: Any, arguments: Any = None, **kwargs: Any) -> Any:
    """Return the operator that a call of the decorated function creates.

    :param arguments: the arguments of the decorator.
    """
    return decorated(name, function, **(arguments or {}))(*args, **kwargs).operator

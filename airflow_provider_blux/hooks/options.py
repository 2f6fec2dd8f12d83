"""The typed arguments of the hook's methods, for mypy and editors, and the check of argument names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any, TypedDict

from airflow_provider_blux.delivery.settings import DeliveryOptions, OnUnknown, SharedOptions
from airflow_provider_blux.hooks.delivery import KeepingOptions, RunOptions
from airflow_provider_blux.signatures import misnamed


class HookOptions(DeliveryOptions, KeepingOptions, total=False):
    """The arguments of all methods together."""


class MethodOptions(SharedOptions, RunOptions, total=False):
    """The arguments that every method takes."""


class SnapshotOptions(TypedDict, total=False):
    """The arguments of a method that can send only what has changed; see :class:`HookOptions`."""

    snapshot_path: str | None
    full_refresh: bool
    max_absent: float | None


class UserOptions(MethodOptions, SnapshotOptions, total=False):
    """The arguments of ``upsert_users``."""

    exclude_fields: str | Sequence[str]
    updated_at_field: str | None


class DeletionOptions(MethodOptions, total=False):
    """The arguments of ``delete_users``."""

    snapshot_path: str | None


class EventOptions(MethodOptions, total=False):
    """The arguments of ``send_events``."""

    on_unknown: OnUnknown


class DeviceOptions(MethodOptions, SnapshotOptions, total=False):
    """The arguments of ``update_devices``."""


def check_names(method: Callable[..., Any], given: Iterable[str]) -> None:
    """Check the argument names of a method; arguments of other methods are accepted here.

    :raises BluxConfigError: an argument does not exist; the message names it and the most similar one.
    """
    known = {*signature(method).parameters, *HookOptions.__annotations__} - {"self", "records"}
    if error := misnamed(method.__qualname__, given, known):
        raise error


def on_unknown_of(word: Any, *, stacklevel: int = 3) -> Any:
    """Return ``"keep"`` for ``"reject"``, its former name, with a deprecation warning. To be removed in 1.0.

    :param stacklevel: number of stack frames up to the call that the warning concerns.
    """
    if word != "reject":
        return word
    from airflow.exceptions import AirflowProviderDeprecationWarning

    message = "on_unknown='reject' is now called 'keep'; from 1.0 on the old word is refused."
    warnings.warn(message, AirflowProviderDeprecationWarning, stacklevel=stacklevel)
    return "keep"

"""The arguments of the hook's methods with their types, for mypy and editors, and the check of their names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, TypedDict, cast

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
    """Check the names of the arguments of a method; one of another method is not checked here.

    :raises BluxConfigError: naming each that does not exist, and the nearest one that does.
    """
    known = {*signature(method).parameters, *HookOptions.__annotations__} - {"self", "records"}
    if error := misnamed(method.__qualname__, given, known):
        raise error


def on_unknown_of(word: Any, *, stacklevel: int = 3) -> Any:
    """Return ``"keep"`` for ``"reject"``, as it was called before, and warn of it. Until 1.0.

    :param stacklevel: how far up the call stands that the warning is about.
    """
    if word != "reject":
        return word
    from airflow.exceptions import AirflowProviderDeprecationWarning

    message = "on_unknown='reject' is now called 'keep'; from 1.0 on the old word is refused."
    warnings.warn(message, AirflowProviderDeprecationWarning, stacklevel=stacklevel)
    return "keep"


def split(options: Mapping[str, Any]) -> tuple[DeliveryOptions, KeepingOptions]:
    """Tell how a delivery goes about it from what it keeps."""
    keeping = {name: value for name, value in options.items() if name in KeepingOptions.__annotations__}
    delivery = {name: value for name, value in options.items() if name not in keeping}
    return cast("DeliveryOptions", delivery), cast("KeepingOptions", keeping)

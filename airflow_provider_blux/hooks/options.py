"""The arguments of the hook's methods, for mypy and editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from airflow_provider_blux.delivery.settings import DeliveryOptions, OnUnknown, SharedOptions
from airflow_provider_blux.hooks.delivery import KeepingOptions, RunOptions


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

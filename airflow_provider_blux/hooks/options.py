"""The typed arguments of the hook's methods, for mypy and editors, and the check of argument names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.settings import DeliveryOptions, OnUnknown, SharedOptions, SnapshotOptions
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.signatures import misnamed

if TYPE_CHECKING:
    from airflow_provider_blux.delivery.checkpoint_store import Store
    from airflow_provider_blux.delivery.progress import Watcher


class RunOptions(TypedDict, total=False):
    """Arguments of all operations for the files and the progress of a run.

    ``rejects_path``: folder in object storage for the rejected records and those whose outcome is unknown.
    ``checkpoint_path``: folder in object storage for the checkpoint. If a task calls the hook more than once, each call
    needs a folder of its own: the name of the file is that of the task instance.
    ``checkpoint``: storage for the checkpoint, used in place of ``checkpoint_path``.
    ``run``: the task instance and the number of its try. The name of a rejects file has both; that of the checkpoint
    has only the task instance, so that the next try finds it. Required with ``checkpoint_path``.
    ``watchers``: functions to call with the progress, see :data:`airflow_provider_blux.delivery.progress.Watcher`.
    """

    rejects_path: str | None
    checkpoint_path: str | None
    checkpoint: Store | None
    run: Run | None
    watchers: Sequence[Watcher]


class HookOptions(DeliveryOptions, RunOptions, total=False):
    """The ``**options`` of the hook's four delivery methods together; each method takes some of them."""


class UserOptions(SharedOptions, RunOptions, SnapshotOptions, total=False):
    """The arguments of ``upsert_users``."""

    exclude_fields: str | Sequence[str]
    updated_at_field: str | None


class DeletionOptions(SharedOptions, RunOptions, total=False):
    """The arguments of ``delete_users``."""

    snapshot_path: str | None


class EventOptions(SharedOptions, RunOptions, total=False):
    """The arguments of ``send_events``."""

    on_unknown: OnUnknown


class DeviceOptions(SharedOptions, RunOptions, SnapshotOptions, total=False):
    """The arguments of ``update_devices``."""


def check_names(method: Callable[..., Any], given: Iterable[str]) -> None:
    """Check the argument names of a call of the hook.

    :param method: the called method.
    :param given: the argument names of the call.
    :raises BluxConfigError: the method has no such argument; the message names the most similar one, or the operations
        that have it.
    """
    known = signature(method).parameters.keys() - {"self", "records"}
    if error := misnamed(method.__qualname__, given, known):
        raise error


def check_run_options(options: RunOptions) -> None:
    """Check the types of ``checkpoint``, ``run`` and ``watchers``.

    :raises BluxConfigError: an argument is not what it must be; the message names it.
    """
    store, run, watchers = options.get("checkpoint"), options.get("run"), options.get("watchers", ())
    if store is not None and not all(callable(getattr(store, name, None)) for name in ("load", "save", "clear")):
        raise BluxConfigError("checkpoint must be a storage for it. For a folder use checkpoint_path.")
    if run is not None and not isinstance(run, Run):
        raise BluxConfigError("run must be a Run, from airflow_provider_blux.types, or be left out.")
    if not isinstance(watchers, list | tuple) or not all(map(callable, watchers)):
        raise BluxConfigError("watchers must be a list of functions, as in watchers=[print].")


def on_unknown_of(word: Any, *, stacklevel: int = 3) -> Any:
    """Return ``"keep"`` for its former name ``"reject"``, with a deprecation warning; return other values unchanged.

    This function will be removed in 1.0.

    :param word: the value of ``on_unknown``.
    :param stacklevel: number of stack frames up to the call that the warning concerns.
    """
    if word != "reject":
        return word
    from airflow.exceptions import AirflowProviderDeprecationWarning

    message = "on_unknown='reject' is now called 'keep'; from 1.0 on the old word is refused."
    warnings.warn(message, AirflowProviderDeprecationWarning, stacklevel=stacklevel)
    return "keep"

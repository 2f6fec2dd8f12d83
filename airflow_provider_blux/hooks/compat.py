"""Two functions that early releases of ``common.compat.sdk`` lack; they are then imported from Airflow itself.

Airflow's constraint files pin common-compat to the release that was the newest when Airflow was released: 1.14 for
Airflow 2.11.2 and 3.1.8.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any


def determine_kwargs(function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the items of Airflow's context that a function accepts as arguments.

    ``common.compat.sdk`` has this function since release 1.14.1.

    :param args: the positional arguments of the call.
    :param kwargs: the context.
    :raises ValueError: a positional argument has the same name as a key of the context.
    """
    determine = _first("determine_kwargs", "airflow.sdk.bases.decorator", "airflow.utils.operator_helpers")
    found: dict[str, Any] = determine(function, args, kwargs)
    return found


def mask_secret(secret: str) -> None:
    """Make Airflow mask a secret in its logs. ``common.compat.sdk`` has this function since release 1.22."""
    _first("mask_secret", "airflow.sdk.log", "airflow.utils.log.secrets_masker")(secret)


def _first(name: str, *modules: str) -> Any:
    """Return the object with this name from ``common.compat.sdk``, or else from the first of ``modules`` that has it.

    :raises ImportError: no module has it.
    """
    for module in ("airflow.providers.common.compat.sdk", *modules):
        with suppress(ImportError, AttributeError):
            return getattr(import_module(module), name)
    raise ImportError(f"Airflow has no {name} in {', '.join(modules)}.")

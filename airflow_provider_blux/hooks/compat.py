"""Two functions of Airflow that early releases of ``common.compat.sdk`` lack, imported from Airflow itself.

Airflow's constraints pin common-compat to the newest release at their time: 1.14 for Airflow 2.11.2 and 3.1.8.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any


def determine_kwargs(function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the keyword arguments that a function accepts; common-compat has this function since 1.14.1.

    :raises ValueError: a positional argument has the same name as a key of the context.
    """
    determine = _first("determine_kwargs", "airflow.sdk.bases.decorator", "airflow.utils.operator_helpers")
    found: dict[str, Any] = determine(function, args, kwargs)
    return found


def mask_secret(secret: str) -> None:
    """Make Airflow mask a secret in its logs; common-compat has this function since 1.22."""
    _first("mask_secret", "airflow.sdk.log", "airflow.utils.log.secrets_masker")(secret)


def _first(name: str, *modules: str) -> Any:
    """Return the object of a name from common-compat, or from the first of the modules that has it."""
    for module in ("airflow.providers.common.compat.sdk", *modules):
        with suppress(ImportError, AttributeError):
            return getattr(import_module(module), name)
    raise ImportError(f"Airflow has no {name} in {', '.join(modules)}.")

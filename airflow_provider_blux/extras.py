"""Imports optional libraries; if one is missing, the error names the extra of this package to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError

# For each library: the module, the extra of this package that installs it, and its purpose.
PARQUET = ("pyarrow.parquet", "parquet", "Parquet")
ZSTD = ("zstandard", "zstd", "zstd compression")
PHONE = ("phonenumbers", "phone", "phone_region")


def library(extra: tuple[str, str, str], name: str | None = None) -> Any:
    """Import a library and return its module.

    :param extra: the module, the extra of this package that installs it, and its purpose, such as :data:`ZSTD`.
    :param name: the file that needs the library, for the error; ``None`` if no file needs it.
    :raises BluxConfigError: the library cannot be imported.
    """
    module, extra_name, purpose = extra
    try:
        return import_module(module)
    except ImportError as error:
        where = "" if name is None else f"{name} cannot be read: "
        raise BluxConfigError(
            f"{where}{purpose} needs {module.partition('.')[0]}, which cannot be imported. Install it with: "
            f"pip install 'airflow-provider-blux[{extra_name}]'"
        ) from error

"""Paths of files and folders: text, ``pathlib.Path`` or ``ObjectStoragePath``; and the columns in Hive folder names."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_blux.exceptions import BluxConfigError

AnyPath: TypeAlias = "str | os.PathLike[str] | ObjectStoragePath"
"""Text, a ``pathlib.Path`` or an ``ObjectStoragePath``."""

_PARTITION = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"
# The part of a URL before its path: the scheme, and optionally the connection (``s3://my_aws@``).
BEFORE_THE_PATH = re.compile(r"[\w+.-]+://([^/@]+@)?")


def url_of(path: Any) -> Any:
    """Return a path as text; return other values unchanged."""
    return str(path) if isinstance(path, os.PathLike | ObjectStoragePath) else path


def urls_of(path: Any) -> list[Any]:
    """Return one path, or a list of paths, as a list, in which each path object has become text."""
    return [url_of(one) for one in path] if isinstance(path, list | tuple) else [url_of(path)]


def for_airflow(url: str) -> str:
    """Return a URL or local path in a form of which ``ObjectStoragePath`` changes nothing.

    It drops a ``?`` or ``#`` with nothing after it. In Airflow 2, it lets a relative local path begin at ``/``.
    A path that begins with ``~`` is below the home folder.

    :raises BluxConfigError: the URL holds ``::``, at which the path would be cut off.
    """
    if "::" in url.partition("://")[2].partition("/")[2]:
        raise BluxConfigError(
            f"{url} holds '::', which joins two URLs for the library of the storage (fsspec), so another path would be "
            "used. Rename the file or folder."
        )
    if not urlsplit(url).scheme and not url.startswith("/"):
        url = os.path.join(os.getcwd(), os.path.expanduser(url))
    return f"{url}/" if url.endswith(("?", "#")) else url


def partition_folders(path: str) -> list[tuple[str, str]]:
    """Return the names and values of a file's folders that are named ``name=value``."""
    folders = (_PARTITION.fullmatch(folder) for folder in PurePosixPath(path).parts[:-1])
    # Bytes that are not UTF-8 become half characters, for which a record is rejected, and not another text.
    decoded = partial(unquote, errors="surrogateescape")
    return [(decoded(match[1]), decoded(match[2])) for match in folders if match]


def partitions_of(path: str) -> dict[str, str | None]:
    """Return the columns in the folder names of a file, in the style of Hive (``grade=gold/part-0.parquet``).

    The value of a column is ``None`` if the folder name has no value, or Hive's name for null.

    :raises BluxConfigError: two folders have the same column name.
    """
    found: dict[str, str | None] = {}
    for key, value in partition_folders(path):
        if key in found:
            raise BluxConfigError(f"{path}: two folders are named {key}=; one of the two values would be lost.")
        found[key] = None if value in {"", _NULL} else value
    return found

"""Records from files in object storage: one file, a folder, a glob, or a list of them, in sorted order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from glob import escape
from pathlib import PurePosixPath
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, ObjectStoragePath

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.compression import unreadable
from airflow_provider_blux.sources.formats import FileFormat, layout_of, records

_GLOB = re.compile(r"[*?\[]")
# What a URL has before its path: the scheme, and perhaps the connection (``s3://my_aws@``).
_BEFORE_THE_PATH = re.compile(r"[\w+.-]+://(?:[^/@]+@)?")
# What is fetched at a time from storage that is not a disk; s3fs would take ten times as much.
_READ_AHEAD = 5 * 1024 * 1024


class StorageSource:
    """Records from files.

    :param path: object-storage URLs or local paths: files, folders (read with everything below them), globs.
    :param conn_id: the Airflow connection of the storage.
    :param file_format: ``jsonl``, ``json``, ``csv`` or ``parquet``; by each file's suffix unless given. Compression
        (``.gz``, ``.bz2``, ``.zst``) is told by the suffix alone.
    """

    def __init__(
        self, path: str | Sequence[str], *, conn_id: str | None = None, file_format: FileFormat | None = None
    ) -> None:
        self._paths = list(path) if isinstance(path, list | tuple) else [path]
        self._conn_id = conn_id
        self._file_format = file_format

    def __str__(self) -> str:
        return ", ".join(map(str, self._paths))

    def __iter__(self) -> Iterator[Any]:
        files = [(found, name, layout_of(name, self._file_format)) for found, name in self._files()]
        for (fs, path), name, layout in files:
            with _opened(fs, path, name) as file:
                yield from records(file, name, layout)

    def sizes(self) -> dict[str, int]:
        """Return the size of each file in bytes, by the glob that finds this file alone: mostly its URL as it is."""
        try:
            return {escape(name): int(fs.size(path) or 0) for (fs, path), name in self._files()}
        except OSError as error:
            raise unreadable(str(self), error) from error

    def _files(self) -> Iterator[tuple[tuple[Any, str], str]]:
        """Yield every file with the name that messages give it; all of them are found before one is read."""
        if not self._paths:
            raise BluxConfigError("path is an empty list; name at least one file.")
        for url in self._paths:
            if not isinstance(url, str) or not url.strip():
                raise BluxConfigError("path holds something that is no text, or empty text; name a file.")
            yield from self._found(url)

    def _found(self, url: str) -> Iterator[tuple[tuple[Any, str], str]]:
        root, fs = self._root(url)
        place = root.path
        try:
            fs.invalidate_cache()  # another try of the same process must see what is there now
            if _GLOB.search(place):
                paths = sorted(path for path in fs.glob(place) if fs.isfile(path) and not path.endswith("/"))
            elif fs.isdir(place):
                paths = sorted(path for path in fs.find(place) if not _is_marker(path, place))
            else:
                paths = [place] if fs.exists(place) else []
        except AirflowException:
            raise
        except Exception as error:
            raise unreadable(url, error) from error
        if not paths:
            raise BluxSourceError(f"{url}: there is no such file. Check the path, or whether its producer has run.")
        before = _BEFORE_THE_PATH.match(url)  # a plain local path has nothing there
        for path in paths:
            yield (fs, path), url if path == place else f"{before.group() if before else ''}{path}"

    def _root(self, url: str) -> tuple[Any, Any]:
        try:
            # Airflow before 3.3 takes a None that is given for more than the connection in the URL.
            root = ObjectStoragePath(url, **({"conn_id": self._conn_id} if self._conn_id else {}))
            fs = root.fs
        except (ImportError, ValueError) as error:
            raise BluxConfigError(
                f"{url} cannot be opened ({type(error).__name__}: {error}). Check the URL, and that the Airflow "
                "provider of its storage is installed (for S3: apache-airflow-providers-amazon[s3fs])."
            ) from error
        return root, fs


def _opened(fs: Any, path: str, name: str) -> Any:
    try:
        return fs.open(path, "rb", block_size=_READ_AHEAD)
    except Exception as error:
        raise unreadable(name, error) from error


def _is_marker(path: str, folder: str) -> bool:
    """Tell what engines and consoles leave beside data (``_SUCCESS``, ``.part-0.crc``, ``folder/``) from data."""
    if path.endswith("/"):  # the empty object that stands for a folder in S3
        return True
    below = PurePosixPath(path).parts[len(PurePosixPath(folder).parts) :]
    return any(part.startswith(("_", ".")) for part in below)

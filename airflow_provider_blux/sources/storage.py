"""Records from files in object storage: one file, a folder, a glob, or a list of them, in sorted order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.formats import READERS, SUFFIXES, FileFormat

_GLOB = re.compile(r"[*?\[]")


class StorageSource:
    """Records from files.

    :param path: object-storage URLs or local paths: files, folders (read with everything below them), globs.
    :param conn_id: the Airflow connection of the storage.
    :param file_format: ``jsonl``, ``json`` or ``csv``; by each file's suffix unless given.
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
        files = [(found, name, self._format_of(name)) for found, name in self._files()]
        for (fs, path), name, file_format in files:
            try:
                with fs.open(path, "rb") as file:
                    yield from READERS[file_format](file, name)
            except OSError as error:
                raise BluxSourceError(f"{name} cannot be read ({type(error).__name__}: {error.strerror}).") from error

    def _format_of(self, name: str) -> FileFormat:
        suffix = PurePosixPath(name).suffix.lower()
        found = self._file_format or SUFFIXES.get(suffix)
        if found is None:
            raise BluxConfigError(
                f"The format of {name} cannot be told from its suffix. Set file_format to one of "
                f"{', '.join(READERS)}, or narrow path to the files that are meant."
            )
        return found

    def _files(self) -> Iterator[tuple[tuple[Any, str], str]]:
        """Yield every file with the name that messages give it; all of them are found before one is read."""
        if not self._paths:
            raise BluxConfigError("path is an empty list; name at least one file.")
        for url in self._paths:
            if not isinstance(url, str) or not url.strip():
                raise BluxConfigError("path holds something that is no text, or empty text; name a file.")
            yield from self._found(url)

    def _found(self, url: str) -> Iterator[tuple[tuple[Any, str], str]]:
        try:
            root = ObjectStoragePath(url, conn_id=self._conn_id)
            fs, place = root.fs, root.path
            if _GLOB.search(place):
                paths = sorted(path for path in fs.glob(place) if fs.isfile(path))
            elif fs.isdir(place):
                paths = sorted(path for path in fs.find(place) if not _is_marker(path, place))
            else:
                paths = [place] if fs.exists(place) else []
        except (OSError, ImportError, ValueError) as error:
            raise BluxSourceError(f"{url} cannot be opened ({type(error).__name__}: {error}).") from error
        if not paths:
            raise BluxSourceError(f"{url}: there is no such file. Check the path, or whether its producer has run.")
        scheme = f"{root.protocol}://" if root.protocol else ""  # a plain local path has none
        for path in paths:
            yield (fs, path), url if path == place else f"{scheme}{path}"


def _is_marker(path: str, folder: str) -> bool:
    """Tell what engines leave beside data (``_SUCCESS``, ``.part-0.crc``) from data, as Spark and Hive do."""
    below = PurePosixPath(path).parts[len(PurePosixPath(folder).parts) :]
    return any(part.startswith(("_", ".")) for part in below)

"""Reads records from files in object storage: a file, a folder, a glob, or a list of these, in sorted order."""

from __future__ import annotations

import logging
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from glob import escape
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, ObjectStoragePath

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError, unreadable
from airflow_provider_blux.sources.csv_text import dialect_of
from airflow_provider_blux.sources.formats import FileFormat, layout_of, records
from airflow_provider_blux.sources.listing import files_at
from airflow_provider_blux.sources.paths import (
    BEFORE_THE_PATH,
    AnyPath,
    for_airflow,
    partition_folders,
    partitions_of,
    urls_of,
)
from airflow_provider_blux.sources.rows import LineRow

log = logging.getLogger(__name__)

# What Python and JSON write for a list of text.
_LIST = re.compile(r"""\s*[\[(]\s*["'\])]""")
# Bytes fetched at a time from object storage; the default of s3fs is ten times as much.
_READ_AHEAD = 5 * 1024 * 1024


class StorageSource:
    """Records from files.

    :param path: object-storage URLs or local paths: files, folders (read with everything below them), globs.
    :param conn_id: the Airflow connection of the storage.
    :param file_format: ``jsonl``, ``json``, ``csv``, ``parquet``, or ``rejects`` for rejects files. ``None`` to detect
        the format of each file by its suffix. Compression (``.gz``, ``.bz2``, ``.zst``) is detected only by the suffix.
    :param encoding: encoding of CSV files; ``None`` for UTF-8.
    :param delimiter: delimiter of CSV files; ``None`` for a comma.
    :param hive_partitioning: whether a folder ``grade=gold`` gives its records a column ``grade``. ``None`` means
        ``False``, and a warning names such folders.
    :param operation: the operation that sends the records, such as ``upsert_users``: rejects files of another one are
        refused. ``None`` to accept all.
    :param check_columns_of: checks the column names of a CSV file that has only one line; see :func:`comma_separated`.
    :param argument: the name of the argument that gives ``path``, for messages. If it is ``suppression_path``, no file
        may be left out.
    """

    def __init__(
        self,
        path: AnyPath | Sequence[AnyPath],
        *,
        conn_id: str | None = None,
        file_format: FileFormat | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        hive_partitioning: bool | None = None,
        operation: str | None = None,
        check_columns_of: Callable[[Any], object] | None = None,
        argument: str = "path",
    ) -> None:
        self._paths = urls_of(path)
        self._argument = argument
        self._conn_id = conn_id
        self._file_format = file_format
        self._dialect = dialect_of(encoding, delimiter)
        self._has_dialect = encoding is not None or delimiter is not None
        self._hive_partitioning = hive_partitioning
        self._operation = operation
        self._check_columns_of = check_columns_of
        self._begins: list[tuple[int, str]] = []
        self._warned: set[str] = set()

    def __str__(self) -> str:
        return ", ".join(map(str, self._paths))

    def __iter__(self) -> Iterator[Any]:
        files = [(found, name, layout_of(name, self._file_format, self._dialect)) for found, name in self._files()]
        if self._has_dialect and all(layout.file_format != "csv" for *_, layout in files):
            raise BluxConfigError(f"encoding and delimiter are for CSV, and no file of {self} is CSV. Leave them out.")
        outside = [name for (_, path), name, _ in files if self._hive_partitioning and not partition_folders(path)]
        if outside:
            raise BluxConfigError(
                f"hive_partitioning=True, but no folder of {outside[0]} is named like grade=gold. Correct path, or "
                "leave hive_partitioning out."
            )
        if self._hive_partitioning is None:
            self._warn_of_partitions([path for (_, path), _, _ in files])
        self._begins, number = [], 0
        for (fs, path), name, layout in files:
            self._begins.append((number + 1, name))
            columns = partitions_of(path) if self._hive_partitioning else {}
            with _open(fs, path, name) as file:
                found = records(
                    file, name, layout, operation=self._operation, check_columns_of=self._check_with(columns)
                )
                before = _state_of(file)
                for record in _with_columns(found, columns, name) if columns else found:
                    number += 1
                    yield record
                if _state_of(file) != before:
                    raise BluxSourceError(
                        f"{name} was changed while it was read, so that records may be missing. Write a file under "
                        "another name, rename it when it is complete, and run the task again."
                    )

    def place_of(self, number: int) -> str | None:
        """Return the position of a record as text: its file and its number in that file; ``None`` before any reading.

        The number in the file is not a line number: blank lines are not records, and a cell may contain line breaks.

        :param number: the number of the record in the source (1-based).
        """
        at = bisect_right(self._begins, number, key=lambda begin: begin[0])
        if not at:
            return None
        first, name = self._begins[at - 1]
        return f"record {number - first + 1:,} of {name}"

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the files in bytes, by URL.

        Wildcard characters in the URLs are escaped, so that each URL can be used as a ``path`` and matches only its
        file.
        """
        try:
            return {escape(name): int(fs.size(path) or 0) for (fs, path), name in self._files()}
        except OSError as error:
            raise unreadable(str(self), error) from error

    def has_no_file(self) -> bool:
        """Return whether none of the paths matches a file."""
        return not any(self._found(url) for url in self._urls())

    def _check_with(self, columns: Mapping[str, str | None]) -> Callable[[Any], object] | None:
        """Return ``check_columns_of`` for a file whose records also have the columns from its folder names."""
        check = self._check_columns_of
        return (lambda row: check(LineRow({**row, **dict.fromkeys(columns)}))) if check and columns else check

    def _urls(self) -> list[str]:
        if not self._paths:
            raise BluxConfigError(f"{self._argument} is an empty list; name at least one file.")
        for url in self._paths:
            # A template without a value renders to the text None: with `on_missing`, a missing file may be no error.
            if not isinstance(url, str) or url.strip() in ("", "None"):
                raise BluxConfigError(
                    f"{self._argument} holds something that is no text and no path, or empty text, or the text None; "
                    "name a file."
                )
            if _LIST.match(url):
                raise BluxConfigError(
                    f"{self._argument} has been rendered to the text of a list. Pass the upstream task's output itself "
                    f"({self._argument}=task.output), set render_template_as_native_obj=True in the DAG, or name a "
                    "file."
                )
        return self._paths

    def _files(self) -> Iterator[tuple[tuple[Any, str], str]]:
        """Yield ``((file system, path), name)`` for each file; ``name`` is for messages."""
        for url in self._urls():
            found = self._found(url)
            if not found:
                begins = os.path.expanduser(url.partition("/")[0]) if url.startswith("~") else os.getcwd()
                place = "" if "://" in url or url.startswith("/") else f" in {begins}"
                raise BluxSourceError(
                    f"{url}: there is no such file{place}. Check the path, or whether its producer has run."
                )
            yield from found

    def _found(self, url: str) -> list[tuple[tuple[Any, str], str]]:
        root, fs = self._root(url)
        place = root.path
        try:
            fs.invalidate_cache()  # another try in the same process must see the current files
            paths = files_at(fs, place, self._warn)
        except AirflowException:
            raise
        except Exception as error:
            raise unreadable(url, error) from error
        before = BEFORE_THE_PATH.match(url)  # `None` for a local path without a scheme
        return [((fs, path), url if path == place else f"{before.group() if before else ''}{path}") for path in paths]

    def _warn_of_partitions(self, paths: Sequence[str]) -> None:
        folders = sorted({folder for path in paths for folder, _ in partition_folders(path)})
        if folders:
            named = ", ".join(f"{folder}=..." for folder in folders)
            self._warn(
                f"{self}: folders are named {named}, which are no columns of the records. Set hive_partitioning=True "
                "to make them columns, or False if that is not meant."
            )

    def _warn(self, warning: str) -> None:
        """Log a warning, but only once: a task may look for its files and read them several times.

        :raises BluxConfigError: the files are a suppression list, of which no part may be left out.
        """
        if self._argument == "suppression_path":
            raise BluxConfigError(
                f"suppression_path: {warning} This try sent nothing, since a user could be missing from the list."
            )
        if warning not in self._warned:
            self._warned.add(warning)
            log.warning("%s", warning)

    def _root(self, url: str) -> tuple[Any, Any]:
        try:
            # In Airflow before 3.3, an explicit `conn_id=None` would override the connection in the URL.
            root = ObjectStoragePath(for_airflow(url), **({"conn_id": self._conn_id} if self._conn_id else {}))
            fs = root.fs
        except (ImportError, ValueError) as error:
            raise BluxConfigError(
                f"{url} cannot be opened ({type(error).__name__}: {error}). Check the URL, and that the Airflow "
                "provider of its storage is installed (for S3: apache-airflow-providers-amazon[s3fs])."
            ) from error
        return root, fs


def _with_columns(records: Iterable[Any], columns: Mapping[str, str | None], name: str) -> Iterator[Any]:
    """Yield the records with the columns from folder names; records that are not objects are unchanged."""
    for record in records:
        if isinstance(record, dict):
            if twice := sorted(columns.keys() & record.keys()):
                raise BluxConfigError(
                    f"{name} has a column {twice[0]}, and so has its folder; one of the two would be lost. Leave it "
                    "out of the file, or set hive_partitioning=False."
                )
            record.update(columns)
        yield record


def _state_of(file: Any) -> tuple[int, int] | None:
    """Return the size and the time of the last change of an open file on a disk; ``None`` for any other file."""
    try:
        state = os.fstat(file.fileno())
    except (AttributeError, OSError):
        return None
    return (state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None


def _open(fs: Any, path: str, name: str) -> Any:
    try:
        file = fs.open(path, "rb", block_size=_READ_AHEAD)
    except Exception as error:
        raise unreadable(name, error) from error
    # In object storage, a file may have the name of a folder. Its library then opens the folder, as an empty file.
    if (getattr(file, "details", None) or {}).get("type") == "directory":
        file.close()
        raise BluxSourceError(
            f"{name} is both a file and a folder in its storage, so that the records of the file would be missing. "
            "Rename or remove one of the two.",
            retry_helps=False,
        )
    return file

"""Finds the files that a path stands for: one file, the files of a folder, or the files that a glob matches."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError, described
from airflow_provider_blux.sources.formats import format_by_suffix

_GLOB = re.compile(r"[*?\[]")


def files_at(fs: Any, place: str, warn: Callable[[str], None]) -> list[str]:
    """Return the sorted paths of the files at a path; an empty list if there are none.

    :param place: the path of a file, of a folder, or a glob. A folder stands for all files in it at any depth, except
        those that :func:`_is_marker` excludes; so does ``**`` in a glob. A path that exists is not treated as a glob,
        even with wildcards in it.
    :param warn: called with a warning about files that are not read.
    :raises BluxConfigError: the folder holds a table whose files also have rows of earlier versions.
    :raises BluxSourceError: a folder in which there may be files cannot be read.
    """
    if fs.isdir(place):
        if not isinstance(fs, LocalFileSystem):
            return _below(place, fs.find(place), warn)
        found = list(_walk(fs, place, place))
        _check_links(place, found, folders=())
        return _below(place, found, warn)
    if isinstance(fs, LocalFileSystem):  # its `exists` is false for a file that the worker may not look for
        with suppress(FileNotFoundError, NotADirectoryError):
            os.stat(place)
    if fs.exists(place):
        return [place]
    if not _GLOB.search(place):
        return []
    if isinstance(fs, LocalFileSystem) or "**" not in place:  # object storage lists all below ** at once, or fails
        _check_folders_of_glob(fs, place)
    matches = sorted(path for path in fs.glob(place) if not path.endswith("/"))
    files = [path for path in matches if not fs.isdir(path)]
    if "**" in place:
        folders = set(matches).difference(files)
        files += [path for path in folders if format_by_suffix(path) and _is_file_too(fs, path)]
        return _below(place.partition("**")[0], files, warn)
    if len(files) < len(matches):
        warn(
            f"{place} matches folders, and a glob does not read the files in them. To read these files, add /** to it."
        )
    return files


def _below(folder: str, found: Iterable[str], warn: Callable[[str], None]) -> list[str]:
    """Return the sorted paths of the files with records among the files found below a folder, or a glob of folders."""
    if any("/_delta_log/" in path or "/.hoodie/" in path for path in found):
        raise BluxConfigError(
            f"{folder} holds a table of Delta Lake or Hudi, whose files also have rows that were changed or deleted "
            "since. Read the table with a tool that knows its format, and send the result or an export."
        )
    files = sorted(path for path in found if not _is_marker(path, folder))
    if hidden := [path for path in set(found).difference(files) if format_by_suffix(path)]:
        warn(
            f"{min(hidden)} is not read, since its name or that of its folder begins with _ or a dot. If it should be "
            "read, rename it; otherwise move it elsewhere."
        )
    return files


def _walk(fs: Any, folder: str, place: str) -> Iterator[str]:
    """Yield the paths of all files and links below a folder on a disk, where ``fs.find`` would pass over errors.

    :param place: the folder that is read, with ``folder`` in it.
    """
    for entry in _listed(fs, folder, place):
        if entry["type"] == "directory":
            yield from _walk(fs, entry["name"], place)
        else:
            yield entry["name"]


def _listed(fs: Any, folder: str, place: str) -> list[dict[str, Any]]:
    """Return the entries of a folder, each with its path (``name``) and ``type``.

    The list is empty if the folder was removed meanwhile, or if it cannot be read and no file in it would be read.

    :param place: the folder that is read, or a glob of folders, as for :func:`_is_marker`.
    """
    try:
        entries: list[dict[str, Any]] = fs.ls(folder, detail=True)
    except OSError as error:
        if _is_marker(folder, place) or (isinstance(error, FileNotFoundError) and not fs.exists(folder)):
            return []
        raise BluxSourceError(
            f"{folder} cannot be read ({described(error)}), so that records may be missing. Let the worker read this "
            "folder, or give a path that leaves it out."
        ) from error
    return entries


def _is_file_too(fs: Any, folder: str) -> bool:
    """Return whether an object has the name of a folder: ``fs.glob`` lists only one of the two, as a folder."""
    if isinstance(fs, LocalFileSystem):
        return False
    beside = fs.ls(folder.rpartition("/")[0], detail=True)
    return any(entry["name"] == folder and entry["type"] == "file" for entry in beside)


def _check_folders_of_glob(fs: Any, place: str) -> None:
    """Check that each folder in which a glob may match files can be read: ``fs.glob`` leaves out any other folder.

    The outermost folders come first, so that ``fs.glob`` uses the checked lists if the file system caches them.
    """
    patterns = [place, *map(str, PurePosixPath(place).parents)]
    outermost = next(at for at, pattern in enumerate(patterns) if not _GLOB.search(pattern))
    # An object storage lists only the names that begin like the first pattern; if that fails, so does ``fs.glob``.
    is_whole = isinstance(fs, LocalFileSystem) or _GLOB.match(PurePosixPath(patterns[outermost - 1]).name) is not None
    for pattern in reversed(patterns[0 if "**" in place else 1 : outermost + is_whole]):
        found = fs.glob(pattern, detail=True) if _GLOB.search(pattern) else {pattern: {"type": "directory"}}
        folders = [path for path, info in found.items() if info["type"] == "directory"]
        for folder in folders:
            _listed(fs, folder, place.partition("**")[0])
        if isinstance(fs, LocalFileSystem):
            _check_links(place.partition("**")[0], found, folders)


def _check_links(place: str, found: Iterable[str], folders: Iterable[str]) -> None:
    """Raise an error for a link to a folder, in which ``fs.find`` and ``fs.glob`` find no file on a local disk.

    A link to one of ``folders``, such as ``latest``, is no error: the files in these folders are read.

    :param place: the folder that is read, or a glob of folders, as for :func:`_is_marker`.
    :param found: the paths of files, folders and links.
    """
    targets = {os.path.realpath(folder) for folder in folders}
    for path in found:
        is_other = os.path.islink(path) and os.path.isdir(path) and os.path.realpath(path) not in targets
        if is_other and not _is_marker(path, place):
            raise BluxSourceError(
                f"{path} is a link to a folder, and files in such a folder are not found here, so that records would "
                "be missing. Name the link itself, as an item of a list, and leave it out of this path.",
                retry_helps=False,
            )


def _is_marker(path: str, folder: str) -> bool:
    """Return whether a file has no records, by its name: ``_SUCCESS``, ``.part-0.crc``, ``_temporary/0.json``.

    Engines such as Spark start the names of such files and folders with ``_`` or ``.``. A path that ends with ``/`` is
    the empty object with which an S3 console represents a folder.

    :param folder: the folder that is read, or a glob of such folders; its own name does not count.
    """
    if path.endswith("/"):  # the empty object that represents a folder in S3
        return True
    below = PurePosixPath(path).parts[len(PurePosixPath(folder).parts) :]
    return any(part.startswith(("_", ".")) for part in below)

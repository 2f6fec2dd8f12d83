"""Storage that outlives the process: folders on a disk or in object storage, and files of lines."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedReader
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from airflow_provider_blux.exceptions import BluxConfigError, BluxError, described

PART = re.compile(r"\.part(\d+)\.jsonl$")
"""The end of the name of a numbered part, with the number; see :class:`Lines`."""

_UNFINISHED = ".unfinished"
# No write takes a day, so an older unfinished file was left by a killed process.
_LEFT_AFTER_SECONDS = 24 * 60 * 60
# With these errors of a storage, the name of a folder or the rights of the worker are wrong.
_WRONG_FOLDER = (
    PermissionError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    ValueError,
    NotImplementedError,
)


@contextmanager
def named_in_errors(what: str, done: str, way_out: str) -> Iterator[None]:
    """Convert an error of a storage into a :class:`BluxError` that names what cannot be read or written.

    :param done: what is done with it in this context, for the message, such as ``read``.
    """
    try:
        yield
    except Exception as error:
        raise BluxError(f"{what} cannot be {done} ({described(error)}). {way_out}") from error


class Folder:
    """A folder, created if it does not exist.

    On a local disk, new files and new folders are accessible to their owner only. An existing folder keeps its mode.

    :param fs: the fsspec file system of the folder.
    :param path: the path of the folder in that file system.
    :param argument: name of the argument that the DAG author gave the folder in, for messages.
    :param connection: the Airflow connection in the URL of the folder, with an ``@`` after it; empty without one.
    """

    def __init__(self, fs: Any, path: str, argument: str, connection: str = "") -> None:
        self._fs = fs
        self._path = path.rstrip("/")
        self._argument = argument
        self._connection = connection

    def __str__(self) -> str:
        # With its connection, so that the URLs of its files can be read.
        return str(self._fs.unstrip_protocol(self._path)).replace("://", f"://{self._connection}", 1)

    @property
    def is_local(self) -> bool:
        """Whether the folder is on a local disk. Only there can files be appended to; objects are written whole."""
        protocols = self._fs.protocol
        return "file" in ((protocols,) if isinstance(protocols, str) else protocols)

    def url(self, name: str) -> str:
        """Return the URL of a file in the folder."""
        return f"{self}/{name}"

    def prepare(self) -> None:
        """Create the folder and check that it is writable.

        :raises BluxConfigError: the folder cannot be created or written to.
        :raises BluxError: the storage does not answer, or with an error that may be gone at the next try.
        """
        probe = f"{self._path}/.probe-{secrets.token_hex(8)}"
        try:
            self._make(self._path)
            self._fs.pipe_file(probe, b"")
            self._fs.rm_file(probe)
        except Exception as error:  # of boto, not every error is an OSError
            said = f"{self._argument}: nothing can be written to {self} ({described(error)})."
            if isinstance(error, _WRONG_FOLDER):
                raise BluxConfigError(f"{said} Name a folder that the worker may write to.") from error
            raise BluxError(f"{said} This try sent nothing. Check whether the storage answers.") from error

    def named_in_errors(self, name: str, done: str) -> AbstractContextManager[None]:
        """Return :func:`named_in_errors` for a file of the folder; the message names the argument, too."""
        return named_in_errors(
            f"{self._argument}: {self.url(name)}",
            done,
            "Check the storage, and that the worker may read, write, list and delete the files of the folder.",
        )

    def read(self, name: str) -> bytes | None:
        """Return a file's content; ``None`` when there is no such file."""
        try:
            content: bytes = self._fs.cat_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return None
        return content

    def has(self, name: str) -> bool:
        """Return whether the folder has a file of this name."""
        self._fs.invalidate_cache(self._path)  # other processes write to the folder, too
        return bool(self._fs.exists(f"{self._path}/{name}"))

    def sizes(self) -> dict[str, int]:
        """Return the file names in the folder with their sizes in bytes; an empty dict if the folder is missing."""
        self._fs.invalidate_cache(self._path)  # other processes write to the folder, too
        try:
            found = self._fs.ls(self._path, detail=True)
        except FileNotFoundError:
            return {}
        return {file["name"].rpartition("/")[2]: file["size"] or 0 for file in found if file["type"] == "file"}

    def open(self, name: str) -> BufferedReader:
        """Open a file for reading.

        :raises FileNotFoundError: there is no such file.
        """
        # A file of fsspec in object storage cannot read a line up to a number of bytes.
        return BufferedReader(self._fs.open(f"{self._path}/{name}", "rb"))

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Write a file as a whole: a reader sees the old content or the new one, never a part.

        Only if writing several parts to object storage fails, an incomplete object may exist until it is removed.

        :param content: the content, or its parts in order.
        """
        path = f"{self._path}/{name}"
        parts = [content] if isinstance(content, bytes) else content
        if not self.is_local and isinstance(content, bytes):
            self._fs.pipe_file(path, content)
            return
        if not self.is_local:
            try:
                with self._fs.open(path, "wb") as file:
                    for part in parts:
                        file.write(part)
            except BaseException:  # closing the file has uploaded an incomplete object
                self.remove(name)
                raise
            return
        unfinished = f"{path}.{secrets.token_hex(8)}{_UNFINISHED}"
        self._make(os.path.dirname(path))
        try:
            _make_private(unfinished)
            with self._fs.open(unfinished, "wb") as file:
                for part in parts:
                    file.write(part)
                _sync(file)
            os.replace(unfinished, path)
            _sync_folder_of(path)
        except BaseException:  # a full disk would stay full
            with suppress(OSError):
                os.remove(unfinished)
            raise

    def append(self, name: str, content: bytes) -> None:
        """Append to a local file; return when the content is on the disk. After an error, the file is as before."""
        path = f"{self._path}/{name}"
        whole = os.path.getsize(path) if os.path.exists(path) else 0
        try:
            _make_private(path)
            with self._fs.open(path, "ab") as file:
                file.write(content)
                _sync(file)
            if not whole:
                _sync_folder_of(path)
        except BaseException:  # half a line would spoil the lines after it
            if os.path.exists(path):
                os.truncate(path, whole)
            raise

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            self._fs.rm_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return

    def remove_unfinished(self, part_of_name: str) -> None:
        """Remove files that a killed process left unfinished on a local disk, if they are at least a day old.

        :param part_of_name: only files whose names contain this text are removed.
        """
        if not self.is_local:
            return
        for name in self.sizes():
            if part_of_name in name and name.endswith(_UNFINISHED):
                with suppress(OSError):  # another task has removed the file, or the folder is not writable
                    if time.time() - os.stat(f"{self._path}/{name}").st_mtime >= _LEFT_AFTER_SECONDS:
                        os.remove(f"{self._path}/{name}")

    def _make(self, path: str) -> None:
        if not self.is_local:
            if path.startswith("/"):  # otherwise it begins with a bucket, which would be created if its name is wrong
                self._fs.makedirs(path, exist_ok=True)
        elif path and not os.path.isdir(path):
            self._make(os.path.dirname(path))  # `os.makedirs` gives its mode to the last folder only
            with suppress(FileExistsError):  # another task has made it meanwhile
                os.mkdir(path, 0o700)


def _make_private(path: str) -> None:
    """Create an empty file that only its owner can access; keep a file that exists."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder_of(path: str) -> None:
    """Write the name of a new file to the disk: without it, the file could be gone after a power failure."""
    with suppress(OSError):  # some network file systems cannot, and a folder may be writable only
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Lines:
    """The lines that one try writes to a folder; thread-safe.

    On a local disk, lines are appended to ``NAME.jsonl``. Objects in object storage can only be written whole, so each
    flush with new lines writes another object: ``NAME.part00000001.jsonl``, ``NAME.part00000002.jsonl``, ...
    The number has eight digits, so that the names in sorted order give the order of the lines.

    Existing files are kept: if there is a file of this name, or another delivery of this process is about to write it,
    ``NAME-2``, ``NAME-3``, ... is used in place of ``NAME``. Such files are from another delivery of the same try, or
    from a DAG run that was deleted and created again. If the storage does not tell whether a file exists, a random
    number is used.
    """

    #: Those of this process by the URL of their first file: of two deliveries at the same time, none has a file yet.
    _open: ClassVar[WeakValueDictionary[str, Lines]] = WeakValueDictionary()
    _naming = threading.Lock()

    def __init__(self, folder: Folder, name: str) -> None:
        folder.prepare()
        self._folder = folder
        self._name = name
        self._new: list[bytes] = []
        # URLs and not names: thousands of receipts files are named in the report after each batch.
        self._written: list[str] = []
        with self._naming:
            self._keep_earlier()
            self._open[self._next_url()] = self
        self._state = threading.Lock()
        self._writing = threading.Lock()

    @property
    def urls(self) -> list[str]:
        """The URLs of the files, including the file that the next flush will write.

        A flush in another thread is waited for: lines that were added meanwhile come into the file after it.
        """
        with self._writing, self._state:
            coming = self._next_url() if self._new else None
            return self._written + ([coming] if coming and coming not in self._written[-1:] else [])

    def add(self, lines: Sequence[bytes]) -> None:
        """Add lines without their line ends; they are durable after the next flush."""
        with self._state:
            self._new.extend(lines)

    def flush(self) -> None:
        """Write all added lines; return when they are durable.

        Lines that other threads add during a write are written together by the next flush.

        :raises BluxError: the lines cannot be written; the next flush tries again.
        """
        with self._writing:
            with self._state:
                lines, file = self._new[:], self._next_file()
            if not lines:
                return
            content = b"".join(line + b"\n" for line in lines)
            with self._folder.named_in_errors(file, "written"):
                if self._folder.is_local:
                    self._folder.append(file, content)
                else:
                    self._folder.write(file, content)
            with self._state:
                del self._new[: len(lines)]
                if (url := self._folder.url(file)) not in self._written[-1:]:
                    self._written.append(url)

    def _keep_earlier(self) -> None:
        """Choose the name of the file so that no earlier file is overwritten: ``NAME``, or else ``NAME-2`` and so on.

        If it cannot be checked which files exist, the number is a random one.
        """
        name, number = self._name, 1
        try:
            while self._next_url() in self._open or self._folder.has(self._next_file()):
                number += 1
                self._name = f"{name}-{number}"
        except Exception:  # noqa: BLE001 - a storage may deny listing, each with another error
            self._name = f"{name}-{secrets.randbits(48)}"

    def _next_file(self) -> str:
        return f"{self._name}.jsonl" if self._folder.is_local else f"{self._name}.part{len(self._written) + 1:08}.jsonl"

    def _next_url(self) -> str:
        return self._folder.url(self._next_file())

"""A folder on a disk or in object storage, where a run keeps what must outlive it."""

from __future__ import annotations

import os
import secrets
from typing import Any

from airflow_provider_blux.exceptions import BluxConfigError


class Folder:
    """A folder, made when it is missing.

    :param fs: the fsspec file system that holds it.
    :param path: its path there.
    :param argument: the argument that named it, for messages.
    """

    def __init__(self, fs: Any, path: str, argument: str) -> None:
        self._fs = fs
        self._path = path.rstrip("/")
        self._argument = argument

    def __str__(self) -> str:
        return str(self._fs.unstrip_protocol(self._path))

    @property
    def is_local(self) -> bool:
        """Whether files can be appended to; an object can only be written whole."""
        protocols = self._fs.protocol
        return "file" in ((protocols,) if isinstance(protocols, str) else protocols)

    def url(self, name: str) -> str:
        """Return where a file of the folder lies."""
        return f"{self}/{name}"

    def prepare(self) -> None:
        """Make the folder and prove that it can be written to.

        :raises BluxConfigError: when it cannot.
        """
        probe = f"{self._path}/.probe-{secrets.token_hex(8)}"
        try:
            self._fs.makedirs(self._path, exist_ok=True)
            self._fs.pipe_file(probe, b"")
            self._fs.rm_file(probe)
        except (OSError, ValueError, NotImplementedError) as error:
            raise BluxConfigError(
                f"{self._argument}: nothing can be written to {self} ({type(error).__name__}). Name a folder that the "
                "worker may write to."
            ) from error

    def read(self, name: str) -> bytes | None:
        """Return a file's content; ``None`` when there is no such file."""
        try:
            content: bytes = self._fs.cat_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole: a reader sees the old content or the new one, never a part."""
        path = f"{self._path}/{name}"
        if not self.is_local:
            self._fs.pipe_file(path, content)
            return
        unfinished = f"{path}.{secrets.token_hex(8)}.unfinished"
        self._fs.makedirs(os.path.dirname(path), exist_ok=True)
        with self._fs.open(unfinished, "wb") as file:
            file.write(content)
            _sync(file)
        os.replace(unfinished, path)

    def append(self, name: str, content: bytes) -> None:
        """Append to a local file; return when the content is on the disk."""
        path = f"{self._path}/{name}"
        whole = os.path.getsize(path) if os.path.exists(path) else 0
        try:
            with self._fs.open(path, "ab") as file:
                file.write(content)
                _sync(file)
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


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())

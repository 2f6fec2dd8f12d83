"""Lines that must outlive the process: appended to a file, or put into one object after the other."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from airflow_provider_blux.delivery.folder import Folder


class Lines:
    """The lines of one try in a folder; thread-safe.

    On a disk they are appended to ``NAME.jsonl``. An object in object storage can only be written whole, so there every
    flush that brings lines makes a new one: ``NAME.part0001.jsonl``, ``NAME.part0002.jsonl``, ...
    """

    def __init__(self, folder: Folder, name: str) -> None:
        folder.prepare()
        self._folder = folder
        self._name = name
        self._new: list[bytes] = []
        self._files: list[str] = []
        self._state = threading.Lock()
        self._writing = threading.Lock()

    @property
    def urls(self) -> list[str]:
        """Where the lines lie, those included that the next flush will write."""
        with self._state:
            coming = [self._next_file()] if self._new else []
            return [self._folder.url(file) for file in dict.fromkeys([*self._files, *coming])]

    def add(self, lines: Sequence[bytes]) -> None:
        """Add lines without their line ends; they are durable after the next flush."""
        with self._state:
            self._new.extend(lines)

    def flush(self) -> None:
        """Return when everything that was added is where it will outlive this process.

        Lines that many threads add while one of them is writing are written together by the next.
        """
        with self._writing:
            with self._state:
                lines, file = self._new[:], self._next_file()
            if not lines:
                return
            content = b"".join(line + b"\n" for line in lines)
            if self._folder.is_local:
                self._folder.append(file, content)
            else:
                self._folder.write(file, content)
            with self._state:
                del self._new[: len(lines)]
                if file not in self._files:
                    self._files.append(file)

    def _next_file(self) -> str:
        return f"{self._name}.jsonl" if self._folder.is_local else f"{self._name}.part{len(self._files) + 1:04}.jsonl"

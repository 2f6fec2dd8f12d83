"""The threads that send: only as many as requests are on their way.

They stand in line, and only the first of them waits for a batch and for its turn. While it is away another one is the
first (the pattern is known as Leader/Followers). A thread more is started when nobody is left to be the first: answers
take longer than turns are apart. With a pool of as many threads as there may be requests on their way, they would all
have their share of the work, and every change from one to another costs as much as it takes to prepare a request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Piece = TypeVar("Piece")
Turn = TypeVar("Turn")
# Where turns are no further apart than this, they are no reason for a thread: the last one may be back by then.
NO_PACE_SECONDS = 0.001
# But that nobody waits for a turn for so long is.
_PATIENCE = 0.05


class Crew(Generic[Piece, Turn]):
    """Does pieces of work in threads of its own, in the order in which they are put.

    :param wait: waits for the turn of a piece; called for one piece after the other.
    :param work: does a piece that has its turn, beside others. Neither may raise.
    :param most: threads at most.
    :param turns_apart: seconds between two turns.
    """

    def __init__(
        self,
        wait: Callable[[Piece], Turn],
        work: Callable[[Piece, Turn], None],
        *,
        most: int,
        turns_apart: float,
    ) -> None:
        self._wait = wait
        self._work = work
        self._most = most
        self._patience = 0.0 if turns_apart > NO_PACE_SECONDS else _PATIENCE
        self._pieces: SimpleQueue[Piece | None] = SimpleQueue()
        self._line = threading.Lock()
        self._state = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._in_line = 0
        self._nobody_since = float("-inf")

    @property
    def waiting(self) -> int:
        """How many pieces wait behind the one that is the next to have its turn."""
        return self._pieces.qsize()

    def put(self, piece: Piece) -> None:
        """Add a piece."""
        self._pieces.put(piece)
        self.tend()

    def tend(self) -> None:
        """Start a thread if one is missing; to be called now and then."""
        with self._state:
            is_missing = not self._in_line and time.monotonic() - self._nobody_since >= self._patience
            if not is_missing or len(self._threads) >= self._most or self._pieces.empty():
                return
            thread = threading.Thread(target=self._serve, name=f"blux-sender-{len(self._threads)}")
            try:
                thread.start()
            except RuntimeError:  # the machine gives no more: those that there are will do, if there are any
                if not self._threads:
                    raise
                return
            self._in_line += 1
            self._threads.append(thread)

    def dismiss(self) -> None:
        """Drop the pieces that have not had their turn, and wait for the others; leave no thread behind."""
        with suppress(Empty):  # the first in line may take the last one meanwhile
            while True:
                self._pieces.get_nowait()
        self._pieces.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while True:
            with self._line:
                piece = self._pieces.get()
                if piece is None:
                    self._pieces.put(None)  # for the next in line
                    return
                turn = self._wait(piece)
                with self._state:
                    self._in_line -= 1
                    self._nobody_since = time.monotonic()
            self.tend()
            self._work(piece, turn)
            with self._state:
                self._in_line += 1

"""The snapshot during one run: it compares rows with the last accepted ones, and records newly accepted rows.

A row is stored in the snapshot when its request has been accepted. Before a request is sent, its users are removed from
the snapshot, durably and for many requests at once. So after a crash these users are sent again, unless the snapshot
files already store their accepted rows.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from airflow_provider_blux.delivery.accepted_rows import SIZE, AcceptedRows
from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.record import Mark, Record
from airflow_provider_blux.delivery.row_digests import USER_BYTES, RowDigests
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.snapshot_files import Entry, Header, SnapshotFolder, Target, piece_name
from airflow_provider_blux.delivery.snapshot_state import EXPIRES_AFTER, State, load, merge_if_due
from airflow_provider_blux.delivery.tolerance import is_exceeded, limit_in_words
from airflow_provider_blux.exceptions import BluxAbsentError, BluxError, BluxRecordError, BluxSnapshotError, described
from airflow_provider_blux.records.ids import identifier
from airflow_provider_blux.records.properties import OBJECTS

# One write removes this many users ahead of their requests; with a slow source, the users of two seconds.
_AHEAD_USERS, _AHEAD_SECONDS = 20_000, 2.0

log = logging.getLogger(__name__)


class Totals(NamedTuple):
    """Numbers of users in the source and in the snapshot.

    :param named: number of users in the source.
    :param before: number of users in the snapshot before the run.
    :param absent: number of users in the snapshot before the run that are not in the source.
    """

    named: int
    before: int
    absent: int


def check_absent(totals: Totals | None, max_absent: float | None, *, validate_only: bool) -> None:
    """Check that the number of snapshot users missing from the source is within the limit.

    :param totals: ``None`` if the numbers are unknown.
    :param max_absent: a number of users (an int), or a share of the snapshot's users (a float); ``None`` for no limit.
    :param validate_only: whether nothing was sent, for the message.
    :raises BluxAbsentError: more users are missing.
    """
    if totals is None or max_absent is None:
        return
    if is_exceeded(max_absent, totals.absent, totals.before):
        done = "Nothing was sent (validate_only)" if validate_only else "Everything in the source was delivered"
        raise BluxAbsentError(
            f"Of {totals.before:,} in the snapshot, {totals.absent:,} are missing from the source; allowed are "
            f"{limit_in_words(max_absent)} (max_absent). {done}, and nobody was deleted. "
            "If the source is complete, raise max_absent for this run. A run with full_refresh=True forgets "
            "those that are missing."
        )


class Snapshot:
    """The snapshot of users or devices during one run; used only by the thread that reads the source.

    :param digests: computes the digests of users and rows.
    :param id_column: the column of the source that holds the id.
    :param full_refresh: whether all rows are sent and a new snapshot is started.
    :param read_only: whether nothing is sent, so that no file is written.
    """

    def __init__(
        self,
        folder: SnapshotFolder,
        target: Target,
        digests: RowDigests,
        run: Run,
        *,
        id_column: str,
        full_refresh: bool = False,
        read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._target = target
        self._digests = digests
        self._run = run
        self._id_column = id_column
        self._full_refresh = full_refresh
        self._read_only = read_only
        self._clock = clock
        self._rows, self._number_before = AcceptedRows(), 0
        self._before: State | None = None
        self._entry: Entry
        self._stored, self._forgotten = bytearray(), bytearray()
        self._token, self._sequence, self._is_closed = "", 0, False
        self._replaces: str | None = None

    def __str__(self) -> str:
        return str(self._folder)

    def begin(self, replaces: str | None = None) -> str | None:
        """Read the snapshot and write the first file of the run; called before the first request.

        :param replaces: what this method returned in an earlier try whose full refresh this try continues.
        :return: the id of the run in which the full refresh began: this run, or that of an earlier try of the task.
            ``None`` without a full refresh. When it has ended, the files that existed when that run started are no
            longer valid.
        :raises BluxSnapshotError: the snapshot cannot be read, or was written for another application. A full refresh
            logs this instead, and ignores the old snapshot.
        """
        self._rows, self._before = AcceptedRows(), None  # frees the memory of an earlier read of the source first
        self._before = state = self._load()
        self._rows, self._number_before = state.rows, len(state.rows)
        for user in state.contested:
            self._rows.bar(user)
        self._open(state.names)
        self._replaces = (replaces or self._token) if self._full_refresh else None
        log.info("Snapshot %s: number of %s in it: %s.", self._folder, self._target.records, f"{self._number_before:,}")
        if state.contested:
            log.info(
                "Snapshot %s: a run that has not ended was about to send %s more. They are sent again by each run "
                "until that run has ended or, if it was killed, for %d hours.",
                self._folder,
                f"{len(state.contested):,}",
                EXPIRES_AFTER // timedelta(hours=1),
            )
        return self._replaces

    def mark(self, row: Any) -> Mark | None:
        """Look up a row of the source in the snapshot, and remember that the user of this row is in the source.

        :return: the digests of user and row, and whether the row equals the user's last accepted row (always ``False``
            with a full refresh). ``None`` if the row is not an object, or its id cannot be read.
        """
        if not isinstance(row, OBJECTS):
            return None
        user_id = row.get(self._id_column)
        try:
            if type(user_id) is not str:
                user_id = identifier(user_id, self._id_column, check=False)
            user, digest = self._digests.user(user_id), self._digests.row(row)
        except (BluxRecordError, ValueError):  # not an id, or with a lone surrogate: the row is rejected later
            return None
        return Mark(user_id, user, digest, *self._rows.meet(user, None if self._full_refresh else digest))

    def mark_of(self, user_id: str) -> Mark:
        """Return a :class:`Mark` without a digest of the row, and remember that the source has the user.

        Called if :meth:`mark` found no id in the row: the id is then known only after the row has become a record. Such
        a row is always sent, and is not stored in the snapshot.
        """
        user = self._digests.user(user_id)
        return Mark(user_id, user, None, *self._rows.meet(user, None))

    def announced(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Remove the users of all batches from the snapshot; yield each batch when its users are durably removed.

        Several batches are read ahead, so that one file stores the removals of all of them.
        """
        waiting: list[Batch] = []
        ready: deque[Batch] = deque()
        users, since = 0, -_AHEAD_SECONDS
        for batch in batches:
            waiting.append(batch)
            users += len(batch.records)
            if users >= _AHEAD_USERS or (not ready and self._clock() - since >= _AHEAD_SECONDS):
                self._forget(waiting)
                ready.extend(waiting)
                waiting, users, since = [], 0, self._clock()
            if ready:
                yield ready.popleft()
        self._forget(waiting)
        yield from ready
        yield from waiting

    def accepted(self, records: Iterable[Record]) -> None:
        """Store the rows of accepted records in the snapshot; they are durable after the next file is written."""
        for record in records:
            mark = record.mark
            if mark and mark.row and self._rows.learn(mark.user, mark.at, mark.row):
                self._stored += mark.user + mark.row + b"\0"

    def end(self, *, is_whole: bool) -> Totals | None:
        """Write the last file of the run, merge the files if there are many, and return the numbers of users.

        Called when no request is in flight; called again if it has raised. A failed merge is logged and not raised.

        :param is_whole: whether the source was read to its end and each record has its outcome. Otherwise the numbers
            are unknown (``None``) and nothing is merged.
        """
        totals = self._totals() if is_whole else None
        self._close(named=totals and totals.named, replaces=self._replaces if is_whole else None)
        if is_whole and not self._read_only:
            try:
                merge_if_due(self._folder, self._target, self._after())
            except Exception as error:  # noqa: BLE001 - all is delivered and remembered; a later run merges
                log.warning("Snapshot %s: its files could not be merged (%s).", self._folder, described(error))
        return totals

    def _after(self) -> State | None:
        """Return the state of the snapshot after this run, computed from the rows in memory instead of the files.

        Files that other runs have written in the meantime are ignored. Return ``None`` if the rows in memory are not
        enough. The rows in memory are discarded, so call this only once, at the end.
        """
        rows, self._rows = self._rows, AcceptedRows()
        before, self._before = self._before, None
        if before is None or self._replaces not in (None, self._token):
            return None
        rows.settle(keep_unmet=not self._full_refresh)
        return State(
            rows=rows,
            names=[*before.names, *(piece_name(self._token, sequence) for sequence in range(self._sequence))],
            history=[*([] if self._full_refresh else before.history), self._entry],
            is_open=before.is_open,
            contested=frozenset(),
        )

    def _load(self) -> State:
        try:
            return load(self._folder)
        except BluxSnapshotError as error:
            if not self._full_refresh:
                raise
            log.warning("A new snapshot takes the place of one that cannot be used. (%s)", error.message)
            return load(self._folder, is_replaced=True)

    def _open(self, found: Sequence[str]) -> None:
        self._token, self._sequence, self._is_closed = secrets.token_hex(8), 0, False
        self._entry = Entry(at="", task=self._run.task, stored=0, forgotten=0)
        self._write(found=found)

    def _totals(self) -> Totals | None:
        """Return how many users the source and the snapshot have, and how many of the snapshot the source lacks.

        A mapped task reads only a part of the source, so its numbers are unknown: ``None`` is returned.

        Log a warning if the source has less than half of the users that it had in the last run of the task.
        """
        if self._run.map_index >= 0:
            return None
        named = self._rows.met_old + self._rows.met_new
        entries = reversed(self._before.history if self._before else ())
        named_before = (entry.named for entry in entries if entry.task == self._run.task)
        last = next((number for number in named_before if number is not None), None)
        if last and named * 2 < last:
            log.warning(
                "The source names %s %s, less than half of the %s of last time. If it is not complete, users are "
                "missing from it; max_absent says how many may be.",
                f"{named:,}",
                self._target.records,
                f"{last:,}",
            )
        return Totals(named, self._number_before, self._number_before - self._rows.met_old)

    def _forget(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._forgotten += b"".join([record.mark.user for record in batch.records.values() if record.mark])
            self._forgotten += b"".join(batch.left)
            for user in batch.left:
                self._rows.drop(user)
        if self._forgotten:
            self._write()

    def _close(self, **header: Any) -> None:
        """Write the last file of the run, unless an earlier call has written it."""
        if not self._is_closed:
            self._write(closed=True, **header)
            self._is_closed = True

    def _write(self, **header: Any) -> None:
        """Write a file with the changes since the last write, unless ``read_only``; return when it is durable.

        :param header: more fields of :class:`Header`.
        :raises BluxError: the folder cannot be written to.
        """
        if self._read_only:
            return
        beginning = Header(
            target=self._target,
            run=self._token,
            sequence=self._sequence,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            task=self._run.task,
            stored=len(self._stored) // SIZE,
            **header,
        )
        try:
            self._folder.append(beginning, bytes(self._stored), bytes(self._forgotten))
        except Exception as error:  # of boto, not every error is an OSError
            raise BluxError(
                f"snapshot_path: {self._folder} cannot be written to ({described(error)}), so nothing more is "
                "sent. What was sent since the last write is sent again by the next run."
            ) from error
        self._entry = msgspec.structs.replace(
            self._entry,
            at=beginning.at,
            stored=self._entry.stored + beginning.stored,
            forgotten=self._entry.forgotten + len(self._forgotten) // USER_BYTES,
            named=beginning.named,
        )
        self._sequence += 1
        self._stored.clear()
        self._forgotten.clear()


class Forgetting(Snapshot):
    """The snapshot during a run that deletes users: they are removed from its files, and no rows are compared."""

    def begin(self, replaces: str | None = None) -> None:  # noqa: ARG002 - nothing is replaced
        """Check that the folder is empty, or that at least one file can be used; write the first file of the run.

        A file can be used if it is readable and was written for this application. Other files are ignored: a full
        refresh may have replaced an unreadable file, and replaced files stay in the folder. An empty folder is warned
        of, since its name may be wrong.

        :raises BluxSnapshotError: there are files, but none that can be used.
        """
        names = list(self._folder.sizes())
        if not names:
            log.warning(
                "Snapshot %s: there is none yet. If a task that sends these users has another snapshot_path, name that "
                "one here: otherwise it does not send a deleted user who registers again with the same row.",
                self._folder,
            )
        fault: BluxSnapshotError | None = None
        for name in names:
            try:
                self._folder.header(name)
                break
            except FileNotFoundError:  # merged with the others meanwhile
                continue
            except BluxSnapshotError as error:
                fault = fault or error
        else:
            if fault:
                raise fault
        self._open(names)

    def mark(self, row: Any) -> None:
        """Return ``None``, since rows of deletions are not compared."""

    def mark_of(self, user_id: str) -> Mark:
        """Return a :class:`Mark` with the digest of a user's id, by which the user is removed from the snapshot."""
        return Mark(user_id, self._digests.user(user_id))

    def end(self, *, is_whole: bool) -> None:  # noqa: ARG002
        """Write the last file of the run; return ``None``, since a deletion does not count users.

        The next run that sends users merges the files.
        """
        self._close()

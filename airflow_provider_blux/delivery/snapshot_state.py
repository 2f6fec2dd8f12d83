"""Computes the state of a snapshot from all of its files, and merges the files into one."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from typing import TypeVar

from airflow_provider_blux.delivery.accepted_rows import AcceptedRows
from airflow_provider_blux.delivery.digest_map import DigestMap
from airflow_provider_blux.delivery.row_digests import USER_BYTES
from airflow_provider_blux.delivery.snapshot_files import (
    MERGED,
    Entry,
    Header,
    Piece,
    SnapshotFolder,
    Target,
    piece_name,
)
from airflow_provider_blux.exceptions import BluxError, BluxSnapshotError

# No request of a run is in flight for longer: it has six attempts, each at most an hour after the one before.
EXPIRES_AFTER = timedelta(hours=12)
# Files are merged when those of single runs have together a quarter of the size of the merged file, or are too many.
_WORTH, _MANY = 4, 200
_ATTEMPTS = 5
_LONGEST_HISTORY = 100
_NUMBER_BYTES = 4
_CONFLICT = b"\xff" * _NUMBER_BYTES

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of a snapshot at the start of a run.

    :param names: the names of all files found, including files that are no longer valid.
    :param history: the runs that wrote the snapshot, in order.
    :param is_open: whether any other run may have requests in flight.
    :param contested: digests of users whose requests may be in flight: another run removed them from the snapshot,
        because it was about to send them, and has not stored them since.
    """

    rows: AcceptedRows
    names: Sequence[str]
    history: Sequence[Entry]
    is_open: bool
    contested: frozenset[bytes]


def load(folder: SnapshotFolder, *, is_replaced: bool = False, now: datetime | None = None) -> State:
    """Read a snapshot.

    :param is_replaced: whether a full refresh replaces the snapshot. Then only the users that other runs are about to
        send are read; no row is returned, and unreadable files are skipped.
    :param now: current time, to detect runs that died long ago; ``None`` to use the clock.
    :raises BluxSnapshotError: a file cannot be read, or belongs to another target.
    :raises BluxError: other runs merged files during each of five attempts to read.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _Files(folder, is_replaced=is_replaced).state(now or datetime.now(UTC))
        except FileNotFoundError:  # another run has merged the file since the folder was listed
            continue
    raise BluxError(f"The snapshot {folder} changed each time it was read, {_ATTEMPTS} times; try again.")


def merge_if_due(folder: SnapshotFolder, target: Target, loaded: State | None = None) -> None:
    """Merge all files into one if there are enough of them and no run has requests in flight.

    An interrupted merge loses nothing: the merged file is complete before the other files are removed.

    :param loaded: a state that was computed earlier, used if the folder still has exactly the files of this state.
        Otherwise, or if ``None``, the files are read.
    """
    sizes = folder.sizes()
    pieces = [size for name, size in sizes.items() if not name.endswith(MERGED)]
    if sum(pieces) * _WORTH < sum(sizes.values()) - sum(pieces) and len(pieces) <= _MANY:
        return
    folder.remove_unfinished()
    state = loaded if loaded and sizes.keys() == set(loaded.names) else load(folder)
    if state.is_open:
        return
    merged = Header(
        target=target,
        run=secrets.token_hex(8),
        covers=state.names,
        history=state.history[-_LONGEST_HISTORY:],
    )
    folder.write_merged(merged, state.rows)
    for name in state.names:
        folder.remove(name)


class _Files:
    """Reads all files of a snapshot.

    The content of a file is ignored (the file is void) if a merged file covers it or a full refresh has replaced it.
    """

    def __init__(self, folder: SnapshotFolder, *, is_replaced: bool) -> None:
        self._folder = folder
        self._names = _listed(folder)
        self._errors: dict[str, BluxSnapshotError] = {}
        merged = dict(self._read([name for name in self._names if name.endswith(MERGED)], folder.header))
        covered = {name for header in merged.values() for name in header.covers or ()}
        # Covered files are not read: the merge may be removing them right now.
        single = [name for name in self._names if not name.endswith(MERGED) and name not in covered]
        pieces = dict(self._read(single, folder.piece))
        replaced = _replaced(pieces)
        void = set(self._names) if is_replaced else covered | replaced | _overtaken(merged, replaced)
        for name, error in self._errors.items():
            if name not in void:
                raise error
        self._merged = {name: header for name, header in merged.items() if name not in void}
        # A run may still have requests in flight although a full refresh has made its earlier files void.
        self._runs, self._live = _by_run(pieces, covered), _by_run(pieces, void)
        self._found = {run: _found(run, pieces) for run in self._runs}

    def state(self, now: datetime) -> State:
        """Return the state of the snapshot.

        :param now: current time, by which runs that died long ago are detected.
        """
        order, rows = self._in_order(), self._merged_rows()
        open_runs = [pieces for pieces in self._runs.values() if _is_open(pieces[-1].header, now)]
        resolution = _Resolution(rows, is_line=self._is_line(order))
        for run in order:
            resolution.apply(self._live[run], self._found[run], is_blind=self._is_blind(run))
        entries = [entry for header in self._merged.values() for entry in header.history]
        return State(
            rows=rows,
            names=self._names,
            history=[*dict.fromkeys(entries), *(_entry(self._live[run]) for run in order)],
            is_open=bool(open_runs),
            contested=frozenset(user for pieces in open_runs for user in _unsettled(pieces)),
        )

    def _read(self, names: Iterable[str], reader: Callable[[str], T]) -> Iterator[tuple[str, T]]:
        for name in names:
            try:
                yield name, reader(name)
            except BluxSnapshotError as error:
                self._errors[name] = error

    def _merged_rows(self) -> AcceptedRows:
        """Return the rows of the merged file.

        If several runs have merged files at the same time, return the rows that all of the merged files contain.
        """
        names = iter(self._merged)
        first = next(names, None)
        rows = AcceptedRows() if first is None else self._folder.merged(first)
        for name in names:
            rows.keep_common(self._folder.merged(name))
        return rows

    def _in_order(self) -> list[str]:
        """Return the runs in order: a run comes after the runs whose files it found at its start."""
        run_of = {piece.header.name: run for run, pieces in self._live.items() for piece in pieces}
        found = {run: {run_of[name] for name in self._found[run] if name in run_of} for run in self._live}
        return list(TopologicalSorter(found).static_order())

    def _is_line(self, order: Sequence[str]) -> bool:
        """Return whether the runs took place one after another: each found, at its start, all files of earlier runs.

        :param order: the ids of the runs, the oldest first.
        """
        before: set[str] = set()
        for run in order:
            if not self._found[run] >= before:
                return False
            before.update(piece.header.name for piece in self._live[run])
        return True

    def _is_blind(self, run: str) -> bool:
        """Return whether the first file of a run is missing. Only this file says which runs were earlier.

        Another run has removed it: it took this run for dead and merged its files, but then this run wrote more files.
        All other runs that are not merged began after that merge. So this run counts as the earliest.
        """
        return self._runs[run][0].header.sequence > 0


class _Resolution:
    """Applies the files of runs, in order, to the rows of the snapshot.

    :param is_line: whether each run found all files of the runs before it. If not, two runs may have changed the same
        user without knowing of each other. To detect this, the file that last changed a user is stored for each user.
    """

    def __init__(self, rows: AcceptedRows, *, is_line: bool) -> None:
        self._rows = rows
        self._touched = None if is_line else DigestMap(USER_BYTES, _NUMBER_BYTES)
        self._names: list[str] = []

    def apply(self, pieces: Sequence[Piece], found: frozenset[str], *, is_blind: bool) -> None:
        """Update the rows with the files of one run.

        :param pieces: the files that the run wrote.
        :param found: the names of the files that existed when the run started; empty with ``is_blind``.
        :param is_blind: whether these names are not known, and thus not which files are older than the run. All users
            in ``pieces`` are then removed from the rows, so that they are sent again.
        """
        unseen = {self._number(at) for at, name in enumerate(self._names) if name not in found}
        if unseen:
            unseen.add(_CONFLICT)
        for piece in pieces:
            number = self._number(len(self._names))
            self._names.append(piece.header.name)
            if self._touched is None and not is_blind:
                # No user of `stored` is still in the rows: the run removed each user before it sent the user's row.
                self._rows.unpack(piece.stored)
                for user in piece.users():
                    self._rows.remove(user)
                continue
            for user, row in piece.rows():
                self._touch(user, None if is_blind else row, number, unseen)
            for user in piece.users():
                self._touch(user, None, number, unseen)

    def _touch(self, user: bytes, row: bytes | None, number: bytes, unseen: set[bytes]) -> None:
        if self._touched is not None:
            if self._touched.get(user) in unseen:
                row, number = None, _CONFLICT
            self._touched.put(user, number)
        if row is None:
            self._rows.remove(user)
        else:
            self._rows.set_row(user, row)

    @staticmethod
    def _number(number: int) -> bytes:
        return number.to_bytes(_NUMBER_BYTES)


def _listed(folder: SnapshotFolder) -> list[str]:
    """Return the names of all files.

    :raises FileNotFoundError: a merge ran during the listing, so the list may be incomplete.
    """
    names = list(folder.sizes())
    if any(name.endswith(MERGED) for name in folder.sizes().keys() - names):
        raise FileNotFoundError("merged")
    return names


def _replaced(pieces: Mapping[str, Piece]) -> set[str]:
    """Return the names of the files that full refreshes have replaced."""
    replaced: set[str] = set()
    for piece in pieces.values():
        if began := piece.header.replaces:
            # If the first file of the run that began the refresh was merged with other files, the run that ended it
            # has replaced all files that it found.
            replaced |= _found(began if piece_name(began, 0) in pieces else piece.header.run, pieces)
    return replaced


def _overtaken(merged: Mapping[str, Header], replaced: set[str]) -> set[str]:
    """Return the names of files written by a merge that must be ignored.

    That is so if a full refresh has replaced any of the files that were merged, since it began before the merge ended;
    or if another merge has merged them all and more.

    :param merged: the header of each file that a merge has written, by name.
    :param replaced: the names of the files that full refreshes have replaced.
    """
    covers = {name: frozenset(header.covers or ()) for name, header in merged.items()}
    by_merge = {name for name, part in covers.items() if any(part < whole for whole in covers.values())}
    return by_merge | {name for name, part in covers.items() if not part.isdisjoint(replaced)}


def _by_run(pieces: Mapping[str, Piece], void: set[str]) -> dict[str, list[Piece]]:
    runs: dict[str, list[Piece]] = defaultdict(list)
    for name in sorted(pieces.keys() - void):
        runs[pieces[name].header.run].append(pieces[name])
    return runs


def _found(run: str, pieces: Mapping[str, Piece]) -> frozenset[str]:
    """Return the names of the files that existed when a run started.

    The first file of the run lists them. If it is gone, return an empty set.
    """
    first = pieces.get(piece_name(run, 0))
    return frozenset(first.header.found) if first else frozenset()


def _is_open(last: Header, now: datetime) -> bool:
    """Return whether a run may have requests in flight: it has not ended, and wrote a file in the last 12 hours.

    :param last: the header of the last file of the run.
    """
    return not last.closed and now - datetime.fromisoformat(last.at) < EXPIRES_AFTER


def _unsettled(pieces: Sequence[Piece]) -> set[bytes]:
    """Return the users that a run was about to send, without those that it later recorded as accepted."""
    users: set[bytes] = set()
    for piece in pieces:
        users.difference_update(user for user, _ in piece.rows())
        users.update(piece.users())
    return users


def _entry(pieces: Sequence[Piece]) -> Entry:
    last = pieces[-1].header
    return Entry(
        at=last.at,
        task=last.task,
        stored=sum(piece.header.stored for piece in pieces),
        forgotten=sum(len(piece.forgotten) for piece in pieces) // USER_BYTES,
        named=last.named,
    )

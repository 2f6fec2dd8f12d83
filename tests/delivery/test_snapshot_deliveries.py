"""No update is lost: random histories of complete deliveries against the emulator.

After each complete run, each user in its source has the row of this run, unless an overlapping run had the user, too.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.receipts import Hashes
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.row_digests import RowDigests
from airflow_provider_blux.delivery.settings import shaping_of
from airflow_provider_blux.delivery.snapshot_files import SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxAuthError, BluxError, BluxSnapshotError
from airflow_provider_blux.records.shapes import never_sent
from tests.delivery.pushing import Memory, held, push, snapshot_in, target_of
from tests.delivery.test_snapshot import Dying

IDS = [f"u{number}" for number in range(8)]
VALUES = [1, "1", True, 1.0, "a", None, [1], ["1"], math.nan]
# All with `send_nulls`, so that a user has exactly the row that was accepted last.
READINGS: list[dict[str, Any]] = [
    {},
    {"field_mapping": {"x": "z"}},
    {"exclude_fields": ["seen"]},
    {"lowercase_columns": True},
]
SHAPINGS = [shaping_of({"send_nulls": True, **reading}) for reading in READINGS]  # type: ignore[typeddict-item]
DIGESTS = [RowDigests(None, repr(shaping), never_sent("upsert_users", "application", shaping)) for shaping in SHAPINGS]
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 503, "processed": True},
    {"kind": "status", "status": 401, "processed": True},
    {"kind": "reset", "processed": True},
    {"kind": "status", "status": 500, "processed": True, "times": 1},
]

Rows = Sequence[tuple[str, Any, int]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a task.

    :param rows: for each row the id, the value of column ``x``, and the value of column ``seen``.
    :param deletes: whether the users are deleted.
    :param refused: the users whose records the API refuses.
    :param fault: the fault after ``skip`` requests.
    :param files: how many files can be written before the disk is gone; ``None`` for any number.
    :param retry: whether a run that fails has another try, and whether that is a full refresh.
    :param inner: a run that begins and ends when half of the rows are read.
    """

    rows: Rows
    reading: int = 0
    deletes: bool = False
    refresh: bool = False
    suppressed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    fault: int | None = None
    skip: int = 0
    files: int | None = None
    batch_size: int = 2
    writes_each_batch: bool = False
    retry: bool | None = None
    inner: Run | None = None

    @property
    def users(self) -> set[str]:
        """The users whose rows are uncertain if another run overlaps this run."""
        named = {user for user, _, _ in self.rows}
        return named | self.refused | (self.inner.users if self.inner else set())

    @property
    def dies(self) -> bool:
        return self.files is not None or (self.inner is not None and self.inner.dies)


def some_run(chance: Random, before: Rows, *, may_die: bool, may_hold_another: bool = True) -> Run:
    """Return a random run, in which something unusual happens now and then.

    :param before: the rows of the run before it, most of which come again.
    """

    def rarely(value: Callable[[], Any], otherwise: Any) -> Any:
        return value() if chance.random() < 0.15 else otherwise

    def some_users() -> frozenset[str]:
        return frozenset(chance.sample(IDS, 2))

    users = chance.choices(IDS, k=chance.randint(0, 8))
    again = [row for row in before if chance.random() < 0.8] if chance.random() < 0.7 else []
    values = VALUES if chance.random() < 0.3 else VALUES[:3]  # a value that was there before must be likely
    return Run(
        rows=again + [(user, chance.choice(values), chance.randint(0, 1)) for user in users[len(again) :]],
        reading=rarely(lambda: chance.randrange(len(READINGS)), 0),
        deletes=rarely(lambda: True, False),
        refresh=rarely(lambda: True, False),
        suppressed=rarely(some_users, frozenset()),
        refused=rarely(some_users, frozenset()),
        fault=rarely(lambda: chance.randrange(len(FAULTS)), None),
        skip=chance.randint(0, 2),
        files=rarely(lambda: chance.randint(1, 4), None) if may_die else None,
        batch_size=chance.randint(1, 4),
        writes_each_batch=chance.random() < 0.5,
        retry=chance.choice([None, False, False, True]),
        inner=rarely(lambda: some_run(chance, before, may_die=may_die, may_hold_another=False), None)
        if may_hold_another
        else None,
    )


class Source:
    """Yields one dict for all rows, filled again for each; after half of the rows, another run takes place."""

    def __init__(self, run: Run, history: History) -> None:
        self._run = run
        self._history = history
        self._inner = run.inner

    def __iter__(self) -> Iterator[Any]:
        row: dict[str, Any] = {}
        for number, (user, x, seen) in enumerate(self._run.rows):
            if number == len(self._run.rows) // 2 and self._inner:
                inner, self._inner = self._inner, None
                self._history.take(inner, overlapped=self._run.users)
            if self._run.deletes:
                yield user
                continue
            row.clear()
            row.update({"user_id": user, "x": x, "seen": seen})
            yield {name.upper(): value for name, value in row.items()} if self._run.reading == 3 else row


class History:
    """Executes runs, one after the other or one within another, and checks the content of Blux after each run."""

    def __init__(self, blux: Emulator, folder: Path) -> None:
        self._blux = blux
        self._folder = folder

    def take(self, run: Run, overlapped: Set[str] = frozenset()) -> Report:
        """Execute a run and its retry; return its report.

        :param overlapped: the users for whom another run may have requests in flight.
        """
        if run.refused:
            self._blux.fault(kind="refuse", ids=sorted(run.refused))
        if run.fault is not None:
            self._blux.fault(**FAULTS[run.fault], skip=run.skip)
        store = Memory()
        report, is_whole = self._push(run, store)
        self._blux.clear_faults()
        if not is_whole and run.retry is not None:
            report, is_whole = self._push(replace(run, files=None, refresh=run.refresh or run.retry), store)
        if is_whole:
            self._look(run, overlapped)
            is_left_out = [user in run.suppressed for user, _, _ in run.rows]
            assert report.suppressed == (0 if run.deletes else sum(is_left_out))
        return report

    def _push(self, run: Run, store: Any) -> tuple[Report, bool]:
        options = {"send_nulls": True, **READINGS[run.reading]}
        operation: Any = "delete_users" if run.deletes else "upsert_users"
        shaping = SHAPINGS[run.reading]
        fs = LocalFileSystem() if run.files is None else Dying(run.files)
        snapshot = snapshot_in(
            Folder(fs, str(self._folder), "snapshot_path"),
            operation,
            reading=repr(shaping),
            excluded=never_sent(operation, "application", shaping),
            full_refresh=run.refresh,
            **({"clock": count(0, 10).__next__} if run.writes_each_batch else {}),
        )
        if not run.deletes:
            options |= {"full_refresh": run.refresh}
            if run.suppressed:
                options["suppression"] = Suppression(sorted(run.suppressed), Hashes(None), "the list")
        else:
            options = {}
        try:
            report = push(
                self._blux,
                operation,
                Source(run, self),
                snapshot=snapshot,
                store=store,
                batch_size=run.batch_size,
                max_rejects=100,
                **options,
            )
        except BluxError as error:
            if isinstance(error, BluxSnapshotError):
                raise
            report, is_whole = Report(**error.report or {}), False
        else:
            is_whole = True
            assert report.read == len(run.rows)
        assert report.adds_up(), report.in_words()
        return report, is_whole

    def _look(self, run: Run, overlapped: Set[str]) -> None:
        found = held(self._blux)
        skipped = run.suppressed | run.refused | overlapped | (run.inner.users if run.inner else set())
        for user, row in last_rows(run).items():
            if user in skipped:
                continue
            if run.deletes:
                assert user not in found
            else:
                sent = {name: found[user].get(name, "missing") for name in row}
                assert json.dumps(sent) == json.dumps(row), user


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def last_rows(run: Run) -> Mapping[str, dict[str, Any]]:
    """Return the properties that Blux must have for each user: those of the last valid row."""
    column = "z" if run.reading == 1 else "x"
    rows = {}
    for user, x, seen in run.rows:
        if run.deletes or not is_nan(x):
            rows[user] = {column: x} | ({} if run.reading == 2 else {"seen": seen})
    return rows


@cache
def possible_rows() -> list[tuple[str, bytes, bytes, Run]]:
    """Return every row that a run may have: its user, the digests of the user and of the row, and a run with it."""
    return [
        (
            user,
            digests.user(user),
            digests.row({"user_id": user, "x": x, "seen": seen}),
            Run(rows=[row], reading=number),
        )
        for number, digests in enumerate(DIGESTS)
        for row in product(IDS, VALUES, (0, 1))
        for user, x, seen in [row]
    ]


def check_known(blux: Emulator, folder: Path) -> None:
    """Check that Blux has every row of the snapshot, since these rows would not be sent again."""
    state, found = load(SnapshotFolder(Folder(LocalFileSystem(), str(folder), "folder"), target_of())), held(blux)
    for user, of_user, of_row, row in possible_rows():
        if of_user in state.contested or state.rows.row_of(of_user) != of_row:
            continue
        for name, value in last_rows(row)[user].items():
            assert json.dumps(found[user][name]) == json.dumps(value), user


def check(blux: Emulator, folder: Path, history: Sequence[Run]) -> None:
    blux.reset()
    told = History(blux, folder)
    for run in history:
        told.take(run)
        check_known(blux, folder)
    everybody = Run(rows=[(user, "last", 0) for user in IDS], batch_size=4)
    for _ in range(2):
        told.take(everybody)
    report = told.take(everybody)

    # Whom a run was about to send when it died is sent for half a day.
    assert report.unchanged == len(IDS) or any(run.dies for run in history)


@pytest.fixture(autouse=True)
def _quietly(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL):
        yield


def check_histories(blux: Emulator, folder: Path, seeds: range) -> None:
    for seed in seeds:
        chance = Random(seed)  # noqa: S311 - the same histories each time
        may_die = bool(seed % 2)
        history: list[Run] = []
        for _ in range(chance.randint(2, 8)):
            history.append(some_run(chance, history[-1].rows if history else (), may_die=may_die))
        try:
            check(blux, folder / str(seed), history)
        except Exception as error:
            error.add_note(f"in the history of seed {seed}: {history}")
            raise


def test_blux_has_every_row_that_is_known_whatever_runs_have_come_to(blux: Emulator, tmp_path: Path) -> None:
    check_histories(blux, tmp_path, range(30))


def deliver_in_spite_of_faults(blux: Emulator, folder: Path, rows: list[dict[str, Any]], chance: Random) -> Report:
    """Deliver rows in as many tries as are needed: single requests of the first three are delayed or refused."""
    store, batch_size = Memory(), chance.randint(1, 3)
    for number in range(4):
        blux.clear_faults()
        if number < 3:
            for _ in range(chance.randint(0, 2)):
                blux.fault(kind="delay", seconds=0.03, skip=chance.randint(0, 3), times=1)
            is_processed = chance.random() < 0.5
            blux.fault(kind="status", status=401, skip=chance.randint(0, 3), times=1, processed=is_processed)
        with suppress(BluxAuthError):
            return push(blux, "upsert_users", rows, snapshot=snapshot_in(folder), store=store, batch_size=batch_size)
    raise AssertionError("the last try, without a fault, has failed")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_every_user_has_the_last_row_although_requests_of_others_failed(
    blux: Emulator, tmp_path: Path, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311 - the same histories each time
    rows: list[dict[str, Any]] = []
    for _ in range(4):
        new = [{"user_id": chance.choice(IDS), "x": chance.randint(0, 3)} for _ in range(chance.randint(0, 6))]
        rows = [row for row in rows if chance.random() < 0.85] + new
        report = deliver_in_spite_of_faults(blux, tmp_path, rows, chance)

        assert report.read == len(rows)
        last = {row["user_id"]: row["x"] for row in rows}
        assert {user: row["x"] for user, row in held(blux).items() if user in last} == last


@pytest.mark.slow
def test_blux_has_every_row_that_is_known_after_many_histories(blux: Emulator, tmp_path: Path) -> None:
    check_histories(blux, tmp_path, range(30, 140))

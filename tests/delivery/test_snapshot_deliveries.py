"""Never a lost update, by whole deliveries: random histories of runs against the emulator.

After each run that came to its end, every user whom it named, and no run that overlapped it, has the row that it named.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_blux.delivery.audit import Hashes
from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.report import Report
from airflow_provider_blux.delivery.settings import shaping_of
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxError, BluxSnapshotError
from airflow_provider_blux.records.shapes import never_sent
from tests.delivery.pushing import Memory, held, push, snapshot_in
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
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 503, "processed": True},
    {"kind": "status", "status": 401, "processed": True},
    {"kind": "reset", "processed": True},
    {"kind": "status", "status": 500, "processed": True, "times": 1},
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a task.

    :param rows: of each row the id, what is in its column ``x``, and what is in ``seen``.
    :param deletes: whether the users are deleted.
    :param refused: whose records the API refuses.
    :param fault: what goes wrong after ``skip`` requests.
    :param files: how many files can be written before the disk is gone; ``None`` for any number.
    :param retry: whether a run that fails has another try, and whether that is a full refresh.
    :param inner: a run that begins and ends when half of the rows are read.
    """

    rows: Sequence[tuple[str, Any, int]]
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
        return {user for user, _, _ in self.rows} | (self.inner.users if self.inner else set())

    @property
    def dies(self) -> bool:
        return self.files is not None or (self.inner is not None and self.inner.dies)


def rarely(value: st.SearchStrategy[Any], otherwise: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 4).flatmap(lambda number: value if number == 4 else st.just(otherwise))


def runs(inner: st.SearchStrategy[Any], *, may_die: bool) -> st.SearchStrategy[Run]:
    few = st.frozensets(st.sampled_from(IDS), max_size=2)
    return st.builds(
        Run,
        rows=st.lists(
            st.tuples(st.sampled_from(IDS), st.sampled_from(VALUES[:3]) | st.sampled_from(VALUES), st.integers(0, 1)),
            max_size=8,
        ),
        reading=rarely(st.integers(0, len(READINGS) - 1), 0),
        deletes=rarely(st.just(True), False),
        refresh=rarely(st.just(True), False),
        suppressed=rarely(few, frozenset()),
        refused=rarely(few, frozenset()),
        fault=rarely(st.integers(0, len(FAULTS) - 1), None),
        skip=st.integers(0, 2),
        files=rarely(st.integers(1, 4), None) if may_die else st.none(),
        batch_size=st.integers(1, 4),
        writes_each_batch=st.booleans(),
        retry=st.sampled_from([None, False, False, True]),
        inner=inner,
    )


class Source:
    """Rows of one dict that is used again for each; when half of them are read, another run takes place."""

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
    """Lets runs take place, one after the other or one in another, and looks at what Blux holds after each."""

    def __init__(self, blux: Emulator, folder: Path) -> None:
        self._blux = blux
        self._folder = folder

    def take(self, run: Run, overlapped: Set[str] = frozenset()) -> Report:
        """Let a run take place, and its retry; return its report.

        :param overlapped: the users of whom another run may have requests on their way.
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
        return report

    def _push(self, run: Run, store: Any) -> tuple[Report, bool]:
        options = {"send_nulls": True, **READINGS[run.reading]}
        operation: Any = "delete_users" if run.deletes else "upsert_users"
        shaping = shaping_of(options)  # type: ignore[arg-type]
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
        assert report.closed(), report.account()
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


def last_rows(run: Run) -> Mapping[str, dict[str, Any]]:
    """Return what Blux has to hold of each user's last row that is valid."""
    column = "z" if run.reading == 1 else "x"
    rows = {}
    for user, x, seen in run.rows:
        if run.deletes or not (isinstance(x, float) and math.isnan(x)):
            rows[user] = {column: x} | ({} if run.reading == 2 else {"seen": seen})
    return rows


def check(blux: Emulator, folder: Path, history: Sequence[Run]) -> None:
    blux.reset()
    told = History(blux, folder)
    for run in history:
        told.take(run)
    everybody = Run(rows=[(user, "last", 0) for user in IDS], batch_size=4)
    for _ in range(2):
        told.take(everybody)
    report = told.take(everybody)

    # Whom a run was about to send when it died is sent for half a day.
    assert report.unchanged == len(IDS) or any(run.dies for run in history)


def histories(*, may_die: bool) -> st.SearchStrategy[list[Run]]:
    alone = runs(st.none(), may_die=may_die)
    return st.lists(runs(rarely(alone, None), may_die=may_die), min_size=1, max_size=8)


QUICK = hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _quietly(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL):
        yield


FOLDERS = count()


@pytest.mark.parametrize("may_die", [False, True], ids=["all end", "some die"])
@QUICK
@given(data=st.data())
def test_every_user_whom_a_run_names_has_its_row_afterwards(
    blux: Emulator, tmp_path: Path, may_die: bool, data: Any
) -> None:
    check(blux, tmp_path / str(next(FOLDERS)), data.draw(histories(may_die=may_die)))


@pytest.mark.slow
@pytest.mark.parametrize("may_die", [False, True], ids=["all end", "some die"])
@hypothesis_settings(QUICK, max_examples=500)
@given(data=st.data())
def test_the_same_for_many_histories(blux: Emulator, tmp_path: Path, may_die: bool, data: Any) -> None:
    check(blux, tmp_path / str(next(FOLDERS)), data.draw(histories(may_die=may_die)))

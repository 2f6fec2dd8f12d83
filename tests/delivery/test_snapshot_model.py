"""No update is lost: random histories of runs, applied to the files of a snapshot and to a model of Blux."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_blux.delivery.batches import Batch
from airflow_provider_blux.delivery.record import Record
from airflow_provider_blux.delivery.row_digests import RowDigests
from airflow_provider_blux.delivery.snapshot import Snapshot
from airflow_provider_blux.delivery.snapshot_files import MERGED, SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load
from airflow_provider_blux.delivery.storage import Folder
from tests.delivery.pushing import OF_ONE_BUCKET, snapshot_in, target_of

USERS = OF_ONE_BUCKET
VALUES = [1, 2]
DIGESTS = RowDigests(None, "as it is")


def row_of(user: str, value: int) -> dict[str, Any]:
    return {"user_id": user, "n": value}


class Remembering(MemoryFileSystem):  # type: ignore[misc]
    """A file system that keeps a copy of all files that were removed."""

    store: ClassVar[dict[str, Any]] = {}  # that of the base class is every test's
    pseudo_dirs: ClassVar[list[str]] = [""]
    removed: ClassVar[dict[str, bytes]] = {}

    def rm_file(self, path: str) -> None:
        self.removed[path] = self.cat_file(path)
        super().rm_file(path)


class Live:
    """A run that has not ended.

    :ivar on_the_way: announced rows, whose requests may be sent at any time.
    :ivar arrived: rows whose requests were accepted without the run knowing it yet.
    :ivar changed_by_others: the users who were changed in Blux since the run began, and not by it.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.on_the_way: list[Record] = []
        self.arrived: list[Record] = []
        self.changed_by_others: set[str] = set()
        self.index = 0


def announced(run: Live, records: list[Record], left: list[Record]) -> None:
    run.index += 1
    batch = Batch(run.index, 1, len(records), {record.key: record for record in records})
    batch.left = [record.mark.user for record in left if record.mark]
    assert list(run.snapshot.announced([batch])) == [batch]


class History:
    """Runs begin, announce, send, learn, end, die; users are deleted; files are merged, whenever it may happen."""

    def __init__(self, chance: Random) -> None:
        self.fs = Remembering()
        self.fs.store.clear()
        self.fs.removed.clear()
        self.folder = Folder(self.fs, "/snapshot", "snapshot_path")
        self.chance = chance
        self.blux: dict[str, int | None] = dict.fromkeys(USERS)
        self.runs: list[Live] = []
        #: How often a row was announced whose user was known with another, without which nothing is tested.
        self.changed_known = 0
        #: How often an end has merged the files.
        self.merges = 0

    def step(self) -> None:
        """Take one random step of those that are possible now."""
        on_the_way = [run for run in self.runs if run.on_the_way]
        arrived = [run for run in self.runs if run.arrived]
        possible: list[tuple[int, Callable[[Any], None], list[Any]]] = [
            (6, self.begin, [self.chance.random() < 0.2] if len(self.runs) < 3 else []),
            (16, self.read_and_announce, self.runs),
            (16, self.send, on_the_way),
            (12, self.learn, arrived),
            (6, self.end, self.runs),
            (1, self.fail, self.runs),
            (1, self.die, self.runs),
            (1, self.delete, USERS),
        ]
        possible = [one for one in possible if one[2]]
        [(_, action, on)] = self.chance.choices(possible, [weight for weight, _, _ in possible])
        action(self.chance.choice(on))
        self.check()

    def change(self, user: str, value: int | None, by: Live) -> None:
        self.blux[user] = value
        for run in self.runs:
            if run is not by:
                run.changed_by_others.add(user)

    def known(self, user: str) -> bytes | None:
        return load(SnapshotFolder(self.folder, target_of())).rows.row_of(DIGESTS.user(user))

    def begin(self, full_refresh: bool) -> None:
        snapshot = snapshot_in(self.folder, full_refresh=full_refresh)
        snapshot.begin()
        self.runs.append(Live(snapshot))

    def read_and_announce(self, run: Live) -> None:
        send, left = {}, []
        for user in self.chance.choices(USERS, k=self.chance.randint(0, 3)):
            row = row_of(user, value := self.chance.choice(VALUES))
            mark = run.snapshot.mark(row)
            is_valid = self.chance.random() < 0.8
            if mark.is_in_snapshot and is_valid:
                # What another run changes meanwhile this one cannot see; the next one sends it.
                assert user in run.changed_by_others or self.blux[user] == value
            elif is_valid:
                self.changed_known += self.known(user) not in (None, mark.row)
                send[user] = Record(1, user, bytes([value]), mark=mark)
            else:  # or it is of a suppressed user
                left.append(Record(1, user, mark=mark))
        announced(run, list(send.values()), left)
        run.on_the_way += send.values()

    def send(self, run: Live) -> None:
        record = run.on_the_way.pop(0)
        if self.chance.random() < 0.8:
            self.change(record.key, record.content[0], run)
            run.arrived.append(record)

    def learn(self, run: Live) -> None:
        run.snapshot.accepted(run.arrived)
        run.arrived = []

    def end(self, run: Live) -> None:
        while run.on_the_way:
            self.send(run)
        self.learn(run)
        before = self.folder.sizes()
        run.snapshot.end(is_whole=self.chance.random() < 0.7)
        self.runs.remove(run)
        for merged in self.folder.sizes().keys() - before.keys():
            if merged.endswith(MERGED):
                self.merges += 1
                self.check_merge(merged)

    def fail(self, run: Live) -> None:
        """End a run whose last requests have arrived, without the run learning of it."""
        self._arrive_unheard(run)
        run.snapshot.end(is_whole=False)
        self.runs.remove(run)

    def die(self, run: Live) -> None:
        self._arrive_unheard(run)
        self.runs.remove(run)

    def _arrive_unheard(self, run: Live) -> None:
        for record in run.on_the_way[: self.chance.randint(0, 3)]:
            self.change(record.key, record.content[0], run)

    def delete(self, user: str) -> None:
        forgetting = snapshot_in(self.folder, "delete_users")
        forgetting.begin()
        run = Live(forgetting)
        announced(run, [Record(1, user, mark=forgetting.mark_of(user))], [])
        self.change(user, None, run)
        if self.chance.random() < 0.7:  # else it has died
            forgetting.end(is_whole=True)

    def check_merge(self, merged: str) -> None:
        """Check that a merged file has the same content as the files that it covers."""
        folder = SnapshotFolder(self.folder, target_of())
        covered = Folder(self.fs, "/covered", "snapshot_path")
        for name in folder.header(merged).covers or ():
            covered.write(name, self.fs.removed[f"/snapshot/{name}"])
        expected, state = load(SnapshotFolder(covered, target_of())), load(folder)
        self.fs.rm("/covered", recursive=True)
        users = [DIGESTS.user(user) for user in USERS]
        assert [state.rows.row_of(user) for user in users] == [expected.rows.row_of(user) for user in users]
        assert len(state.rows) == len(expected.rows)
        assert set(state.history) == set(expected.history)  # runs that did not find each other have no order

    def check(self) -> None:
        """Check that the rows of the snapshot equal the rows in Blux, except for contested users."""
        states = [load(SnapshotFolder(self.folder, target_of()))]
        if not self.runs:  # those that have died are taken for dead after a time
            states.append(load(SnapshotFolder(self.folder, target_of()), now=datetime.now(UTC) + timedelta(days=1)))
        for state in states:
            for user in USERS:
                known = state.rows.row_of(DIGESTS.user(user))
                if known is not None and DIGESTS.user(user) not in state.contested:
                    assert known == DIGESTS.row(row_of(user, self.blux[user] or 0))


@pytest.fixture(autouse=True)
def _quietly(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.ERROR):
        yield


def histories(seeds: range) -> list[History]:
    """Run histories; return them."""
    ended = []
    for seed in seeds:
        history = History(Random(seed))  # noqa: S311 - the same each time
        for step in range(40):
            try:
                history.step()
            except Exception as error:
                error.add_note(f"in step {step} of the history of seed {seed}")
                raise
        ended.append(history)
    return ended


@pytest.mark.parametrize(
    "seeds", [range(75), pytest.param(range(75, 700), marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_what_is_known_is_what_blux_holds_whatever_has_happened(seeds: range) -> None:
    ended = histories(seeds)

    assert sum(history.changed_known for history in ended) > len(seeds) / 3
    assert sum(history.merges for history in ended) > len(seeds) / 3

"""Never a lost update: random histories of runs, told to the files of a snapshot beside what Blux would hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_provider_blux.delivery.batches import Batch, Record
from airflow_provider_blux.delivery.row_digests import RowDigests
from airflow_provider_blux.delivery.snapshot import Snapshot
from airflow_provider_blux.delivery.snapshot_files import SnapshotFolder
from airflow_provider_blux.delivery.snapshot_state import load
from airflow_provider_blux.delivery.storage import Folder
from tests.delivery.pushing import snapshot_in, target_of

USERS = ["a", "b", "c"]
VALUES = [1, 2]
DIGESTS = RowDigests(None, "as it is")


def row_of(user: str, value: int) -> dict[str, Any]:
    return {"user_id": user, "n": value}


class Live:
    """A run that is going on.

    :ivar on_the_way: rows that were announced, whose requests may leave at any time.
    :ivar arrived: rows whose requests were accepted, which the run does not know yet.
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


class Histories(RuleBasedStateMachine):
    """Runs begin, announce, send, learn, end, die; users are deleted; files are merged, whenever it may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.blux: dict[str, int | None] = dict.fromkeys(USERS)
        self.runs: list[Live] = []

    def _change(self, user: str, value: int | None, by: Live) -> None:
        self.blux[user] = value
        for run in self.runs:
            if run is not by:
                run.changed_by_others.add(user)

    @initialize()
    def an_empty_folder(self) -> None:
        self.fs = MemoryFileSystem()
        self.fs.store.clear()
        self.folder = Folder(self.fs, "/snapshot", "snapshot_path")

    @rule(full_refresh=st.booleans() | st.just(False))
    def begin(self, full_refresh: bool) -> None:
        if len(self.runs) < 3:
            snapshot = snapshot_in(self.folder, full_refresh=full_refresh)
            snapshot.begin()
            self.runs.append(Live(snapshot))

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def read_and_announce(self, data: Any) -> None:
        run = data.draw(st.sampled_from(self.runs))
        rows = data.draw(
            st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from(VALUES), st.booleans()), max_size=3)
        )
        send, left = {}, []
        for user, value, is_valid in rows:
            row = row_of(user, value)
            mark = run.snapshot.mark(row)
            if mark.is_known:
                # What another run changes meanwhile this one cannot see; the next one sends it.
                assert user in run.changed_by_others or self.blux[user] == value
            elif is_valid:
                send[user] = Record(1, user, bytes([value]), mark=mark)
            else:
                left.append(Record(1, user, mark=mark))
        announced(run, list(send.values()), left)
        run.on_the_way += send.values()

    @precondition(lambda self: any(run.on_the_way for run in self.runs))
    @rule(data=st.data(), is_accepted=st.booleans() | st.just(True))
    def send(self, data: Any, is_accepted: bool) -> None:
        run = data.draw(st.sampled_from([run for run in self.runs if run.on_the_way]))
        record = run.on_the_way.pop(0)
        if is_accepted:
            self._change(record.key, record.content[0], run)
            run.arrived.append(record)

    @precondition(lambda self: any(run.arrived for run in self.runs))
    @rule(data=st.data())
    def learn(self, data: Any) -> None:
        run = data.draw(st.sampled_from([run for run in self.runs if run.arrived]))
        run.snapshot.accepted(run.arrived)
        run.arrived = []

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), is_whole=st.booleans())
    def end(self, data: Any, is_whole: bool) -> None:
        run = data.draw(st.sampled_from(self.runs))
        while run.on_the_way:
            record = run.on_the_way.pop(0)
            self._change(record.key, record.content[0], run)
            run.arrived.append(record)
        run.snapshot.accepted(run.arrived)
        run.snapshot.end(is_whole=is_whole)
        self.runs.remove(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), number_sent=st.integers(0, 3))
    def fail(self, data: Any, number_sent: int) -> None:
        """Some requests have arrived, of which the run never hears."""
        run = data.draw(st.sampled_from(self.runs))
        for record in run.on_the_way[:number_sent]:
            self._change(record.key, record.content[0], run)
        run.snapshot.end(is_whole=False)
        self.runs.remove(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), number_sent=st.integers(0, 3))
    def die(self, data: Any, number_sent: int) -> None:
        run = data.draw(st.sampled_from(self.runs))
        for record in run.on_the_way[:number_sent]:
            self._change(record.key, record.content[0], run)
        self.runs.remove(run)

    @rule(user=st.sampled_from(USERS))
    def delete(self, user: str) -> None:
        forgetting = snapshot_in(self.folder, "delete_users")
        forgetting.begin()
        run = Live(forgetting)
        announced(run, [Record(1, user, mark=forgetting.mark_of(user))], [])
        self._change(user, None, run)
        forgetting.end(is_whole=True)

    @invariant()
    def what_is_known_is_what_blux_holds(self) -> None:
        states = [load(SnapshotFolder(self.folder, target_of()))]
        if not self.runs:  # those that have died are taken for dead after a time
            states.append(load(SnapshotFolder(self.folder, target_of()), now=datetime.now(UTC) + timedelta(days=1)))
        for state in states:
            for user in USERS:
                known = state.rows.row_of(DIGESTS.user(user))
                if known is not None and DIGESTS.user(user) not in state.contested:
                    assert known == DIGESTS.row(row_of(user, self.blux[user] or 0))


Histories.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=30, deadline=None)


class TestHistories(Histories.TestCase):  # type: ignore[misc,name-defined]
    @pytest.fixture(autouse=True)
    def _quietly(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level(logging.ERROR):
            yield

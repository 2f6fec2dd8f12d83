"""A try that failed half-way, and the next one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from linecache import getline
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_blux.delivery.checkpoint_store import FileStore, TaskStateStore
from airflow_provider_blux.delivery.rejects import RejectsFile
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import (
    BluxAuthError,
    BluxCheckpointError,
    BluxConfigError,
    BluxError,
    BluxRejectLimitError,
    BluxUnavailable,
)
from airflow_provider_blux.sources.files import StorageSource
from tests.delivery.pushing import Memory, held, in_order, push

ROWS = [{"user_id": str(number), "n": number} for number in range(1000)]
EVENTS = [{"name": "viewed", "user_id": "u", "id": str(number)} for number in range(1000)]


def fail_half_way(blux, operation: str, rows: Any, store: Any, after: int = 4, **options: Any) -> None:
    """Let a try fail after ``after`` accepted requests."""
    blux.fault(kind="status", status=503, skip=after)
    with pytest.raises(BluxUnavailable):
        push(blux, operation, rows, store=store, batch_size=100, concurrency=1, **options)
    blux.clear_faults()
    assert store.load() is not None


def test_the_next_try_sends_only_the_rest(blux):
    store = Memory()
    fail_half_way(blux, "send_events", EVENTS, store)
    before = len(blux.requests())

    report = push(blux, "send_events", EVENTS, store=store, batch_size=100)

    assert [event["id"] for event in blux.all_events()].count("0") == 1
    assert len(list(blux.all_events())) == 1000
    assert len(blux.requests()) - before == 6
    assert (report.read, report.delivered, report.resumed, report.requests) == (1000, 1000, 400, 6)


def test_the_next_try_sends_only_the_rest_of_a_file(blux, tmp_path):
    for name, rows in (("1.jsonl", EVENTS[:450]), ("2.jsonl", EVENTS[450:])):
        tmp_path.joinpath(name).write_text("\n".join(map(json.dumps, rows)))
    store, source = Memory(), StorageSource(f"{tmp_path}/*.jsonl")
    fail_half_way(blux, "send_events", source, store)

    report = push(blux, "send_events", source, store=store, batch_size=100)

    assert sorted(int(event["id"]) for event in blux.all_events()) == [*range(1000)]
    assert (report.read, report.delivered, report.resumed, report.requests) == (1000, 1000, 400, 6)


def test_a_file_that_changed_is_noticed_by_its_lines(blux, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, EVENTS)))
    store, source = Memory(), StorageSource(str(path))
    fail_half_way(blux, "send_events", source, store)
    path.write_text("\n".join(map(json.dumps, [*EVENTS[:399], {**EVENTS[399], "id": "other"}, *EVENTS[400:]])))

    with pytest.raises(BluxCheckpointError, match=r"in records 1-400; the first is record 1 of .*events\.jsonl\."):
        push(blux, "send_events", source, store=store, batch_size=100)


def test_a_delivery_that_ended_leaves_no_checkpoint(blux):
    store = Memory()
    push(blux, "upsert_users", ROWS, store=store)
    push(blux, "upsert_users", ROWS, store=store)

    assert store.text is None
    assert len(blux.requests()) == 20


class ClearsLate(Memory):
    """A store that cannot be reached when the first try ends."""

    is_away = True

    def clear(self) -> None:
        if self.is_away:
            self.is_away = False
            raise ConnectionError
        super().clear()


@pytest.mark.parametrize("on_unknown", ["resend", "keep"])
def test_what_fails_when_all_is_delivered_sends_nothing_again(blux, on_unknown):
    store = ClearsLate()
    with pytest.raises(ConnectionError):
        push(blux, "send_events", EVENTS, store=store, on_unknown=on_unknown)
    report = push(blux, "send_events", EVENTS, store=store, on_unknown=on_unknown)

    assert (report.delivered, report.resumed, report.unknown, report.requests) == (1000, 1000, 0, 0)
    assert len(list(blux.all_events())) == 1000
    assert store.text is None


@pytest.mark.parametrize("resume", [True, False])
def test_a_dry_run_checks_the_whole_source_and_leaves_the_checkpoint_as_it_is(blux, resume):
    store = Memory()
    fail_half_way(blux, "upsert_users", ROWS, store)
    before = store.text

    report = push(blux, "upsert_users", ROWS, store=store, batch_size=100, validate_only=True, resume=resume)

    assert (report.read, report.valid, report.resumed) == (1000, 1000, 0)
    assert store.text == before


def test_a_try_to_which_nothing_is_left_says_which_records_were_rejected_and_why(blux, tmp_path):
    store, rows = ClearsLate(), [*ROWS, {}]
    rejects = RejectsFile(Folder(LocalFileSystem(), str(tmp_path), "rejects_path"), "try1", "upsert_users")
    with pytest.raises(ConnectionError):
        push(blux, "upsert_users", rows, store=store, rejects=rejects, max_rejects=1)
    report = push(blux, "upsert_users", rows, store=store, max_rejects=1)

    assert (report.rejected, report.requests, report.rejects) == (1, 0, rejects.urls)
    assert [(one["field"], one["number"]) for one in report.reasons or []] == [("user_id", 1)]


def test_a_checkpoint_outlives_rejects_that_cannot_be_written(blux, tmp_path):
    store, rows = Memory(), [*ROWS, {}]
    fail_half_way(blux, "upsert_users", rows, store)
    rejects = RejectsFile(Folder(LocalFileSystem(), str(tmp_path / "rejects"), "rejects_path"), "try2", "upsert_users")
    tmp_path.joinpath("rejects").rmdir()
    tmp_path.joinpath("rejects").write_text("a file in place of the folder")

    with pytest.raises(BluxError, match=r"rejects_path: .*try2\.jsonl cannot be written \(NotADirectoryError"):
        push(blux, "upsert_users", rows, store=store, rejects=rejects, max_rejects=1)

    assert store.text is not None


def test_a_delivery_that_ended_with_rejects_leaves_no_checkpoint_either(blux):
    store = Memory()
    with pytest.raises(BluxRejectLimitError):
        push(blux, "upsert_users", [*ROWS, {}], store=store)

    assert store.text is None


@pytest.mark.parametrize("change", ["a settled record", "shorter", "an inserted record", "empty"])
def test_a_source_that_changed_is_noticed_and_users_are_sent_again(blux, change, caplog):
    store = Memory()
    fail_half_way(blux, "upsert_users", ROWS, store)
    changed = {
        "a settled record": [{"user_id": "0", "n": "new"}, *ROWS[1:]],
        "shorter": ROWS[:150],
        "an inserted record": [*ROWS[:50], {"user_id": "inserted"}, *ROWS[50:]],
        "empty": [],
    }[change]

    report = push(blux, "upsert_users", changed, store=store)

    assert "has changed since" in caplog.text
    assert (report.read, report.resumed) == (len(changed), 0)
    assert held(blux) == in_order(ROWS[:400]) | in_order(changed)


def test_a_file_that_changed_is_read_again_and_its_users_are_sent_again(blux, tmp_path):
    path = tmp_path / "users.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    store, source = Memory(), StorageSource(str(path))
    fail_half_way(blux, "upsert_users", source, store)
    changed = [{"user_id": "0", "n": "new"}, *ROWS[1:]]
    path.write_text("\n".join(map(json.dumps, changed)))

    report = push(blux, "upsert_users", source, store=store, batch_size=100)

    assert (report.read, report.resumed) == (1000, 0)
    assert held(blux) == in_order(changed)


def test_a_source_that_changed_behind_what_is_settled_is_simply_gone_on_with(blux):
    store = Memory()
    fail_half_way(blux, "upsert_users", ROWS, store)
    changed = [*ROWS[:900], *({"user_id": f"new-{number}"} for number in range(300))]

    report = push(blux, "upsert_users", changed, store=store)

    assert (report.read, report.resumed) == (1200, 400)


def test_a_source_of_events_that_changed_fails_and_says_how_to_go_on(blux):
    store = Memory()
    fail_half_way(blux, "send_events", EVENTS, store)
    sent = len(blux.requests())

    with pytest.raises(BluxCheckpointError, match="resume=False") as caught:
        push(blux, "send_events", [{**EVENTS[0], "name": "new"}, *EVENTS[1:]], store=store, batch_size=100)

    assert "changed since an earlier try" in str(caught.value)
    assert len(blux.requests()) == sent


def test_resume_false_sends_everything_again_and_forgets_what_was_kept(blux):
    store = Memory()
    fail_half_way(blux, "send_events", EVENTS, store)

    report = push(blux, "send_events", EVENTS, store=store, batch_size=100, resume=False)

    assert (report.delivered, report.resumed) == (1000, 0)
    assert len(list(blux.all_events())) == 1400
    assert store.text is None


def test_records_that_come_from_a_generator_cannot_be_read_again(blux):
    store = Memory()
    fail_half_way(blux, "upsert_users", ROWS, store)

    with pytest.raises(BluxCheckpointError):
        push(blux, "upsert_users", (row for row in ROWS[500:]), store=store)


class Cursor:
    """Goes on where the reading before stopped, although it is no iterator."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = iter(rows)

    def __iter__(self) -> Iterator[Any]:
        yield from self._rows


def test_records_that_come_from_a_cursor_are_not_taken_for_all_when_read_again(blux):
    store = Memory()
    fail_half_way(blux, "upsert_users", ROWS, store)
    sent = len(blux.requests())

    with pytest.raises(BluxCheckpointError, match="resume=False"):
        push(blux, "upsert_users", Cursor([{"user_id": "0", "n": "new"}, *ROWS[1:]]), store=store, batch_size=100)

    assert len(blux.requests()) == sent
    assert store.load() is not None


@pytest.mark.parametrize("options", [{"batch_size": 50}, {"api": "open"}, {"on_unknown": "keep"}])
def test_a_checkpoint_of_other_settings_is_refused_before_anything_is_sent(blux, options):
    operation, rows = ("send_events", EVENTS) if "on_unknown" in options else ("upsert_users", ROWS)
    store = Memory()
    fail_half_way(blux, operation, rows, store)
    sent = len(blux.requests())

    with pytest.raises(BluxCheckpointError, match="belongs to other settings") as caught:
        push(blux, operation, rows, store=store, **{"batch_size": 100, **options})

    assert "resume=False" in str(caught.value)
    assert len(blux.requests()) == sent


def test_a_checkpoint_of_another_server_is_refused_before_anything_is_sent(blux):
    store = Memory()
    fail_half_way(blux, "upsert_users", ROWS, store)

    with Emulator() as other:
        with pytest.raises(BluxCheckpointError, match="belongs to other settings"):
            push(other, "upsert_users", ROWS, store=store, batch_size=100)
        assert other.requests() == []


@pytest.mark.parametrize("on_unknown", ["resend", "keep"])
def test_a_checkpoint_of_a_try_that_delivered_nothing_allows_a_corrected_connection(blux, on_unknown):
    store = Memory()
    blux.fault(kind="status", status=401)
    with pytest.raises(BluxAuthError):
        push(blux, "send_events", EVENTS, store=store, on_unknown=on_unknown)

    with Emulator() as other:
        assert push(other, "send_events", EVENTS, store=store, on_unknown=on_unknown).delivered == 1000


@pytest.mark.parametrize(
    "text",
    [
        '"nonsense"',
        "7",
        "[]",
        "{}",
        '{"version": 99}',
        '{"version": 1, "settled": "x"}',
        '{"version": 1, "settings": 1, "settled": 0, "chain": "", "ahead": [], "doubt": {}, "counts": {}}',
    ],
)
def test_a_checkpoint_that_cannot_be_understood_is_refused_before_anything_is_sent(blux, text):
    store = Memory()
    store.text = text

    with pytest.raises(BluxCheckpointError, match="resume=False"):
        push(blux, "upsert_users", ROWS, store=store)

    assert blux.requests() == []


def test_a_checkpoint_file_that_is_no_json_is_refused(blux, tmp_path):
    store = FileStore(Folder(LocalFileSystem(), str(tmp_path), "checkpoint_path"), "task")
    (tmp_path / "task.checkpoint.json").write_text("{")

    with pytest.raises(BluxCheckpointError, match=r"task\.checkpoint\.json cannot be read"):
        push(blux, "upsert_users", ROWS, store=store)


def test_a_checkpoint_is_kept_in_a_file_and_removed_at_the_end(blux, tmp_path):
    store = FileStore(Folder(LocalFileSystem(), str(tmp_path / "new" / "folder"), "checkpoint_path"), "task")
    fail_half_way(blux, "upsert_users", ROWS, store)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["task.checkpoint.json"]

    report = push(blux, "upsert_users", ROWS, store=store)

    assert report.resumed == 400
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_found_out_before_anything_is_sent(blux, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(BluxConfigError, match="checkpoint_path: nothing can be written"):
        FileStore(Folder(LocalFileSystem(), str(tmp_path / "file" / "folder"), "checkpoint_path"), "task")


@pytest.mark.parametrize(("method", "done"), [("cat_file", "read"), ("open", "written"), ("rm_file", "removed")])
def test_a_checkpoint_file_that_cannot_be_reached_is_named(blux, tmp_path, method, done):
    def refused(path: str, mode: str = "", **options: Any) -> Any:
        if mode == "rb":
            return LocalFileSystem.open(disk, path, mode, **options)
        raise PermissionError(13, "Permission denied")

    disk = LocalFileSystem(skip_instance_cache=True)
    store = FileStore(Folder(disk, str(tmp_path), "checkpoint_path"), "task")
    setattr(disk, method, refused)

    named = rf"^checkpoint_path: .*/task\.checkpoint\.json cannot be {done} \(PermissionError: .*\)\. Check the storage"
    with pytest.raises(BluxError, match=named):
        push(blux, "upsert_users", ROWS, store=store)


def test_a_checkpoint_is_kept_in_the_task_state_of_airflow(blux):
    class State(dict):
        """A task state store with three methods of Airflow's; it takes only values that JSON preserves."""

        def set(self, key: str, value: Any) -> None:
            if json.loads(json.dumps(value)) != value:
                raise TypeError("a tuple, or a key that is no text")
            self[key] = value

        def delete(self, key: str) -> None:
            self.pop(key, None)

        def get(self, key: str, default: Any = None) -> Any:
            return dict.get(self, key, default)

    state, rows = State(other="kept"), [{}, *ROWS]
    fail_half_way(blux, "upsert_users", rows, TaskStateStore(state))

    report = push(blux, "upsert_users", rows, store=TaskStateStore(state), max_rejects=1)

    assert report.resumed == 400
    assert state == {"other": "kept"}


def test_a_store_of_somebody_elses_may_be_empty(blux):
    class Sized(Memory):
        def __len__(self) -> int:
            return 0

    store = Sized()
    fail_half_way(blux, "upsert_users", ROWS, store)

    assert push(blux, "upsert_users", ROWS, store=store).resumed == 400


@pytest.mark.parametrize("method", ["get", "set", "delete"])
def test_a_task_state_that_cannot_be_reached_is_named(blux, method):
    def refused(*_arguments: Any, **_options: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    others = dict.fromkeys(("get", "set", "delete"), lambda *_arguments, **_options: None)
    state = SimpleNamespace(**{**others, method: refused})

    with pytest.raises(BluxError, match=r"task state cannot be \w+ \(ConnectionRefusedError: Connection refused\)"):
        push(blux, "upsert_users", ROWS, store=TaskStateStore(state))


def test_a_checkpoint_holds_no_record(blux):
    rows = [
        {"user_id": f"canary-id-{number}", "phone_number": "01012344321", "name": "김카나"} for number in range(500)
    ]
    rows[3] = {"user_id": "canary-id-3", "phone_number": 1012344321}
    store = Memory()
    fail_half_way(blux, "upsert_users", rows, store, after=2)

    for value in ("canary", "2344321", "김카나", json.dumps("김카나")[1:-1]):
        assert value not in store.text


def test_what_an_earlier_try_rejected_is_counted_and_not_rejected_again(blux, caplog):
    rows = [{"user_id": None}, *ROWS]
    store = Memory()
    fail_half_way(blux, "upsert_users", rows, store)

    with pytest.raises(BluxRejectLimitError, match="Of 1,001 records, 1,000 were delivered, 1 rejected") as caught:
        push(blux, "upsert_users", rows, store=store)

    assert "record 1, user_id: is missing" in str(caught.value)


def test_rejects_of_a_try_without_a_rejects_file_are_not_said_to_be_in_one(blux, tmp_path):
    rows, store = [{"user_id": None}, *ROWS, {"user_id": None}], Memory()
    rejects = RejectsFile(Folder(LocalFileSystem(), str(tmp_path), "rejects_path"), "try2", "upsert_users")
    fail_half_way(blux, "upsert_users", rows, store)

    with pytest.raises(BluxRejectLimitError, match="2 rejected") as caught:
        push(blux, "upsert_users", rows, store=store, rejects=rejects)

    assert "1 of them are in no file, as a try had no rejects_path. The others, with the reasons" in str(caught.value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.fixed_dictionaries({"user_id": st.integers(0, 9).map(str), "v": st.integers()}), max_size=60),
    batch_size=st.integers(1, 7),
    tries=st.lists(st.integers(0, 8), max_size=4),
)
def test_however_often_it_fails_the_crm_ends_as_if_sent_one_by_one(blux, rows, batch_size, tries):
    blux.reset()
    store, reports = Memory(), []
    for good in tries:
        blux.fault(kind="status", status=503, skip=good)
        try:
            reports.append(push(blux, "upsert_users", rows, store=store, batch_size=batch_size, concurrency=3))
            break
        except BluxUnavailable:
            blux.clear_faults()
    blux.clear_faults()
    report = reports[0] if reports else push(blux, "upsert_users", rows, store=store, batch_size=batch_size)

    assert held(blux) == in_order(rows)
    assert report.read == len(rows) == report.delivered + report.merged


class TaskTimeout(BaseException):
    """What Airflow's signal handler raises, in the main thread and at any line (``execution_timeout``)."""


@contextmanager
def raising_at(number: int) -> Iterator[None]:
    """Raise a :class:`TaskTimeout` in a function with ``settle`` in its name: at the line that is run as this one."""
    lines = count(1)

    def line(frame: FrameType, event: str, _argument: Any) -> Any:
        # The line of a `with` is run again at its end. No signal handler is called there before the lock is released.
        is_with = getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with ")
        if event == "line" and not is_with and next(lines) == number:
            raise TaskTimeout
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, *_: line if "settle" in frame.f_code.co_name else None)
    try:
        yield
    finally:
        sys.settrace(before)


def test_a_task_that_times_out_while_it_counts_a_batch_counts_and_sends_it_once(blux, tmp_path):
    events = [*EVENTS[:3], {"user_id": "u"}, *EVENTS[3:7]]
    options: Any = {"batch_size": 2, "on_unknown": "keep", "max_rejects": 8, "concurrency": 2}
    folder = Folder(LocalFileSystem(), str(tmp_path), "folder")
    for number in count(1):
        store, is_over = Memory(), False
        rejects = RejectsFile(folder, "try1", "send_events")
        blux.reset()
        with suppress(TaskTimeout), raising_at(number):
            push(blux, "send_events", events, store=store, rejects=rejects, **options)
            is_over = True
        if is_over:
            break

        report = push(blux, "send_events", events, store=store, **options)

        arrived = [event["id"] for event in blux.all_events()]
        assert len(arrived) == len(set(arrived)) >= report.delivered
        assert (report.read, report.delivered + report.unknown, report.rejected) == (8, 7, 1)
        assert sum(reason["number"] for reason in report.reasons or []) == report.rejected + report.unknown
    assert number > 40

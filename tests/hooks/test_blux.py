"""``BluxHook`` against the emulator: every operation of both APIs, stopping, and refused arguments."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import (
    BluxApiError,
    BluxAuthError,
    BluxCheckpointError,
    BluxConfigError,
    BluxRejectLimitError,
    BluxSourceError,
    BluxStopped,
    BluxUnavailable,
)
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxUpdateDevicesOperator

MOMENT = "2026-01-31T09:00:00+09:00"


def statuses(emulator: Emulator) -> list[tuple[str, str, int]]:
    return [(request["api"], request["operation"], request["status"]) for request in emulator.requests()]


def test_users_reach_the_application_api(blux_emulator: Emulator) -> None:
    report = BluxHook().upsert_users(
        [
            {"user_id": 7, "email_address": "john.doe@example.com", "grade": "gold"},
            {"user_id": "u/2 ?", "user_properties": {"marketing_notification_consent": "False"}},
        ]
    )

    assert (report.read, report.delivered, report.batches, report.requests) == (2, 2, 1, 1)
    assert blux_emulator.user("7") == {
        "user_id": "7",
        "user_properties": {"email_address": "john.doe@example.com"},
        "custom_user_properties": {"grade": "gold"},
    }
    assert blux_emulator.user("u/2 ?") == {
        "user_id": "u/2 ?",
        "user_properties": {"marketing_notification_consent": False},
        "custom_user_properties": {},
    }
    assert statuses(blux_emulator) == [("application", "upsert_users", 200)]


def test_profiles_reach_the_open_api(blux_emulator: Emulator) -> None:
    report = BluxHook(api="open").upsert_users([{"user_id": "u", "phone_number": "010", "grade": "gold"}])

    assert report.delivered == 1
    assert blux_emulator.profile("u") == {"user_id": "u", "properties": {"phone_number": "010", "grade": "gold"}}
    assert statuses(blux_emulator) == [("open", "upsert_users", 202)]


def test_users_are_deleted_through_the_application_api(blux_emulator: Emulator) -> None:
    hook = BluxHook()
    hook.upsert_users([{"user_id": "a"}, {"user_id": "b"}])

    report = hook.delete_users(["a", {"user_id": "c"}, "a"])

    assert (report.delivered, report.merged) == (2, 1)
    assert dict(blux_emulator.users()).keys() == {"b"}
    assert list(blux_emulator.deleted_users()) == ["a", "c"]


@pytest.mark.parametrize("ids", [["a"], ["a", "b"]], ids=["a single job", "a job for many"])
def test_users_are_deleted_through_jobs_of_the_open_api(blux_emulator: Emulator, ids: list[str]) -> None:
    report = BluxHook(api="open").delete_users(ids)

    assert (report.delivered, report.requests) == (len(ids), 1)
    assert list(blux_emulator.deleted_profiles()) == ids
    assert statuses(blux_emulator) == [("open", "delete_users", 202)]


def test_events_reach_the_open_api_although_the_connection_has_both(blux_emulator: Emulator) -> None:
    report = BluxHook().send_events([{"user_id": "u", "name": "order", "timestamp": MOMENT, "total": 5}] * 2)

    assert (report.delivered, report.merged) == (2, 0)
    event = {"name": "order", "user_id": "u", "timestamp": MOMENT, "properties": {"total": 5}}
    assert blux_emulator.events("u") == [event, event]
    assert statuses(blux_emulator) == [("open", "send_events", 202)]


def test_devices_reach_the_open_api(blux_emulator: Emulator) -> None:
    report = BluxHook().update_devices([{"device_id": "d", "user_id": "u", "token": "t", "version": 3}])

    assert report.delivered == 1
    device = blux_emulator.device("d")
    assert device == {"device_id": "d", "user_id": "u", "token": "t", "properties": {"version": 3}}


def test_the_list_of_devices_can_have_another_key(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxRejectLimitError, match="devices is required"):
        BluxHook().update_devices([{"device_id": "d"}], list_key="items")

    assert blux_emulator.counts()["devices"] == 0


@pytest.mark.parametrize("key", ["", " ", "devices ", "{{ var.value.list_key }}", 5, ["devices"]])
def test_a_key_of_the_list_that_is_no_name_is_refused(blux_emulator: Emulator, key: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"^list_key must be the name of the list in the request body"):
        BluxHook().update_devices([{"device_id": "d"}], list_key=key)
    with pytest.raises(BluxConfigError, match=r"^list_key must be the name of the list in the request body"):
        BluxUpdateDevicesOperator(task_id="t", devices=[], list_key=key)
    assert not blux_emulator.requests()


@pytest.mark.parametrize(("argument", "value"), [("list_key", "items"), ("snapshot_path", "snapshot")])
def test_the_error_for_a_checkpoint_of_other_settings_names_the_argument_of_devices(
    blux_emulator: Emulator, tmp_path: Path, argument: str, value: str
) -> None:
    blux_emulator.fault(kind="status", status=503, headers={"Retry-After": "3601"}, skip=1)
    devices = [{"device_id": str(number)} for number in range(20)]
    options: Any = {"batch_size": 10, "checkpoint_path": str(tmp_path), "run": Run(dag_id="d", run_id="r", task_id="t")}
    with pytest.raises(BluxUnavailable):
        BluxHook().update_devices(devices, **options)

    value = str(tmp_path / value) if argument == "snapshot_path" else value
    with pytest.raises(BluxCheckpointError, match=f"other settings: .*{argument}"):
        BluxHook().update_devices(devices, **options, **{argument: value})


def test_the_calls_of_one_hook_keep_one_rate(blux_emulator: Emulator) -> None:
    hook, began = BluxHook(), time.monotonic()

    for number in range(8):
        hook.upsert_users([{"user_id": str(number)}], rate_limit=5)
        with pytest.raises(BluxSourceError, match="suppression_path"):
            hook.upsert_users([{"user_id": "a"}], rate_limit=5, suppression_path="/there/is/no/such/list.csv")

    assert blux_emulator.counts()["users"] == 8
    assert time.monotonic() - began > 7 / 5


def test_records_come_from_any_iterable(blux_emulator: Emulator) -> None:
    hook = BluxHook()

    for records in (iter([{"user_id": "a"}]), ({"user_id": name} for name in "b"), ({"user_id": "c"},), range(0)):
        hook.upsert_users(records)

    assert dict(blux_emulator.users()).keys() == {"a", "b", "c"}


@pytest.mark.parametrize("fails", [False, True], ids=["ended", "failed"])
def test_a_generator_of_an_earlier_call_is_not_taken_for_a_new_one(blux_emulator: Emulator, fails: bool) -> None:
    closed: list[str] = []

    def users() -> Any:
        try:
            yield from ({"user_id": str(number)} for number in range(2_000))
        finally:
            closed.append("users")

    records, errors = users(), []
    if fails:
        blux_emulator.fault(kind="status", status=401, times=1)
    try:
        BluxHook().upsert_users(records, rate_limit=1000)
    except BluxAuthError as error:
        errors.append(error)  # keeps what it came through alive, as tenacity does

    assert (len(errors), closed) == (fails, ["users"])
    with pytest.raises(BluxConfigError, match=r"^records is a generator, but the generator ended in an earlier call"):
        BluxHook().upsert_users(records)


def test_a_generator_that_was_not_read_is_taken_by_the_next_call(blux_emulator: Emulator, tmp_path: Path) -> None:
    records: Any = ({"user_id": one} for one in "ab")

    with pytest.raises(BluxSourceError, match="suppression_path: there is no list"):
        BluxHook().upsert_users(records, suppression_path=str(tmp_path))

    assert BluxHook().upsert_users(records).delivered == 2


def test_a_generator_that_exits_does_not_end_the_task_as_a_success(blux_emulator: Emulator) -> None:
    def users() -> Iterator[dict[str, str]]:
        yield {"user_id": "a"}
        sys.exit(0)

    with pytest.raises(BluxSourceError, match=r"a generator called sys\.exit, so records may be missing") as raised:
        BluxHook().upsert_users(users())
    assert raised.value.report is not None


def test_records_that_a_generator_returns_are_not_lost_in_silence(blux_emulator: Emulator) -> None:
    def users() -> Any:
        yield {"user_id": "a"}
        return [{"user_id": "b"}]

    with pytest.raises(BluxConfigError, match=r"^records is a generator, so the value .* would be lost"):
        BluxHook().upsert_users(users())


class Mapped(Sequence[Any]):
    """The value of ``expand(...).output.map(f)`` in a ``@task``: a function of the DAG author returns each item."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        if index >= len(self):
            raise IndexError(index)
        return {"user_id": [["a"], [], ["c"]][index][0]}


def test_an_index_error_of_a_mapped_function_is_not_taken_for_the_end(blux_emulator: Emulator) -> None:
    with pytest.raises(IndexError):
        BluxHook().upsert_users(Mapped())
    with pytest.raises(IndexError):
        BluxHook().delete_users(Mapped())


def test_a_sequence_is_read_as_often_as_needed(blux_emulator: Emulator) -> None:
    assert BluxHook().delete_users(range(3), max_users=3).delivered == 3
    assert sorted(blux_emulator.deleted_users()) == ["0", "1", "2"]


def test_nothing_to_send_is_a_report_and_no_request(blux_emulator: Emulator) -> None:
    report = BluxHook().upsert_users([])

    assert (report.read, report.delivered, report.requests) == (0, 0, 0)
    assert blux_emulator.requests() == []


def test_validate_only_sends_nothing(blux_emulator: Emulator) -> None:
    report = BluxHook().upsert_users([{"user_id": "a"}, {"user_id": "a"}], validate_only=True)

    assert (report.read, report.valid, report.merged, report.delivered) == (2, 1, 1, 0)
    assert blux_emulator.requests() == []


def test_the_report_has_the_same_numbers_as_attributes_and_as_a_dict(blux_emulator: Emulator) -> None:
    report = BluxHook().upsert_users([{"user_id": "a"}])

    assert report.as_dict() == asdict(report)
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()


@pytest.mark.parametrize("method", ["upsert_users", "delete_users", "send_events", "update_devices"])
@pytest.mark.parametrize(
    "records",
    [None, "u", b"u", bytearray(b"u"), memoryview(b"u"), {"user_id": "u"}, 5],
    ids=lambda it: type(it).__name__,
)
def test_what_is_no_iterable_of_records_is_refused(blux_emulator: Emulator, method: str, records: Any) -> None:
    with pytest.raises(BluxConfigError, match=f"records is of type {type(records).__name__}; it must be an iterable"):
        getattr(BluxHook(), method)(records)

    assert blux_emulator.requests() == []


@pytest.mark.parametrize("api", ["Application", "", "opne", 1, True])
def test_an_api_that_does_not_exist_is_refused(api: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"api must be one of application, open, or be left out\.$"):
        BluxHook(api=api)


@pytest.mark.parametrize("method", ["send_events", "update_devices"])
def test_an_api_without_the_operation_is_refused_with_the_other_one(blux_emulator: Emulator, method: str) -> None:
    with pytest.raises(BluxConfigError, match=f"The application API has no {method}. Set api='open'."):
        getattr(BluxHook(api="application"), method)([])


def test_an_unknown_or_wrong_option_is_refused(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxConfigError, match="batchsize"):
        BluxHook().upsert_users([], batchsize=5)  # type: ignore[call-arg]
    with pytest.raises(BluxConfigError, match=r"batch_size is 101, but application\.upsert_users takes at most 100"):
        BluxHook().upsert_users([], batch_size=101)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checkpoint": "s3://bucket/folder"}, r"^checkpoint must be .* For a folder use checkpoint_path\.$"),
        ({"run": "manual"}, r"^run must be a Run, from airflow_provider_blux\.types"),
        ({"watchers": print}, r"^watchers must be a list of functions"),
        ({"watchers": None}, r"^watchers must be a list of functions"),
        ({"watchers": [5]}, r"^watchers must be a list of functions"),
    ],
    ids=str,
)
def test_an_object_of_the_wrong_kind_is_refused(blux_emulator: Emulator, options: Any, words: str) -> None:
    with pytest.raises(BluxConfigError, match=words):
        BluxHook().upsert_users([{"user_id": "a"}], **options)
    assert not blux_emulator.requests()


@pytest.mark.parametrize("operation", ["users", "upsert", None])
def test_there_is_no_asset_of_an_operation_that_does_not_exist(blux_emulator: Emulator, operation: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"^operation must be one of upsert_users, delete_users, "):
        BluxHook().asset(operation)


def test_an_operation_without_credentials_names_the_fields_to_fill_in(
    blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {**blux_emulator.connection(), "extra": {}}
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))

    with pytest.raises(BluxConfigError, match="Connection blux_default has no credentials for send_events"):
        BluxHook().send_events([{"user_id": "u", "name": "n"}])


def test_a_missing_connection_is_airflows_own_error() -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        BluxHook("nowhere").upsert_users([])


def test_the_connection_is_not_read_before_it_is_needed() -> None:
    hook = BluxHook(blux_conn_id="nowhere", api="open")

    assert (hook.blux_conn_id, hook.api) == ("nowhere", "open")
    hook.stop()


@pytest.mark.parametrize(
    ("api", "fields"),
    [("application", {"password": "wrong-key-1"}), ("open", {"extra": {"open_api_key": "wrong-key-1"}})],
)
def test_refused_credentials_name_the_connection_and_not_the_key(
    blux_emulator: Emulator, connect: Any, api: Any, fields: dict[str, Any]
) -> None:
    connect(**fields)

    with pytest.raises(BluxAuthError) as raised:
        BluxHook(api=api).upsert_users([{"user_id": "a"}])
    assert str(raised.value).startswith("Connection blux_default: the credentials are refused")
    assert raised.value.status == 401
    assert "wrong-key-1" not in str(raised.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_after_accepted_requests_does_not_blame_the_credentials_alone(
    blux_emulator: Emulator, status: int
) -> None:
    blux_emulator.fault(kind="status", status=status, skip=1)

    with pytest.raises(BluxAuthError) as raised:
        BluxHook().upsert_users([{"user_id": "a"}, {"user_id": "b"}], batch_size=1, concurrency=1)
    assert "requests before this one were accepted with the same credentials" in str(raised.value)
    assert "WAF" in str(raised.value)
    assert "are refused" not in str(raised.value)


@pytest.mark.parametrize(
    ("fault", "attempt"), [({"status": 404}, 1), ({"status": 503, "headers": {"Retry-After": "86400"}}, 1)]
)
def test_an_error_of_the_api_names_connection_host_and_endpoint(
    blux_emulator: Emulator, fault: dict[str, Any], attempt: int
) -> None:
    blux_emulator.fault(kind="status", **fault)

    with pytest.raises(BluxApiError) as raised:
        BluxHook().upsert_users([{"user_id": "a"}])
    assert str(raised.value).startswith("Connection blux_default: batch 1 (records 1-1): Blux answered")
    assert f"to application.upsert_users at {blux_emulator.url.removeprefix('http://')}" in str(raised.value)
    assert (raised.value.status, raised.value.endpoint, raised.value.attempt) == (
        fault["status"],
        "application.upsert_users",
        attempt,
    )


@pytest.mark.parametrize(
    "records",
    [[{"user_id": "a", "phone_number": 5}], (user for user in [{"user_id": "a", "phone_number": 5}])],
    ids=["list", "generator"],
)
def test_the_first_line_of_the_log_says_what_goes_where(
    blux_emulator: Emulator, caplog: pytest.LogCaptureFixture, records: Any
) -> None:
    caplog.set_level("INFO")
    with pytest.raises(BluxRejectLimitError) as raised:
        BluxHook().upsert_users(records, rate_limit=7, batch_size=5)

    ours = [record.getMessage() for record in caplog.records if "ux" in record.name]
    assert ours[0] == (
        f"Blux application.upsert_users: a {type(records).__name__} to {blux_emulator.url}/prod by connection "
        "blux_default; 7 requests/s, 5 records each."
    )
    assert ours[-2].startswith("Blux application.upsert_users ended: 1 read = 1 rejected")
    assert ours[-1].startswith("Rejected or unknown, by field and reason:\n  phone_number: ")
    host = blux_emulator.url.removeprefix("http://")
    assert str(raised.value).startswith(f"Connection blux_default, application.upsert_users at {host}: Of 1 record, ")


def test_rejected_records_are_named_by_number_and_field_and_the_others_are_delivered(blux_emulator: Emulator) -> None:
    users = [{"user_id": "a"}, {"user_id": "b", "phone_number": 1058267341}, {"user_id": 1.0}]

    with pytest.raises(BluxRejectLimitError) as raised:
        BluxHook().upsert_users(users)
    assert "record 2, phone_number: is a number" in str(raised.value)
    assert "record 3, user_id: is a decimal number" in str(raised.value)
    assert "1058267341" not in str(raised.value)
    assert dict(blux_emulator.users()).keys() == {"a"}


def test_the_rate_of_the_connection_is_kept(blux_emulator: Emulator, connect: Any) -> None:
    connect(extra={"rate_limits": {"upsert_users": 10}})  # half of the published one

    report = BluxHook().upsert_users([{"user_id": str(n)} for n in range(4)], batch_size=1)

    assert report.requests == 4
    assert report.seconds >= 3 / 10 - 0.01  # a start that is late by a little does not delay those after it


def test_an_argument_overrides_the_rate_of_the_connection(blux_emulator: Emulator, connect: Any) -> None:
    connect(extra={"rate_limits": '{"upsert_users": 0.01}'})

    report = BluxHook().upsert_users([{"user_id": "a"}, {"user_id": "b"}], batch_size=1, rate_limit=1000)

    assert report.delivered == 2


def test_the_timeout_and_the_bundle_reach_the_client(blux_emulator: Emulator, connect: Any, tmp_path: Any) -> None:
    (tmp_path / "ca.pem").touch()
    connect(extra={"timeout": 3, "verify": str(tmp_path / "ca.pem")})

    with BluxHook().get_conn() as client:
        assert (client.timeout, client.verify) == (3.0, str(tmp_path / "ca.pem"))


def test_stop_ends_a_delivery_between_two_requests(blux_emulator: Emulator) -> None:
    hook = BluxHook()

    def users() -> Iterator[dict[str, str]]:
        yield {"user_id": "a"}
        hook.stop()
        yield {"user_id": "b"}

    with pytest.raises(BluxStopped):
        hook.upsert_users(users(), batch_size=1)
    assert blux_emulator.user("b") is None


def test_a_hook_that_is_stopped_while_it_counts_the_users_deletes_nobody(blux_emulator: Emulator) -> None:
    hook = BluxHook()

    def ids() -> Iterator[str]:
        yield "a"
        hook.stop()
        yield "b"

    with pytest.raises(BluxStopped):
        hook.delete_users(ids())
    with pytest.raises(BluxStopped):
        hook.upsert_users([{"user_id": "a"}])
    assert blux_emulator.requests() == []


def test_the_hook_tells_which_ids_were_accepted(blux_emulator: Emulator, tmp_path: Path) -> None:
    blux_emulator.fault(kind="refuse", ids=["b"])
    hook = BluxHook()

    report = hook.delete_users(
        ["a", "b", "c"], receipts_path=str(tmp_path), rejects_path=str(tmp_path / "rejects"), max_rejects=1
    )

    assert hook.accepted_ids(["a", "b", "c", "d"], report.receipts or []) == ["a", "c"]


def test_ids_that_are_numbers_are_found_as_they_were_sent(blux_emulator: Emulator, tmp_path: Path) -> None:
    report = BluxHook().delete_users([1, 2], receipts_path=str(tmp_path))

    assert BluxHook().accepted_ids([1, 3, " no id", "2"], report.receipts) == [1, "2"]


def test_an_id_that_cannot_be_sent_is_not_among_the_accepted_ones(blux_emulator: Emulator, tmp_path: Path) -> None:
    ids = ["a", "half of a character \ud83d"]
    options: dict[str, Any] = {"max_rejects": 1, "rejects_path": str(tmp_path / "rejects")}
    report = BluxHook().delete_users(ids, receipts_path=str(tmp_path / "receipts"), **options)

    assert BluxHook().accepted_ids(ids, report.receipts) == ["a"]


def test_a_run_that_deleted_nobody_has_no_accepted_ids(blux_emulator: Emulator, tmp_path: Path) -> None:
    report = BluxHook().delete_users([], receipts_path=str(tmp_path))

    assert report.receipts is None
    assert BluxHook().accepted_ids(["a"], report.receipts) == []


def test_receipts_that_are_a_folder_or_are_gone_are_named(blux_emulator: Emulator, tmp_path: Path) -> None:
    hook = BluxHook()

    with pytest.raises(BluxConfigError, match="takes a list of receipts files"):
        hook.accepted_ids(["a"], str(tmp_path))
    for user_ids in ("a", None):
        with pytest.raises(BluxConfigError, match="and a list of ids"):
            hook.accepted_ids(user_ids, [])  # type: ignore[arg-type]
    for path in (tmp_path, tmp_path / "gone.jsonl"):
        with pytest.raises(BluxSourceError, match=f"{path} cannot be read"):
            hook.accepted_ids(["a"], [str(path)])


@pytest.mark.parametrize("receipts", [[["a.jsonl"], ["b.jsonl"]], [None], [1]], ids=str)
def test_receipts_of_several_reports_must_be_one_list(blux_emulator: Emulator, receipts: Any) -> None:
    with pytest.raises(BluxConfigError, match=r"summarize_reports\(reports\)\['receipts'\]"):
        BluxHook().accepted_ids(["a"], receipts)


def test_a_report_names_its_receipts_and_is_no_list_of_them(blux_emulator: Emulator, tmp_path: Path) -> None:
    report = BluxHook().delete_users(["a"], receipts_path=str(tmp_path))

    for receipts in (report, report.as_dict()):
        with pytest.raises(BluxConfigError, match=r"receipts files, such as report\['receipts'\]"):
            BluxHook().accepted_ids(["a"], receipts)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [None, 5, "DataFrame"])
def test_what_is_no_list_has_no_ids_that_may_have_been_accepted(
    blux_emulator: Emulator, tmp_path: Path, kind: Any
) -> None:
    frame = pytest.importorskip("pandas").DataFrame({"user_id": ["a"]})
    report = BluxHook().delete_users(["a"], receipts_path=str(tmp_path))

    with pytest.raises(BluxConfigError, match=r"a list of ids, not of rows\.$"):
        BluxHook().accepted_ids(frame if kind == "DataFrame" else kind, report.receipts)
    if kind is not None:
        with pytest.raises(BluxConfigError, match="takes a list of receipts files"):
            BluxHook().accepted_ids(["a"], frame if kind == "DataFrame" else kind)
    assert BluxHook().accepted_ids(frame["user_id"], report.receipts) == ["a"]


@pytest.mark.parametrize("row", [{"user_id": "a"}, ("a",), ["a"]], ids=str)
def test_rows_are_no_ids_that_may_have_been_accepted(blux_emulator: Emulator, tmp_path: Path, row: Any) -> None:
    report = BluxHook().delete_users(["a"], receipts_path=str(tmp_path))

    with pytest.raises(BluxConfigError, match=r"a list of ids, not of rows\.$"):
        BluxHook().accepted_ids([row], report.receipts)


@pytest.mark.parametrize("text", ["", " ", "None"])
@pytest.mark.parametrize("argument", ["rejects_path", "checkpoint_path", "snapshot_path", "receipts_path"])
def test_a_template_without_a_value_names_no_folder(
    blux_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(dag_id="d", run_id="r", task_id="t")

    with pytest.raises(BluxConfigError, match=f"^{argument} is .*name a folder"):
        BluxHook().delete_users(["a", None], run=run, **{argument: text})  # type: ignore[list-item,arg-type]

    assert not blux_emulator.requests()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("storage", ["nostorage", "box"], ids=["unknown", "its package is missing"])
def test_a_folder_of_an_unknown_storage_says_what_to_install(blux_emulator: Emulator, storage: str) -> None:
    with pytest.raises(BluxConfigError, match=r"receipts_path .* Airflow provider of its storage is installed"):
        BluxHook().delete_users(["a"], receipts_path=f"{storage}://bucket/receipts")


def test_two_deletions_of_one_run_have_receipts_of_their_own(blux_emulator: Emulator, tmp_path: Path) -> None:
    run = Run(dag_id="gdpr", run_id="1", task_id="delete")
    application = BluxHook(api="application").delete_users(["a"], receipts_path=str(tmp_path), run=run)
    profiles = BluxHook(api="open").delete_users(["b"], receipts_path=str(tmp_path), run=run)

    assert application.receipts
    assert profiles.receipts
    assert BluxHook().accepted_ids(["a", "b"], application.receipts) == ["a"]
    assert BluxHook().accepted_ids(["a", "b"], profiles.receipts) == ["b"]
    both = [*application.receipts, *profiles.receipts]
    assert BluxHook().accepted_ids(["a", "b"], both) == ["a", "b"]
    assert BluxHook().accepted_ids(["a", "b"], [*both, *application.receipts]) == ["a", "b"]


def test_the_hook_takes_a_data_frame(blux_emulator: Emulator) -> None:
    pandas = pytest.importorskip("pandas")

    report = BluxHook().upsert_users(pandas.DataFrame({"user_id": ["a", "b"], "plan": ["x", None]}))

    assert report.delivered == 2
    assert blux_emulator.user("a")["custom_user_properties"] == {"plan": "x"}
    assert blux_emulator.user("b")["custom_user_properties"] == {}

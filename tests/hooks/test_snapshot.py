"""Sending only changed records through the hook, and the settings that a snapshot depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxAbsentError, BluxConfigError, BluxRejectLimitError, BluxSnapshotError
from airflow_provider_blux.hooks.blux import BluxHook

USERS = [
    {"user_id": f"u{number}", "tel": "01012345678", "vip": "Y", "at": "2026-01-31T09:00:00"} for number in range(3)
]
MAPPED = {"field_mapping": {"tel": "phone_number", "vip": "marketing_notification_sms_consent"}}
READING = {**MAPPED, "true_values": ["Y"], "false_values": ["N"]}
KEY = {"receipt_key": "one"}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "snapshot")


def upserted(folder: str, api: Any = "application", **options: Any) -> Any:
    return BluxHook(api=api).upsert_users(USERS, snapshot_path=folder, **{**READING, **options})


def digests(folder: str) -> set[bytes]:
    """Return the digests of the users and of their rows."""
    entries = b"".join(file.read_bytes().split(b"\n", 2)[2] for file in Path(folder).iterdir())
    return {entries[at : at + 20] for at in range(0, len(entries), 20)}


def test_the_hook_sends_only_what_has_changed(blux_emulator: Emulator, folder: str) -> None:
    hook = BluxHook(api="application")
    first, second = (hook.upsert_users(iter(USERS), snapshot_path=folder, **READING) for _ in range(2))  # type: ignore[arg-type]

    assert (first.delivered, second.delivered, second.unchanged, second.absent) == (3, 0, 3, 0)


@pytest.mark.parametrize("user_id", [7, UUID("6f1c3d2e-8b4a-4c5d-9e7f-0a1b2c3d4e5f")], ids=str)
def test_a_user_whose_id_is_no_text_is_compared_too(blux_emulator: Emulator, folder: str, user_id: Any) -> None:
    hook = BluxHook(api="application")
    first, second = (hook.upsert_users([{"user_id": user_id}], snapshot_path=folder) for _ in range(2))

    assert (first.delivered, second.unchanged, second.absent) == (1, 1, 0)
    hook.delete_users([user_id], snapshot_path=folder)
    assert hook.upsert_users([{"user_id": user_id}], snapshot_path=folder).delivered == 1


def test_a_dry_run_makes_no_folder(blux_emulator: Emulator, folder: str) -> None:
    assert upserted(folder, validate_only=True).valid == 3
    assert not Path(folder).exists()


def test_the_hook_deletes_and_forgets(blux_emulator: Emulator, folder: str) -> None:
    upserted(folder)
    assert BluxHook(api="application").delete_users(["u1"], snapshot_path=folder).absent is None

    assert (report := upserted(folder)).delivered == 1
    assert report.unchanged == 2


def test_the_hook_names_who_is_missing(blux_emulator: Emulator, folder: str) -> None:
    upserted(folder)
    with pytest.raises(BluxAbsentError):
        BluxHook(api="application").upsert_users(USERS[:1], snapshot_path=folder, max_absent=1, **READING)  # type: ignore[arg-type]


def test_devices_have_a_snapshot_of_their_own(blux_emulator: Emulator, folder: str) -> None:
    devices = [{"device_id": "d", "user_id": "u", "platform": "ios"}]
    first, second = (BluxHook().update_devices(devices, snapshot_path=folder) for _ in range(2))

    assert (first.delivered, second.unchanged) == (1, 1)
    with pytest.raises(BluxSnapshotError, match="holds devices of"):
        upserted(folder, api="open")


@pytest.mark.parametrize("argument", [{"full_refresh": True}, {"max_absent": 1}], ids=str)
def test_what_is_said_of_a_snapshot_needs_one(blux_emulator: Emulator, argument: Any) -> None:
    with pytest.raises(BluxConfigError, match="needs snapshot_path, the folder of the snapshot"):
        BluxHook().upsert_users(USERS, **argument)


@pytest.mark.parametrize("method", ["send_events", "delete_users"])
@pytest.mark.parametrize("argument", [{"full_refresh": True}, {"max_absent": 1}], ids=str)
def test_only_users_and_devices_are_refreshed_or_absent(blux_emulator: Emulator, method: str, argument: Any) -> None:
    with pytest.raises(BluxConfigError, match="is only for users and devices"):
        getattr(BluxHook(), method)([], **argument)


def test_each_event_is_sent(blux_emulator: Emulator, folder: str) -> None:
    with pytest.raises(BluxConfigError, match="snapshot_path is only for users, deletions and devices"):
        BluxHook().send_events([], snapshot_path=folder)


def test_another_application_or_key_stops_the_task_before_its_first_request(
    blux_emulator: Emulator, folder: str, connect: Any
) -> None:
    upserted(folder)
    sent = len(blux_emulator.requests())
    connect(extra=KEY)
    with pytest.raises(BluxSnapshotError, match="another receipt_key"):
        upserted(folder)
    connect(host=f"http://localhost:{blux_emulator.url.rpartition(':')[2]}/prod")
    with pytest.raises(BluxSnapshotError, match="Give each its own snapshot_path"):
        upserted(folder)

    assert len(blux_emulator.requests()) == sent


def test_the_key_of_the_connection_keys_every_digest(blux_emulator: Emulator, tmp_path: Path, connect: Any) -> None:
    found = []
    for name, key in (("none", None), ("one", "one"), ("two", "two")):
        connect(extra={"receipt_key": key})
        upserted(str(tmp_path / name))
        found.append(digests(str(tmp_path / name)))

    assert [len(one) for one in found] == [3, 3, 3]
    for part in (slice(8), slice(8, 20)):  # of the users, of their rows
        assert len({entry[part] for one in found for entry in one}) == 9


CHANGES: list[dict[str, Any]] = [
    {"field_mapping": {**MAPPED["field_mapping"], "at": "seen_at"}},
    {"true_values": ["Y", "y"]},
    {"false_values": ["N", "n"]},
    {"true_values": ["N"], "false_values": ["Y"]},
    {"naive_timezone": "Asia/Seoul"},
    {"send_nulls": True},
    {"exclude_fields": ["at"]},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_another_way_of_reading_rows_sends_everything_once(
    blux_emulator: Emulator, folder: str, change: dict[str, Any]
) -> None:
    upserted(folder)
    first, second = upserted(folder, **change), upserted(folder, **change)

    assert (first.delivered, second.unchanged) == (3, 3)


def test_another_name_of_the_list_in_the_body_sends_all_devices_again(blux_emulator: Emulator, folder: str) -> None:
    devices = [{"device_id": "d", "user_id": "u"}]
    BluxHook().update_devices(devices, snapshot_path=folder)

    with pytest.raises(BluxRejectLimitError, match="devices is required"):  # the emulator knows one name only
        BluxHook().update_devices(devices, snapshot_path=folder, list_key="items")


@pytest.mark.parametrize(
    "change", [{"batch_size": 1}, {"rate_limit": 50}, {"concurrency": 1}, {"resume": False}], ids=str
)
def test_another_way_of_sending_sends_nothing_again(
    blux_emulator: Emulator, folder: str, change: dict[str, Any]
) -> None:
    upserted(folder)

    assert upserted(folder, **change).unchanged == 3


def test_a_group_that_is_left_out_is_compared(blux_emulator: Emulator, folder: str) -> None:
    hook, rows = BluxHook(api="open"), [[{"user_id": "u", "properties": {"x": x}}] for x in (1, 2)]
    reports = [hook.upsert_users(it, snapshot_path=folder, exclude_fields=["properties"]) for it in rows]

    assert [report.delivered for report in reports] == [1, 1]


def test_the_timestamp_of_a_profile_that_is_left_out_is_not_compared(blux_emulator: Emulator, folder: str) -> None:
    hook, moments = BluxHook(api="open"), ("2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z")
    rows = [[{"user_id": "u", "properties": {"x": 1}, "timestamp": moment}] for moment in moments]
    first, second = (hook.upsert_users(it, snapshot_path=folder, exclude_fields=["timestamp"]) for it in rows)

    assert (first.delivered, second.unchanged) == (1, 1)


def test_a_column_that_is_left_out_is_not_compared(blux_emulator: Emulator, folder: str) -> None:
    hook, at = BluxHook(api="application"), ("2026-01-30", "2026-01-31")
    rows = [[{"user_id": "u", "grade": "gold", "exported_at": moment}] for moment in at]
    first, second = (hook.upsert_users(it, snapshot_path=folder, exclude_fields=["exported_at"]) for it in rows)

    assert (first.delivered, second.unchanged) == (1, 1)


def test_a_row_whose_id_is_read_from_json_is_sent_and_replaces_what_was_known(
    blux_emulator: Emulator, folder: str
) -> None:
    rows = [{"user_id": "5", "x": 1}, {"user_id": '"5"', "x": 2}, {"user_id": "5", "x": 1}]
    reports = [
        BluxHook(api="application").upsert_users([row], snapshot_path=folder, json_columns=["user_id"]) for row in rows
    ]

    assert [report.delivered for report in reports] == [1, 1, 1]

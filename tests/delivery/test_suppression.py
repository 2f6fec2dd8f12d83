"""Deleted users, and later data that would create them again."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from airflow_provider_blux.delivery.filters import Suppression
from airflow_provider_blux.delivery.receipts import Hashes
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxUnavailable
from airflow_provider_blux.hooks.blux import BluxHook
from tests.delivery.pushing import Memory, held, push
from tests.delivery.test_receipts import KEY, lines, receipts_in
from tests.delivery.test_rejects import rejects_in


def listed(*rows: object, key: str | None = KEY) -> Suppression:
    return Suppression(rows, Hashes(key), "the list")


def test_suppressed_users_are_left_out_and_counted(blux):
    rows = [{"user_id": str(number), "n": number} for number in range(100)]

    report = push(blux, "upsert_users", rows, suppression=listed("3", {"user_id": "4"}, 5, "no such user"))

    assert set(held(blux)) == {str(number) for number in range(100)} - {"3", "4", "5"}
    assert (report.read, report.delivered, report.suppressed) == (100, 97, 3)


def test_their_events_and_devices_are_left_out_too(blux):
    suppression = listed("gone")
    events = push(
        blux, "send_events", [{"name": "x", "user_id": user} for user in ("gone", "here")], suppression=suppression
    )
    devices = push(
        blux,
        "update_devices",
        [{"device_id": "1", "user_id": "gone"}, {"device_id": "2", "user_id": "here"}, {"device_id": "3"}],
        suppression=suppression,
    )

    assert [event["user_id"] for event in blux.all_events()] == ["here"]
    assert {device for device, _ in blux.devices()} == {"2", "3"}
    assert (events.suppressed, devices.suppressed) == (1, 1)


def test_the_receipts_of_a_deletion_keep_a_late_backfill_from_bringing_users_back(blux, tmp_path):
    rows = [{"user_id": f"u{number}"} for number in range(50)]
    push(blux, "upsert_users", rows)
    push(blux, "delete_users", ["u7", "u8"], receipts=receipts_in(tmp_path))

    report = push(blux, "upsert_users", rows, suppression=listed(*lines(tmp_path)))

    assert report.suppressed == 2
    assert {"u7", "u8"} & set(held(blux)) == set()


@pytest.mark.parametrize("dag", ["_delete_users", ".delete_users"])
def test_the_name_of_the_dag_does_not_hide_its_receipts(blux_emulator, tmp_path, dag):
    run = Run(dag_id=dag, run_id="r", task_id="t")
    (tmp_path / "none.jsonl").touch()
    BluxHook().delete_users(["gone"], receipts_path=str(tmp_path), run=run)

    report = BluxHook().upsert_users([{"user_id": "gone"}], suppression_path=str(tmp_path))

    assert report.suppressed == 1


def in_form(form: str, text: str) -> str:
    """Return text in a Unicode form; ``mixed`` has one character in another form than the rest."""
    return normalize("NFC", text[0]) + normalize("NFD", text[1:]) if form == "mixed" else normalize(form, text)


FORMS = ["NFC", "NFD"]


@pytest.mark.parametrize("listed", FORMS)
@pytest.mark.parametrize("sent", FORMS)
@pytest.mark.parametrize("name", ["회원-가나다", "Zoë", "が"])
def test_a_suppressed_user_is_found_in_either_form_of_unicode(blux_emulator, tmp_path, name, listed, sent):
    path = tmp_path / "suppressed.csv"
    path.write_text(f"user_id\n{in_form(listed, name)}\n", "utf-8")
    user_id, other = in_form(sent, name), in_form(sent, f"{name}1")

    report = BluxHook().upsert_users([{"user_id": user_id}, {"user_id": other}], suppression_path=str(path))

    assert report.suppressed == 1
    assert [user for user, _ in blux_emulator.users()] == [other]


@pytest.mark.parametrize(("deleted", "sent"), [*product(FORMS, FORMS), ("mixed", "mixed")])
def test_a_user_of_a_receipt_is_found_in_either_form_of_unicode(blux_emulator, tmp_path, deleted, sent):
    """A file that was made on a Mac may have Hangul in its decomposed form, and a receipt has only a hash."""
    erased, again = in_form(deleted, "회원-1"), in_form(sent, "회원-1")
    BluxHook().upsert_users([{"user_id": erased}])
    report = BluxHook().delete_users([erased], receipts_path=str(tmp_path))

    report = BluxHook().upsert_users([{"user_id": again}, {"user_id": "회원-2"}], suppression_path=report.receipts)

    assert report.suppressed == 1
    assert [user for user, _ in blux_emulator.users()] == ["회원-2"]


@pytest.mark.parametrize(
    "row",
    [
        None,
        {},
        {"user_id": None},
        {"user_id": 1.0},
        "",
        BluxRecordError(None, "line 7 is not JSON"),
        {"ids": ["00"], "previous": "", "hash": "sha256", "key": None},
    ],
)
def test_a_list_that_is_not_understood_whole_suppresses_nobody_and_stops_everything(row):
    with pytest.raises(BluxConfigError, match="suppression_path: entry 2 of the list cannot be understood"):
        listed("fine", row)


def test_receipts_of_another_key_are_not_taken_for_an_empty_list(blux, tmp_path):
    push(blux, "delete_users", ["u7"], receipts=receipts_in(tmp_path))

    with pytest.raises(BluxConfigError, match="another receipt_key"):
        listed(*lines(tmp_path), key="another")


def test_receipts_without_a_key_are_told_from_those_of_another_key(blux, tmp_path):
    push(blux, "delete_users", ["u7"], receipts=receipts_in(tmp_path, key=None))

    with pytest.raises(BluxConfigError, match="without a receipt_key, but the connection has one"):
        listed(*lines(tmp_path), key="another")


def test_a_list_that_has_grown_between_two_tries_holds_for_what_is_still_to_be_sent(blux):
    rows = [{"name": "x", "user_id": str(number)} for number in range(100)]
    store = Memory()
    blux.fault(kind="status", status=503, skip=3)
    with pytest.raises(BluxUnavailable):
        push(blux, "send_events", rows, store=store, batch_size=10, concurrency=1, suppression=listed("1"))
    blux.clear_faults()

    report = push(blux, "send_events", rows, store=store, batch_size=10, suppression=listed("1", "2", "98"))

    assert sorted((event["user_id"] for event in blux.all_events()), key=int) == [
        str(number) for number in range(100) if number not in (1, 98)
    ]
    assert (report.read, report.delivered, report.resumed, report.suppressed) == (100, 98, 30, 2)


def test_an_empty_list_leaves_nobody_out(blux):
    report = push(blux, "upsert_users", [{"user_id": "a"}], suppression=listed())

    assert report.suppressed == 0


@pytest.mark.parametrize("ids", [["not hexadecimal"], ["ab" * 16], ["ab" * 33], [7], None])
def test_a_receipt_of_the_right_key_that_is_damaged_in_itself_stops_everything(ids):
    hashes = Hashes(KEY)
    receipt = {"ids": ids, "previous": "", "hash": hashes.method, "key": hashes.key_id}

    with pytest.raises(
        BluxConfigError, match=r"entry 1 of the list cannot be understood .*this receipt has been changed"
    ):
        listed(receipt)


def test_an_entry_that_could_not_be_read_is_told_with_its_own_reason():
    with pytest.raises(BluxConfigError, match="line 7 is not JSON"):
        listed(BluxRecordError(None, "line 7 is not JSON"))


def of_a_file(path: Path, content: str) -> Any:
    path.write_text(content, "utf-8")
    return BluxHook().upsert_users([{"user_id": "kim"}], suppression_path=str(path))


@pytest.mark.parametrize("content", ["kim\n", "kim\nlee\n", "USER_ID\nkim\n", "user_id;since\nkim;2026\n"])
def test_a_list_without_the_column_suppresses_nobody_and_names_no_argument_alone(blux_emulator, tmp_path, content):
    with pytest.raises(BluxConfigError, match=r"^suppression_path: .*save it as UTF-8, with commas and"):
        of_a_file(tmp_path / "erased.csv", content)

    assert not list(blux_emulator.users())


@pytest.mark.parametrize(("file", "content"), [("erased.txt", "user_id\nkim\n"), ("erased.jsonl", '["kim"]')])
def test_the_error_of_a_list_in_another_format_says_that_file_format_is_not_for_it(
    blux_emulator, tmp_path, file, content
):
    with pytest.raises(BluxConfigError, match=r"Set file_format.*file_format, encoding .* named \.csv\.$"):
        of_a_file(tmp_path / file, content)

    assert not list(blux_emulator.users())


@pytest.mark.parametrize("content", ["user,since\n", "user,since\nkim,2026\n"])
def test_the_error_names_the_list_without_the_column(blux_emulator, tmp_path, content):
    (tmp_path / "a.csv").write_text("user_id\nlee\n", "utf-8")
    (tmp_path / "b.csv").write_text(content, "utf-8")

    with pytest.raises(BluxConfigError, match=r"^suppression_path: .*b\.csv: There is no column user_id, "):
        BluxHook().upsert_users([{"user_id": "kim"}], suppression_path=str(tmp_path))


def test_the_error_names_the_file_of_an_entry(blux_emulator, tmp_path):
    (tmp_path / "a.csv").write_text("user_id\nlee\n", "utf-8")
    (tmp_path / "b.csv").write_text("user_id\nkim\npark \n", "utf-8")

    with pytest.raises(BluxConfigError, match=r"^suppression_path: record 2 of .*/b\.csv cannot be understood"):
        BluxHook().upsert_users([{"user_id": "kim"}], suppression_path=str(tmp_path))


def test_a_list_of_a_header_alone_leaves_nobody_out(blux_emulator, tmp_path):
    assert of_a_file(tmp_path / "erased.csv", "user_id\n").delivered == 1


@pytest.mark.parametrize(
    ("file", "end", "words"),
    [
        ("_old/erased.csv", "", "begins with _ or a dot. If it should be read, rename it"),
        (".erased.csv", "", "begins with _ or a dot"),
        ("old/erased.csv", "/*", "a glob does not read the files in them"),
    ],
)
def test_a_file_that_a_list_leaves_out_suppresses_nobody_and_stops_everything(
    blux_emulator, tmp_path, file, end, words
):
    (tmp_path / "none.jsonl").touch()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("user_id\nkim\n", "utf-8")

    with pytest.raises(BluxConfigError, match=rf"^suppression_path: .*{words}.*This try sent nothing"):
        BluxHook().upsert_users([{"user_id": "kim"}], suppression_path=f"{tmp_path}{end}")

    assert not list(blux_emulator.users())


@pytest.mark.parametrize(
    ("operation", "row", "mapping"),
    [
        ("upsert_users", {"no": "gone", "phone_number": 5}, {"no": "user_id"}),
        ("send_events", {"user_id": "gone"}, {}),
        ("update_devices", {"device_id": "d", "user_id": "gone", "token": 5}, {}),
    ],
)
def test_an_invalid_record_of_a_suppressed_user_is_suppressed_and_in_no_file(blux, tmp_path, operation, row, mapping):
    other = {name: "here" if value == "gone" else value for name, value in row.items()}
    rejects = rejects_in(tmp_path)
    options = {"suppression": listed("gone"), "rejects": rejects, "field_mapping": mapping, "max_rejects": 1}

    report = push(blux, operation, [row, other], **options)

    assert (report.suppressed, report.rejected) == (1, 1)
    assert "gone" not in (tmp_path / "try1.jsonl").read_text()


def test_a_row_with_one_column_of_a_receipt_is_none():
    rows = [{"user_id": "a", "ids": "x"}, {"user_id": "b", "previous": "x"}]

    suppression = Suppression(rows, Hashes(None), "the list")

    assert all(suppression.covers(row) for row in rows)

"""Receipts of deletions: complete, chained, and without an id in them."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.receipts import Hashes, ReceiptsFile, verified
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.storage import Folder
from airflow_provider_blux.exceptions import BluxError, BluxReceiptError, BluxUnavailable
from airflow_provider_blux.hooks.receipts import accepted_hashes
from airflow_provider_blux.receipts import KEY_VARIABLE, main
from tests.delivery.pushing import Memory, push

KEY = "a receipt key"
IDS = [f"canary-{number}" for number in range(10_000)]


def receipts_in(folder: Path, try_number: int = 1, key: str | None = KEY) -> ReceiptsFile:
    run = Run(dag_id="gdpr", run_id="manual__1", task_id="delete", try_number=try_number)
    return ReceiptsFile(Folder(LocalFileSystem(), str(folder), "receipts_path"), run, Hashes(key))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _the_key_is_in_the_environment(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.mark.parametrize(("api", "number"), [("application", 4), ("open", 10)])
def test_every_accepted_request_has_a_receipt_with_every_id(blux, tmp_path, api, number):
    report = push(blux, "delete_users", IDS, api=api, receipts=receipts_in(tmp_path))

    written = lines(tmp_path)
    assert len(written) == number == len(blux.requests())
    assert sorted(digest for line in written for digest in line["ids"]) == sorted(
        Hashes(KEY).of(user_id.encode()) for user_id in IDS
    )
    assert {line["status"] for line in written} == {200 if api == "application" else 202}
    assert {(line["dag_id"], line["run_id"], line["task_id"], line["try_number"]) for line in written} == {
        ("gdpr", "manual__1", "delete", 1)
    }
    assert {(line["api"], line["hash"]) for line in written} == {(api, "hmac-sha256")}
    [address] = {line["url"] for line in written}
    connection = blux.connection()
    base = connection["host"] if api == "application" else connection["extra"]["open_api_url"]
    assert address.startswith(f"{base}/v")
    assert sum(line["number"] for line in written) == len(IDS)
    [receipts] = report.receipts
    assert re.fullmatch(rf"file://{tmp_path}/gdpr__delete__manual__1__[0-9a-f]{{8}}__try1__receipts\.jsonl", receipts)


def test_no_id_and_no_key_is_in_a_receipt(blux, tmp_path):
    push(blux, "delete_users", IDS, receipts=receipts_in(tmp_path))

    text = next(tmp_path.iterdir()).read_text()
    assert "canary" not in text
    assert KEY not in text
    assert blux.connection()["password"] not in text


def test_what_is_refused_has_no_receipt_and_what_is_accepted_before_a_failure_has_one(blux, tmp_path):
    store = Memory()
    blux.fault(kind="status", status=503, skip=2)
    with pytest.raises(BluxUnavailable):
        push(blux, "delete_users", IDS, receipts=receipts_in(tmp_path), store=store, concurrency=1)
    assert len(lines(tmp_path)) == 2
    blux.clear_faults()

    report = push(blux, "delete_users", IDS, receipts=receipts_in(tmp_path, try_number=2), store=store)

    written = lines(tmp_path)
    assert [line["try_number"] for line in written] == [1, 1, 2, 2]
    assert {digest for line in written for digest in line["ids"]} == {Hashes(KEY).of(user.encode()) for user in IDS}
    assert len(report.receipts) == 2
    assert main(["verify", str(tmp_path)]) == 0


def test_ids_of_a_bisected_batch_have_receipts_but_the_refused_one(blux, tmp_path):
    blux.fault(kind="refuse", ids=["canary-7"])

    with pytest.raises(Exception, match="1 rejected"):
        push(blux, "delete_users", IDS[:100], receipts=receipts_in(tmp_path))

    accepted = {digest for line in lines(tmp_path) for digest in line["ids"]}
    assert accepted == {Hashes(KEY).of(user.encode()) for user in IDS[:100]} - {Hashes(KEY).of(b"canary-7")}


def test_object_storage_gets_parts_that_are_one_chain():
    fs = fsspec.filesystem("memory")
    run = Run(dag_id="gdpr", run_id="r", task_id="delete")
    receipts = ReceiptsFile(Folder(fs, "/bucket/receipts", "receipts_path"), run, Hashes(None))
    for user_id in ("a", "b", "c"):
        receipts.write(endpoints_for("delete_users", "open")[0], "https://h", 202, [user_id])

    content = [line for url in receipts.urls for line in fs.cat_file(url.removeprefix("memory://")).splitlines()]
    assert len(receipts.urls) == 3
    receipted = list(verified(content, Hashes(None), "receipts"))
    assert [(receipt["sequence"], receipt["hash"]) for receipt in receipted] == [(n, "sha256") for n in (1, 2, 3)]


class FullAtFirst(LocalFileSystem):
    """A disk on which the first receipt finds no room."""

    cachable = False
    is_full = True

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "ab" and self.is_full:
            self.is_full = False
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().open(path, mode, **options)


def test_a_file_is_named_once_it_is_written(tmp_path):
    [endpoint] = endpoints_for("delete_users", "application")
    folder, run = Folder(FullAtFirst(), str(tmp_path), "receipts_path"), Run(dag_id="d", run_id="r", task_id="t")
    receipts = ReceiptsFile(folder, run, Hashes(KEY))

    with pytest.raises(BluxError, match=r"^receipts_path: .* cannot be written \(OSError: No space left"):
        receipts.write(endpoint, "https://blux.example", 200, ["a"])
    assert receipts.urls == []

    receipts.write(endpoint, "https://blux.example", 200, ["b"])
    assert receipts.urls == [f"file://{path}" for path in tmp_path.iterdir()]
    assert len(lines(tmp_path)) == 2


class WriteOnly(MemoryFileSystem):
    """A bucket whose policy allows to put objects, but not to ask which ones there are."""

    def exists(self, path, **kwargs):
        raise PermissionError("Forbidden")


@pytest.mark.parametrize(
    "fs", [fsspec.filesystem("memory"), LocalFileSystem(), WriteOnly()], ids=["objects", "a disk", "write-only objects"]
)
def test_receipts_of_a_run_that_was_created_again_replace_none(tmp_path, fs):
    folder = Folder(fs, str(tmp_path / "receipts"), "receipts_path")
    run, endpoint = Run(dag_id="gdpr", run_id="again", task_id="delete"), endpoints_for("delete_users", "open")[0]
    copies = tmp_path / "copies"
    copies.mkdir()

    for ids in (["a", "b"], ["c"], ["d"]):
        receipts = ReceiptsFile(folder, run, Hashes(KEY))
        for user_id in ids:
            receipts.write(endpoint, "https://h", 202, [user_id])

    for name in folder.sizes():
        (copies / name).write_bytes(folder.read(name) or b"")
    for user_id in ("a", "b", "c", "d"):
        assert main(["verify", str(copies), "--user-id", user_id]) == 0


@pytest.mark.parametrize("fs", [MemoryFileSystem(), LocalFileSystem()], ids=["objects", "a disk"])
def test_receipts_of_two_deletions_at_the_same_time_replace_none(tmp_path, fs):
    folder, copies = Folder(fs, str(tmp_path / "receipts"), "receipts_path"), tmp_path / "copies"
    run, endpoint = Run(dag_id="gdpr", run_id="at once", task_id="delete"), endpoints_for("delete_users", "open")[0]
    both = [ReceiptsFile(folder, run, Hashes(KEY)) for _ in range(2)]
    copies.mkdir()

    for user_id in ("a", "b"):
        for number, receipts in enumerate(both):
            receipts.write(endpoint, "https://h", 202, [f"{user_id}{number}"])

    for name in folder.sizes():
        (copies / name).write_bytes(folder.read(name) or b"")
    for user_id in ("a0", "b0", "a1", "b1"):
        assert main(["verify", str(copies), "--user-id", user_id]) == 0


@pytest.mark.parametrize("digits", [4, 8], ids=["four digits", "eight digits"])
def test_a_chain_of_more_than_9_999_parts_is_verified(tmp_path, capsys, digits):
    memory = Folder(fsspec.filesystem("memory"), "/bucket/long", "receipts_path")
    receipts = ReceiptsFile(memory, Run(dag_id="gdpr", run_id="r", task_id="delete"), Hashes(KEY))
    for number in range(12):
        receipts.write(endpoints_for("delete_users", "open")[0], "https://h", 202, [f"canary-{number}"])
    # The chain itself does not know how its parts are numbered.
    for number, url in enumerate(receipts.urls, 9_994):
        name = re.sub(r"part\d+", f"part{number:0{digits}}", url.rpartition("/")[2])
        (tmp_path / name).write_bytes(memory.read(url.rpartition("/")[2]) or b"")

    assert main(["verify", str(tmp_path), "--user-id", "canary-11"]) == 0
    assert "receipts 12, ids 12" in capsys.readouterr().out
    assert len(accepted_hashes(map(str, tmp_path.iterdir()), Hashes(KEY))) == 12


@pytest.fixture(scope="module")
def written_once(_blux_emulator_server, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("receipts")
    _blux_emulator_server.reset()
    push(_blux_emulator_server, "delete_users", IDS, batch_size=1000, receipts=receipts_in(folder))
    return next(folder.iterdir())


@pytest.fixture
def written(written_once, tmp_path) -> Path:
    return Path(shutil.copy(written_once, tmp_path))


def test_an_untouched_file_is_verified_and_an_id_found_with_its_time(written, capsys):
    assert main(["verify", str(written), "--user-id", "canary-4711"]) == 0

    said = capsys.readouterr().out
    assert "receipts 10, ids 10,000" in said
    [receipt] = [line for line in lines(written.parent) if Hashes(KEY).of(b"canary-4711") in line["ids"]]
    assert f"{receipt['time']}: accepted by the application API (200), gdpr.delete" in said


def test_an_id_that_was_never_deleted_is_not_found(written, capsys):
    assert main(["verify", str(written), "--user-id", "canary"]) == 1
    assert "in none of these receipts" in capsys.readouterr().out


def changed_id(content: list[str]) -> list[str]:
    receipt = json.loads(content[3])
    receipt["ids"][0] = "0" * 64
    return [*content[:3], json.dumps(receipt), *content[4:]]


def changed_id_in_the_last(content: list[str]) -> list[str]:
    receipt = json.loads(content[-1])
    receipt["ids"][0] = "0" * 64
    return [*content[:-1], json.dumps(receipt)]


def another_time_in_front(content: list[str]) -> list[str]:
    """A key twice: readers that take the first value would see another time."""
    return [*content[:3], content[3].replace("{", '{"time": "2020-01-01T00:00:00+00:00", ', 1), *content[4:]]


def a_hash_less(content: list[str]) -> list[str]:
    receipt = json.loads(content[-1])
    del receipt["line_hash"]
    return [*content[:-1], json.dumps(receipt)]


def an_id_less(content: list[str]) -> list[str]:
    receipt = json.loads(content[-1])
    del receipt["ids"][0]
    return [*content[:-1], json.dumps(receipt)]


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (changed_id, "line 4: this receipt has been changed"),
        (changed_id_in_the_last, "line 10: this receipt has been changed"),
        (another_time_in_front, "line 4: this receipt has been changed"),
        (a_hash_less, "line 10: this receipt has been changed"),
        (lambda content: [*content[:3], *content[4:]], "line 4: this receipt does not follow the one before it"),
        (an_id_less, "line 10: this receipt has been changed"),
        (lambda content: [*content[:5], "no json", *content[5:]], "line 6: this is no receipt"),
        (lambda content: [*content[:5], "[]", *content[5:]], "line 6: this is no receipt"),
        (lambda content: [*content[:5], "[" * 200_000, *content[5:]], "line 6: this is no receipt"),
        (lambda content: [*content[:5], "{}", *content[5:]], "line 6: this receipt was made with another key (None"),
    ],
    ids=[
        *("changed", "changed in the last", "a key twice", "without its hash", "removed"),
        *("an id less in the last", "damaged", "a list", "nested too deep", "put between"),
    ],
)
def test_what_is_wrong_with_a_chain_is_told_with_its_line(written, capsys, tamper, words):
    written.write_text("\n".join(tamper(written.read_text().splitlines())) + "\n")

    assert main(["verify", str(written)]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert written.name in said


@pytest.mark.parametrize(
    "tamper",
    [
        changed_id,
        lambda content: [*content[:3], *content[4:]],
        lambda content: [*content[:3], content[4], content[3], *content[5:]],
        lambda content: [*content[:3], content[3], content[3], *content[4:]],
        lambda content: content[1:],
        lambda content: [*content[:5], "{}", *content[5:]],
        lambda content: [*content[:5], "no json", *content[5:]],
    ],
    ids=["changed", "removed", "swapped", "repeated", "headless", "put between", "damaged"],
)
def test_a_chain_that_was_tampered_with_is_not_verified(written, capsys, tamper):
    written.write_text("\n".join(tamper(written.read_text().splitlines())) + "\n")

    assert main(["verify", str(written)]) == 1
    assert "NOT VERIFIED" in capsys.readouterr().err


def test_a_receipt_of_another_try_does_not_fit_into_the_chain(written, blux, tmp_path, capsys):
    other = tmp_path / "other"
    push(blux, "delete_users", IDS[:2000], batch_size=1000, receipts=receipts_in(other, try_number=2))
    [theirs] = other.iterdir()
    content = written.read_text().splitlines()
    content[1] = theirs.read_text().splitlines()[1]
    written.write_text("\n".join(content) + "\n")

    assert main(["verify", str(theirs)]) == 0
    assert main(["verify", str(written)]) == 1
    assert "line 2: this receipt does not follow the one before it" in capsys.readouterr().err


def test_each_file_is_verified_though_one_before_it_is_not(written, capsys):
    content = written.read_text().splitlines()
    others = {name: written.with_name(written.name.replace("__receipts", f"__receipts-{name}")) for name in (2, 3)}
    others[2].write_text("\n".join(changed_id(content)) + "\n")
    others[3].write_text("\n".join(content) + "\n")
    written.write_text("no json\n")

    assert main(["verify", str(written.parent)]) == 1
    said = capsys.readouterr()
    assert said.err.count("NOT VERIFIED") == 2
    assert f"{others[3]}: receipts 10" in said.out
    assert "VERIFIED:" not in said.out


def test_another_key_is_told_from_a_broken_chain(written, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv(KEY_VARIABLE)
    key_file = tmp_path / "key"
    key_file.write_text("another key\n")

    assert main(["verify", str(written)]) == 1
    assert "no key was given" in capsys.readouterr().err
    assert main(["verify", str(written), "--key-file", str(key_file)]) == 1
    said = capsys.readouterr().err
    assert f"made with another key (hmac-sha256, key {Hashes(KEY).key_id}). Give the receipt_key" in said
    for encoding in ("utf-8", "utf-8-sig"):
        key_file.write_text(f"{KEY}\n", encoding=encoding)
        assert main(["verify", str(written), "--key-file", str(key_file)]) == 0
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\n")  # as a mounted secret ends
    assert main(["verify", str(written)]) == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfek\x00", "is not text in UTF-8. Write the receipt_key"),
        (b"", "is empty. Write the receipt_key"),
        (b" \n", "is empty. Write the receipt_key"),
    ],
)
def test_a_key_file_without_a_key_is_named(written, capsys, tmp_path, content, words):
    key_file = tmp_path / "key"
    key_file.write_bytes(content)

    assert main(["verify", str(written), "--key-file", str(key_file)]) == 2
    assert f"{key_file} {words}" in capsys.readouterr().err


def test_arguments_that_are_not_utf_8_are_named(written, capsys, monkeypatch):
    assert main(["verify", str(written), "--user-id", os.fsdecode(b"u-\xff")]) == 2
    monkeypatch.setenv(KEY_VARIABLE, os.fsdecode(b"key-\xff"))
    assert main(["verify", str(written)]) == 2
    assert capsys.readouterr().err == f"--user-id is not text in UTF-8.\n{KEY_VARIABLE} is not text in UTF-8.\n"


@pytest.mark.parametrize(("user_id", "words"), [("", "is empty"), ("canary-1 ", "has whitespace around it")])
def test_an_id_that_is_never_sent_is_not_looked_for(written, capsys, user_id, words):
    assert main(["verify", str(written), "--user-id", user_id]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"--user-id: {words}")
    assert "in none of these receipts" not in said.out


def test_a_missing_key_is_told(written, capsys, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE)

    assert main(["verify", str(written)]) == 1
    assert "no key was given" in capsys.readouterr().err


def test_receipts_without_a_key_prove_less_and_say_so(blux, tmp_path, capsys, monkeypatch):
    push(blux, "delete_users", ["1"], receipts=receipts_in(tmp_path, key=None))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    assert main(["verify", str(tmp_path)]) == 0
    assert "have no key" in capsys.readouterr().err
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert main(["verify", str(tmp_path)]) == 1
    assert "made without a key. Verify it without a key" in capsys.readouterr().err


def test_a_path_without_receipts_is_an_error(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["verify", str(tmp_path / "missing.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "there are no receipts" in said
    assert "missing.jsonl: No such file or directory" in said


def test_the_url_of_a_report_names_a_file_of_this_machine_and_no_other(written, capsys):
    assert main(["verify", f"file://{written}"]) == 0
    with pytest.raises(SystemExit) as raised:
        main(["verify", "s3://my_aws@crm-private/receipts"])

    assert raised.value.code == 2
    assert "not on this machine; download them first" in capsys.readouterr().err


def test_receipts_that_cannot_be_read_are_an_error_and_no_fault_of_the_chain(tmp_path, capsys):
    (tmp_path / "a__receipts.jsonl").mkdir()

    assert main(["verify", str(tmp_path)]) == 2
    assert "a__receipts.jsonl: Is a directory" in capsys.readouterr().err


def test_receipts_in_a_folder_that_cannot_be_listed_are_not_passed_over(written, tmp_path, capsys, monkeypatch):
    """The folders of receipts are open to the account of the worker only."""
    (tmp_path / "of another worker").mkdir()
    scandir = os.scandir

    def denied(path):  # root may list every folder, so its mode is not enough
        if os.fspath(path).endswith("of another worker"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)

    assert main(["verify", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "of another worker: Permission denied" in said.err
    assert "VERIFIED" not in said.out


def test_receipts_in_a_linked_folder_are_verified(written, tmp_path_factory, capsys):
    folder = tmp_path_factory.mktemp("links")
    (folder / "receipts").symlink_to(written.parent)

    assert main(["verify", str(folder), "--user-id", IDS[0]]) == 0
    assert "The id was accepted" in capsys.readouterr().out


def test_a_folder_that_is_linked_within_itself_is_read_once(written, tmp_path, capsys):
    (tmp_path / "again").symlink_to(tmp_path)

    assert main(["verify", str(tmp_path)]) == 0

    assert capsys.readouterr().out.count(": receipts ") == 1


@pytest.mark.parametrize(
    "change",
    [*({name: ...} for name in ("time", "number", "dag_id", "ids")), {"ids": None}, {"ids": [1]}, {"number": 2}],
    ids=str,
)
def test_a_receipt_without_a_key_that_lacks_a_field_is_not_verified(blux, tmp_path, capsys, monkeypatch, change):
    """Without a key, anyone can write a line with a right hash."""
    monkeypatch.delenv(KEY_VARIABLE)
    push(blux, "delete_users", ["1"], receipts=receipts_in(tmp_path, key=None))
    [path], [receipt] = tmp_path.iterdir(), lines(tmp_path)
    del receipt["line_hash"]
    content = json.dumps({name: value for name, value in {**receipt, **change}.items() if value is not ...})
    line_hash = Hashes(None).of(content.encode())
    path.write_text(f'{content[:-1]}, "line_hash": "{line_hash}"}}\n')

    assert main(["verify", str(path), "--user-id", "1"]) == 1
    assert "line 1: this receipt lacks a field, or has a wrong value in one" in capsys.readouterr().err
    with pytest.raises(BluxReceiptError, match="lacks a field"):
        accepted_hashes([str(path)], Hashes(None))


def test_a_file_without_a_line_has_no_receipts(written, capsys):
    empty = written.with_name(written.name.replace("__receipts", "__receipts-2"))
    empty.touch()

    assert main(["verify", str(empty)]) == 2
    said = capsys.readouterr()
    assert "there are no receipts" in said.err
    assert "VERIFIED:" not in said.out
    assert main(["verify", str(written.parent)]) == 0


@pytest.mark.slow
def test_the_command_of_the_docs_runs(written):
    command = [sys.executable, "-m", "airflow_provider_blux.receipts", "verify", str(written.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own module

    assert "VERIFIED: no receipt was changed" in done.stdout


@pytest.mark.slow
def test_a_name_that_the_terminal_cannot_show_is_no_fault_of_the_receipts(written):
    folder = written.parent / "삭제"
    folder.mkdir()
    written.rename(folder / written.name)
    command = [sys.executable, "-m", "airflow_provider_blux.receipts", "verify", str(folder)]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)  # noqa: S603 - our own module

    assert "VERIFIED: no receipt was changed" in done.stdout

"""Check the receipts of deletions, offline: ``python -m airflow_provider_blux.receipts verify PATH [--user-id ID]``.

Receipts contain hashes made with a key: the extra ``receipt_key`` of the connection that wrote them. The key is read
from the environment variable ``BLUX_RECEIPT_KEY`` or from a file, never from the command line, which others can see.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from airflow_provider_blux.delivery.receipts import Hashes, by_try, verified
from airflow_provider_blux.exceptions import BluxReceiptError, BluxRecordError
from airflow_provider_blux.records.ids import identifier

__all__ = ["main"]

KEY_VARIABLE = "BLUX_RECEIPT_KEY"


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify receipts; return the exit code of the command.

    0: every hash chain is valid, and the id of ``--user-id``, if given, is in a receipt. 1: a hash chain is not valid,
    or the id is in no receipt. 2: the arguments are wrong, a file cannot be read, or there are no receipts.
    """
    options = _parser().parse_args(arguments)
    try:
        hashes = Hashes(_key(options.key_file))
        tries = by_try(_files(options.path))
        wanted = _hash_of_user(options.user_id, hashes) if options.user_id is not None else None
    except (OSError, ValueError) as error:
        return _unreadable(error)
    receipts, found, is_valid = 0, 0, True
    for name, files in sorted(tries.items()):
        try:
            number, times = _check(name, files, hashes, wanted)
            receipts, found = receipts + number, found + times
        except BluxReceiptError as error:
            print(f"NOT VERIFIED. {error}", file=sys.stderr)
            is_valid = False
        except OSError as error:
            return _unreadable(error)
    if not is_valid:
        return 1
    if not receipts:
        print(f"{options.path}: there are no receipts (*__receipts*.jsonl).", file=sys.stderr)
        return 2
    print("VERIFIED: no receipt was changed, removed from the middle or inserted.")
    if hashes.key_id is None:
        print("These receipts have no key: anyone who can write the files can also make them again.", file=sys.stderr)
    if wanted is None:
        return 0
    print("The id was accepted for deletion." if found else "The id is in none of these receipts.")
    return 0 if found else 1


def _unreadable(error: OSError | ValueError) -> int:
    print(f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error, file=sys.stderr)
    return 2


def _check(name: str, files: list[str], hashes: Hashes, wanted: str | None) -> tuple[int, int]:
    """Verify the receipts of one try; return their number, and how many of them are of the wanted user.

    :param name: name of the try, for messages.
    :param files: the files with the receipts of the try, in order.
    :param wanted: hash of the user's id; ``None`` to look for nobody.
    """
    receipts = users = found = 0
    for receipt in verified(_lines(files), hashes, name):
        receipts += 1
        users += receipt["number"]
        if wanted in receipt["ids"]:
            found += 1
            where = f"{receipt['dag_id']}.{receipt['task_id']}, run {receipt['run_id']}, try {receipt['try_number']}"
            print(f"{receipt['time']}: accepted by the {receipt['api']} API ({receipt['status']}), {where}")
    print(f"{name}: receipts {receipts:,}, ids {users:,}")
    return receipts, found


def _lines(files: list[str]) -> Iterator[bytes]:
    for path in files:
        with open(path, "rb") as file:
            yield from file


def _path(text: str) -> Path:
    """Return the path that an argument names: a path, or a ``file://`` URL as a report has it."""
    scheme, is_url, rest = text.partition("://")
    if is_url and scheme != "file":
        raise argparse.ArgumentTypeError("the receipts are not on this machine; download them first")
    return Path(rest if is_url else text)


def _files(path: Path) -> list[str]:
    """Return the files of receipts at a path.

    :raises OSError: there is no such path, or a folder below it cannot be listed: its receipts would be missing.
    """
    path.stat()  # raises for a path that is not there
    if not path.is_dir():
        return [str(path)]
    found: dict[str, list[str]] = {}
    for folder, folders, files in os.walk(path, onerror=_raise, followlinks=True):
        if (place := os.path.realpath(folder)) in found:  # a link to it, maybe from within: it would have no end
            folders.clear()
            continue
        found[place] = [os.path.join(folder, name) for name in fnmatch.filter([*folders, *files], "*__receipts*.jsonl")]
    return [file for files in found.values() for file in files]


def _raise(error: OSError) -> NoReturn:
    raise error


def _key(file: Path | None) -> str | None:
    if file is None:
        key = os.environ.get(KEY_VARIABLE, "").strip() or None
        _utf_8(key or "", KEY_VARIABLE)
        return key
    try:
        key = file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not text in UTF-8. Write the receipt_key of the connection into it.") from None
    if not key:
        raise ValueError(f"{file} is empty. Write the receipt_key of the connection into it, or leave --key-file out.")
    return key


def _hash_of_user(user_id: str, hashes: Hashes) -> str:
    """Return the hash of an id.

    :raises ValueError: no receipt can have the id, since it is never sent: it is empty, or has whitespace around it.
    """
    content = _utf_8(user_id, "--user-id")
    try:
        identifier(user_id, "--user-id", check=False)
    except BluxRecordError as error:
        raise ValueError(f"{error}. No such id is ever sent.") from None
    return hashes.of(content)


def _utf_8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # Python's stand-in for a byte that is not UTF-8
        raise ValueError(f"{name} is not text in UTF-8.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_blux.receipts", description=__doc__)
    verify = parser.add_subparsers(required=True, metavar="verify").add_parser(
        "verify", help="check the chain of receipts; tell whether and when an id was accepted for deletion"
    )
    verify.add_argument("path", type=_path, help="a file of receipts, or a folder with everything below it")
    verify.add_argument("--user-id", help="tell whether and when this id was accepted")
    verify.add_argument("--key-file", type=Path, help=f"file with the receipt key; otherwise {KEY_VARIABLE} is read")
    return parser


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that it cannot show is not an error
    sys.exit(main())

"""Writes and verifies receipts of deletions.

A receipt is one line for each request, with keyed hashes in place of ids. Each line holds the hash of itself and of the
line before.
A receipt proves that Blux accepted the request, not that data was deleted: neither API reports that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.delivery.run import Run
from airflow_provider_blux.delivery.storage import PART, Folder, Lines
from airflow_provider_blux.exceptions import BluxReceiptError

FIRST = "0" * 64
_KEYED, _PLAIN = "hmac-sha256", "sha256"
_LINE_HASH = b', "line_hash": '
_FIELDS = frozenset(
    {
        *("sequence", "time", "api", "url", "status", "number", "hash", "key", "ids", "previous"),
        *(field.name for field in fields(Run)),
    }
)


class Hashes:
    """Computes the hashes in receipts.

    :param key: the HMAC key; without a key a plain hash is used, from which a short id can be found by brute force.
    """

    def __init__(self, key: str | None) -> None:
        self._key = key.encode() if key else None
        self.method = _KEYED if key else _PLAIN

    def of(self, content: bytes) -> str:
        """Return the hash in hexadecimal."""
        if self._key is None:
            return hashlib.sha256(content).hexdigest()
        return hmac.digest(self._key, content, "sha256").hex()

    @property
    def key_id(self) -> str | None:
        """An identifier of the key that does not reveal the key; ``None`` without a key."""
        return self.of(b"airflow-provider-blux receipt key")[:16] if self._key else None

    def fits(self, receipt: Mapping[str, Any]) -> bool:
        """Return whether a receipt was made with the key of this object, or without a key if this object has none.

        :param receipt: the decoded receipt; its fields ``hash`` and ``key`` are compared.
        """
        return receipt.get("hash") == self.method and receipt.get("key") == self.key_id

    def is_plain(self, receipt: Mapping[str, Any]) -> bool:
        """Return whether a receipt was made without a key."""
        return receipt.get("hash") == _PLAIN and receipt.get("key") is None

    def why_not(self, receipt: Mapping[str, Any]) -> str:
        """Return the text of an error for a receipt that was not made with the key of this object."""
        if self.is_plain(receipt):
            return (
                "this receipt was made without a key. Verify it without a key, separately from receipts that have one."
            )
        given = "" if self._key else "; no key was given"
        return (
            f"this receipt was made with another key ({receipt.get('hash')}, key {receipt.get('key')}){given}. Give "
            "the receipt_key of the connection that wrote it."
        )


class ReceiptsFile(Lines):
    """Writes the deletion receipts of one try; thread-safe.

    A receipt is one line for each accepted request. It holds the hash of the line before, so that a change is noticed.

    :param now: returns the current time.
    """

    def __init__(
        self,
        folder: Folder,
        run: Run,
        hashes: Hashes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(folder, f"{run.try_file}__receipts")
        self._run = asdict(run)
        self._hashes = hashes
        self._now = now
        self._sequence, self._previous = 0, FIRST
        self._lock = threading.Lock()

    @property
    def urls(self) -> list[str]:
        """The URLs of the files that are written, without the file that the next flush will write.

        If the process were killed before that flush, a later try would name a file that does not exist.
        """
        with self._state:
            return self._written[:]

    def write(self, endpoint: Endpoint, address: str, status: int, user_ids: Sequence[str]) -> None:
        """Write the receipt of an accepted request; return when it is durable.

        :param address: the URL of the request.
        :param status: the HTTP status of the answer.
        :param user_ids: the ids in the request; the receipt holds their hashes.
        """
        hashes = [self._hashes.of(user_id.encode()) for user_id in user_ids]
        with self._lock:
            self._sequence += 1
            receipt = {
                "sequence": self._sequence,
                "time": self._now().isoformat(),
                "api": endpoint.api,
                "url": address,
                "status": status,
                "number": len(user_ids),
                **self._run,
                "hash": self._hashes.method,
                "key": self._hashes.key_id,
                "ids": hashes,
                "previous": self._previous,
            }
            content = json.dumps(receipt).encode()
            self._previous = self._hashes.of(content)
            self.add([_with_hash(content, self._previous)])
        self.flush()


def by_try(files: Iterable[str]) -> dict[str, list[str]]:
    """Group receipts files by try.

    On a disk, a try has one file. In object storage, it may have several files, with part numbers in their names.

    :return: the files of each try in order, by their common name without the part number.
    """
    tries: dict[str, list[str]] = defaultdict(list)
    for file in sorted(dict.fromkeys(files), key=_part_number):  # several reports may name the same file
        tries[PART.sub(".jsonl", file)].append(file)
    return tries


def _part_number(file: str) -> int:
    """Return the number of a part, so that part 10000 comes after part 9999; 0 for a file that is not a part."""
    part = PART.search(file)
    return int(part[1]) if part else 0


def verified(lines: Iterable[bytes], hashes: Hashes, name: str) -> Iterator[dict[str, Any]]:
    """Yield the receipts of one try, each after checking its own hash and that of the receipt before it.

    :param lines: the lines of the file, or of its parts in order.
    :param hashes: computes hashes with the key that the receipts were made with.
    :param name: the name of the file, for messages.
    :raises BluxReceiptError: a line is not a receipt, was changed, does not follow the line before it, or was made with
        another key; the message names the line.
    """
    previous = FIRST
    for number, line in enumerate(lines, 1):
        written = line.rstrip(b"\r\n")
        receipt = _parsed(written, name, number)
        if not hashes.fits(receipt):
            raise BluxReceiptError(f"{name}, line {number}: {hashes.why_not(receipt)}")
        content = written.rpartition(_LINE_HASH)[0] + b"}"
        line_hash = hashes.of(content)
        if written != _with_hash(content, line_hash):
            raise BluxReceiptError(f"{name}, line {number}: this receipt has been changed.")
        if not _is_complete(receipt):
            raise BluxReceiptError(f"{name}, line {number}: this receipt lacks a field, or has a wrong value in one.")
        if receipt["previous"] != previous or receipt["sequence"] != number:
            raise BluxReceiptError(f"{name}, line {number}: this receipt does not follow the one before it.")
        yield receipt
        previous = line_hash


def _is_complete(receipt: Mapping[str, Any]) -> bool:
    """Return whether a receipt has all fields.

    A right hash does not ensure that: without a ``receipt_key``, anyone can compute the hash of an incomplete line.
    """
    ids = receipt.get("ids")
    return (
        receipt.keys() >= _FIELDS
        and isinstance(ids, list)
        and all(isinstance(digest, str) for digest in ids)
        and receipt["number"] == len(ids)
    )


def _with_hash(content: bytes, line_hash: str) -> bytes:
    """Return the JSON object ``content`` with its own hash as the last key."""
    return content[:-1] + _LINE_HASH + json.dumps(line_hash).encode() + b"}"


def _parsed(content: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        receipt = json.loads(content)
    except (ValueError, RecursionError):
        receipt = None
    if not isinstance(receipt, dict):
        raise BluxReceiptError(f"{name}, line {number}: this is no receipt.")
    return receipt

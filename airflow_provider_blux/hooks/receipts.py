"""Reads receipts of deletions from object storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_blux.delivery.receipts import Hashes, by_try, verified
from airflow_provider_blux.exceptions import unreadable
from airflow_provider_blux.sources.paths import for_airflow


def accepted_hashes(files: Iterable[str], hashes: Hashes) -> set[str]:
    """Return the hashes of all ids in receipts, after verifying each hash chain.

    :param files: URLs of the receipts files.
    :param hashes: creates hashes with the key of the receipts.
    :raises BluxReceiptError: a hash chain is not valid.
    :raises BluxSourceError: a file cannot be read.
    """

    def lines(urls: list[str]) -> Iterator[bytes]:
        for url in urls:
            place = ObjectStoragePath(for_airflow(url))
            try:
                place.fs.invalidate_cache()  # another process may have written the file since its folder was listed
                with place.fs.open(place.path, "rb") as file:
                    yield from file
            except Exception as error:  # of boto, not every error is an OSError
                raise unreadable(url, error) from error

    return {
        digest
        for name, urls in by_try(files).items()
        for receipt in verified(lines(urls), hashes, name)
        for digest in receipt["ids"]
    }

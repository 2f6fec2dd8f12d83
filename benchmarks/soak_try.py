"""One try of a soak, to be killed: ``python -m benchmarks.soak_try URL FOLDER NUMBER RATE CONCURRENCY``."""

from __future__ import annotations

import json
import logging
import sys

from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from airflow_provider_blux.delivery.storage import FileStore, Folder
from airflow_provider_blux.exceptions import BluxError
from airflow_provider_blux.sources.files import StorageSource
from benchmarks.delivering import deliver
from benchmarks.table import say

log = logging.getLogger(__name__)


def main() -> int:
    """Deliver the folder's users, going on where the last try stopped; return the exit code."""
    url, folder, number, rate_limit, concurrency = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    log.info("Try %s", number)
    store = FileStore(Folder(LocalFileSystem(), folder, "checkpoint_path"), "task")
    try:
        report = deliver(
            url,
            "upsert_users",
            StorageSource(f"{folder}/users.jsonl"),
            store=store,
            rate_limit=float(rate_limit),
            concurrency=int(concurrency),
        )
    except BluxError as error:
        log.exception("The try failed")
        say(json.dumps({"ended": f"failed: {type(error).__name__}"}))
        return 1
    account = f"{report.account()}, {report.resumed:,} resumed"
    say(json.dumps({"ended": "success", "account": account, "requests": report.requests, "retries": report.retries}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

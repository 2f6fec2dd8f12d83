"""One try of a soak, to be killed: ``python -m benchmarks.soak_try URL FOLDER NUMBER RATE CONCURRENCY``."""

from __future__ import annotations

import json
import logging
import sys

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_blux.exceptions import BluxError
from benchmarks.delivering import deliver
from benchmarks.table import say

log = logging.getLogger(__name__)

_OUTCOMES = ("delivered", "rejected", "suppressed", "merged", "unknown")


def main() -> int:
    """Deliver the folder's users, continuing where the last try stopped; return the exit code."""
    url, folder, number, rate_limit, concurrency = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    log.info("Try %s", number)
    try:
        report = deliver(
            url,
            "users",
            try_number=int(number),
            path=f"{folder}/users.jsonl",
            checkpoint_path=folder,
            rate_limit=float(rate_limit),
            concurrency=int(concurrency),
        )
    except (BluxError, AirflowException) as error:
        log.exception("The try failed")
        say(json.dumps({"ended": f"failed: {type(error).__name__}"}))
        return 1
    outcomes = " + ".join(f"{report[name]:,} {name}" for name in _OUTCOMES if report[name])
    counts = f"{report['read']:,} read = {outcomes}, {report['resumed']:,} resumed"
    numbers = {name: report[name] for name in ("requests", "retries")}
    say(json.dumps({"ended": "success", "counts": counts, **numbers}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

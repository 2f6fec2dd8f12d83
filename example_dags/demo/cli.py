"""Run many ``airflow`` commands in one process: most of a command's time is Airflow's own import.

Reads one command a line (a JSON list) from standard input, and answers each by a JSON object on the file descriptor
that is its only argument: ``{"ok": bool, "seconds": float}``. Everything that Airflow prints stays on standard output.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback


def main() -> None:
    """Run and answer the commands from standard input until it ends."""
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        for line in sys.stdin:
            command = json.loads(line)
            sys.stdout.write(f"\n===== airflow {' '.join(command)}\n")
            started = time.monotonic()
            answer = {"ok": _run(command), "seconds": time.monotonic() - started}
            sys.stdout.flush()
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _run(command: list[str]) -> bool:
    # Imported at the first command, so that the time of the import is counted and its failure is reported.
    sys.argv = ["airflow", *command]
    try:
        from airflow.__main__ import main as airflow

        airflow()
    except SystemExit as end:
        if end.code not in (None, 0):
            sys.stdout.write(f"{end.code}\n")
            return False
    except BaseException:  # noqa: BLE001 - any error is the answer to its command
        traceback.print_exc(file=sys.stdout)
        return False
    return True


if __name__ == "__main__":
    main()

"""Run by ``DagTester`` in the tested Airflow: one ``dag.test()`` for each line on standard input.

A process for each run would spend a quarter of a minute on importing Airflow. It ends with its standard input,
however the tests end.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from airflow import __version__ as airflow_version

try:
    from airflow.dag_processing.dagbag import DagBag  # 3.2 and later
except ImportError:
    from airflow.models.dagbag import DagBag


def run(dag: Any, conf: dict[str, Any]) -> dict[str, str]:
    """Run ``dag`` once."""
    dag_run = dag.test(run_conf=conf)
    return {"run_id": dag_run.run_id, "state": str(getattr(dag_run.state, "value", dag_run.state))}


def main(requests: TextIO, answers: TextIO) -> None:
    """Answer each request, a line of JSON, with a line of JSON."""
    bag = DagBag()
    for path, error in bag.import_errors.items():
        raise SystemExit(f"{path} does not import:\n{error}")
    if airflow_version.startswith("2."):  # later ones know an asset without it, or are tested with a scheduler
        bag.sync_to_db()
    for line in requests:
        request = json.loads(line)
        try:
            answer = run(bag.dags[request["dag_id"]], request["conf"])
        except Exception as error:  # noqa: BLE001 - the test shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.flush()
        sys.stderr.flush()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[1]), "w") as channel:
        main(sys.stdin, channel)

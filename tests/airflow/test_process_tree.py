"""Airflow's processes end with the tests, even if the tests are killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.airflow.scheduler import PROCESS_TREE

# Starts a process in a session of its own, says its number, and would then wait for ever.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""
# Stands for the tests: starts the tree, passes on what the parent has written, and would then wait for ever.
TESTS = """
import subprocess, sys, time
tree = subprocess.Popen([sys.executable, "-P", *sys.argv[1:]], stdin=subprocess.PIPE, start_new_session=True)
print(tree.pid, flush=True)
tree.wait()
"""


@pytest.mark.timeout(60)
def test_no_process_outlives_tests_that_are_killed(tmp_path: Path) -> None:
    log = tmp_path / "parent.log"
    commands = json.dumps({str(log): [sys.executable, "-c", PARENT]})
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", TESTS, str(PROCESS_TREE), commands], stdout=subprocess.PIPE
    ) as tests:
        tree = psutil.Process(int(tests.stdout.readline()))
        while not (log.exists() and log.read_text().endswith("\n")):
            psutil.wait_procs([tree], timeout=0.05)
        grandchild = psutil.Process(int(log.read_text()))
        tests.kill()

    gone, alive = psutil.wait_procs([tree, grandchild], timeout=30)
    assert (len(gone), alive) == (2, [])

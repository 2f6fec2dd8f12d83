"""A DAG that names two sources."""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

ROWS = json.loads(Path(os.environ["BLUX_TESTS_ROWS"]).read_text())

with DAG("wrong_two_sources"):
    BluxUpsertUsersOperator(task_id="deliver", users=ROWS, path="users.csv")

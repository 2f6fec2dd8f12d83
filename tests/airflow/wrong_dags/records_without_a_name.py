"""A DAG that passes records to an operator without an argument name."""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

ROWS = json.loads(Path(os.environ["BLUX_TESTS_ROWS"]).read_text())

with DAG("wrong_records_without_a_name"):
    BluxUpsertUsersOperator(ROWS, task_id="deliver")

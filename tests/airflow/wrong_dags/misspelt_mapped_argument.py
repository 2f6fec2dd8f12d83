"""A DAG with a mapped operator and an argument that does not exist."""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

ROWS = json.loads(Path(os.environ["BLUX_TESTS_ROWS"]).read_text())

with DAG("wrong_misspelt_mapped_argument"):
    BluxUpsertUsersOperator.partial(task_id="deliver", user=ROWS).expand(path=["users.csv"])

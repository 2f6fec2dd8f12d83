"""A DAG that passes records to each argument that does not take records."""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator

ROWS = json.loads(Path(os.environ["BLUX_TESTS_ROWS"]).read_text())

ARGUMENTS = ("api", "batch_size", "exclude_fields", "false_values", "field_mapping", "max_rejects", "updated_at_field")
errors = []
with DAG("wrong_records_in_other_arguments"):
    for argument in ARGUMENTS:
        try:
            BluxUpsertUsersOperator(task_id=argument, users=ROWS, **{argument: ROWS})
        except BluxConfigError as error:
            errors.append(error)
if len(errors) == len(ARGUMENTS):
    raise ExceptionGroup("every argument is refused", errors)

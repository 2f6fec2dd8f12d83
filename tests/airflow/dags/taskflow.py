"""The DAGs of the tests of the decorators: one for each way that records reach a function, configured by the run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, get_current_context, task, task_group

DEFAULT_ARGS = {"retries": 2, "retry_delay": timedelta(0)}
FOLDER = "{{ dag_run.conf['folder'] }}"
SLOWLY = {"batch_size": 2, "concurrency": 1}


def lines(context):
    return [json.loads(line) for line in Path(context["dag_run"].conf["path"]).read_text().splitlines()]


# Airflow logs what a function returns unless it is told not to.
@task(retries=0, show_return_value_in_logs=False)
def read(**context):
    return lines(context)


@task(retries=0, show_return_value_in_logs=False)
def pages(**context):
    records = lines(context)
    return [records[:2], records[2:]]


with DAG("function_of_an_upstream_task", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users
    def deliver(rows, label, *, also, ds=None, **context):
        for row in rows:
            yield {**row, "label": label, "task": context["ti"].task_id, "also": len(also)}

    found = read()
    deliver(found, "{{ dag.dag_id }}.sql", also=found)

with DAG("function_mapped", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users
    def deliver(rows, label):
        return [{**row, "label": label} for row in rows]

    deliver.partial(label="{{ dag.dag_id }}").expand(rows=pages())

with DAG("function_mapped_otherwise", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users
    def deliver(rows):
        yield from rows

    @task_group
    def group(rows):
        deliver.override(task_id="deliver")(rows)

    found = pages()
    group.expand(rows=found)
    deliver.expand_kwargs(found.map(lambda rows: {"rows": rows}))

with DAG("function_overridden", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users(validate_only=True)
    def users(name):
        return [{"user_id": name}]

    users("checked")
    users.override(task_id="deliver", validate_only=False)("sent")

with DAG("function_that_deletes", default_args=DEFAULT_ARGS):

    @task.blux_delete_users(max_users=10, receipts_path=f"{FOLDER}/receipts")
    def deliver(rows):
        yield from rows

    deliver(read())

with DAG("function_that_reads", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users(**SLOWLY)
    def deliver():
        yield from lines(get_current_context())

    deliver()

with DAG("function_with_a_checkpoint", default_args=DEFAULT_ARGS):

    @task.blux_send_events(**SLOWLY, checkpoint_path=f"{FOLDER}/checkpoints")
    def deliver(**context):
        yield from lines(context)

    deliver()

with DAG("function_that_fails_at_first", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users(**SLOWLY)
    def deliver(rows, ti=None):
        for number, row in enumerate(rows):
            if number == 3 and ti.try_number == 1:
                raise LookupError("the function fails, as it should")
            yield row

    deliver(read())

with DAG("function_that_skips", default_args=DEFAULT_ARGS):

    @task.blux_upsert_users
    def deliver():
        raise AirflowSkipException("nothing to send today")

    deliver()

"""Names of files: the same for all tries of a task instance, and different for other instances."""

from __future__ import annotations

from airflow_provider_blux.delivery.run import Run


def run(dag: str = "d", task: str = "t", run: str = "r", index: int = -1, number: int = 1) -> Run:
    return Run(dag_id=dag, task_id=task, run_id=run, map_index=index, try_number=number)


def test_tries_of_a_task_instance_share_a_name_and_have_one_of_their_own():
    assert run(number=1).task_file == run(number=2).task_file
    assert run(number=1).try_file != run(number=2).try_file


def test_no_two_task_instances_share_a_name():
    instances = [
        run(),
        run(index=0),
        run(index=1),
        run("a", "b__c"),
        run("a__b", "c"),
        run("_a", "b"),
        run(".a", "b"),
        run("-a", "b"),
        run("회원", "탈퇴_회원"),
        run("회원", "휴면_회원"),
        run(task="x" * 200 + "a"),
        run(task="x" * 200 + "b"),
        run(run="manual__2026-01-01T00:00:00+00:00"),
        run(run="manual__2026-01-01T00-00-00+00-00"),
    ]

    assert len({instance.task_file for instance in instances}) == len(instances)
    assert all(len(instance.try_file) < 230 for instance in instances)

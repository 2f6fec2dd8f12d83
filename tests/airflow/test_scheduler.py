"""The operators under a real scheduler: each try runs in its own process, which may be killed or stopped."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from airflow_provider_blux.emulator import Emulator
from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler

Lines = Callable[..., Path]

# Airflow 3.3 and later keep a task's progress for its next try by themselves.
KEEPS_PROGRESS = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2]) >= (3, 3)
EVENTS = [{"name": "order", "user_id": f"user-{number}"} for number in range(1, 11)]


def users(count: int) -> list[dict[str, Any]]:
    return [{"user_id": f"user-{number}", "grade": "gold"} for number in range(1, count + 1)]


def user_ids(blux: Emulator) -> set[str]:
    return set(dict(blux.users()))


def waits_for_an_answer(blux: Emulator) -> bool:
    """Return whether the request that the only fault delays has arrived; all before it have been settled by then."""
    [fault] = blux.faults()
    return bool(fault["struck"])


def test_a_task_delivers_in_a_process_of_its_own(scheduler: Scheduler, blux: Emulator, write_lines: Lines) -> None:
    run = scheduler.run("users_from_an_upstream_task", path=str(write_lines(users(150))))

    assert run.state == "success", run.log
    assert run.task("deliver").try_number == 1
    assert run.result("deliver")["delivered"] == 150
    assert user_ids(blux) == {user["user_id"] for user in users(150)}


def test_a_mapped_operator_delivers_every_file(scheduler: Scheduler, blux: Emulator, write_lines: Lines) -> None:
    for number, name in enumerate(("one", "two", "three")):
        folder = write_lines(users(6)[2 * number : 2 * number + 2], f"{name}.jsonl").parent
    run = scheduler.run("users_from_mapped_files", folder=str(folder))

    assert run.state == "success", run.log
    assert [run.result("deliver", map_index)["delivered"] for map_index in (0, 1, 2)] == [2, 2, 2]
    assert user_ids(blux) == {user["user_id"] for user in users(6)}


def test_a_retry_continues_where_the_outage_began(scheduler: Scheduler, blux: Emulator, write_lines: Lines) -> None:
    # Two users a request: the first two requests pass, the third ends the first try of the task.
    blux.fault(kind="status", status=503, headers={"Retry-After": "86400"}, skip=2, times=1)
    run = scheduler.run("users_from_a_file", path=str(write_lines(users(10))))

    assert run.state == "success", run.log
    assert run.task("deliver").try_number == 2, run.log
    report = run.result("deliver")
    assert {key: report[key] for key in ("read", "delivered", "rejected")} == {
        "read": 10,
        "delivered": 10,
        "rejected": 0,
    }
    assert [request["status"] for request in blux.requests()][:4] == [200, 200, 503, 200]
    assert user_ids(blux) == {user["user_id"] for user in users(10)}


def test_a_killed_task_is_tried_again_and_delivers_the_rest(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines
) -> None:
    blux.fault(kind="delay", seconds=60, skip=2, times=1)
    run = scheduler.trigger("users_from_a_file", path=str(write_lines(users(10))))
    scheduler.kill(run, "deliver", once=lambda: waits_for_an_answer(blux))
    blux.clear_faults()
    run = scheduler.finish_or_clear(run, "deliver")

    assert run.state == "success", run.log
    assert run.task("deliver").try_number == 2, run.log
    assert run.result("deliver")["delivered"] == 10
    assert user_ids(blux) == {user["user_id"] for user in users(10)}


def kill_in_the_third_request(scheduler: Scheduler, blux: Emulator, dag_id: str, file: Path) -> Run:
    """Run a DAG with two events per request; kill its task while the third request waits for an answer."""
    blux.fault(kind="delay", seconds=60, skip=2, times=1)
    run = scheduler.trigger(dag_id, folder=str(file.parent))
    scheduler.kill(run, "deliver", once=lambda: waits_for_an_answer(blux))
    blux.clear_faults()
    return scheduler.finish_or_clear(run, "deliver")


def test_a_killed_task_delivers_every_event_at_least_once(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines
) -> None:
    run = kill_in_the_third_request(scheduler, blux, "events_from_a_file", write_lines(EVENTS))

    assert run.state == "success", run.log
    assert run.result("deliver")["delivered"] == 10
    assert all(blux.events(event["user_id"]) for event in EVENTS)


def test_a_killed_task_delivers_every_event_at_most_once_and_names_those_in_doubt(
    scheduler: Scheduler, blux: Emulator, write_lines: Lines
) -> None:
    run = kill_in_the_third_request(scheduler, blux, "events_at_most_once", write_lines(EVENTS))

    assert run.state == "success", run.log
    report = run.result("deliver")
    assert {key: report[key] for key in ("read", "delivered", "resumed", "unknown")} == {
        "read": 10,
        "delivered": 8,
        "resumed": 4,
        "unknown": 2,
    }
    assert [len(blux.events(event["user_id"])) for event in EVENTS] == [1, 1, 1, 1, 0, 0, 1, 1, 1, 1]


def test_a_cleared_task_runs_in_full(scheduler: Scheduler, blux: Emulator, write_lines: Lines) -> None:
    run = scheduler.run("users_from_a_file", path=str(write_lines(users(10))))
    blux.reset()
    run = scheduler.clear(run, "deliver")

    assert run.state == "success", run.log
    report = run.result("deliver")
    assert {key: report[key] for key in ("delivered", "resumed")} == {"delivered": 10, "resumed": 0}
    assert user_ids(blux) == {user["user_id"] for user in users(10)}


def test_a_wrong_key_is_not_tried_again(scheduler: Scheduler, blux: Emulator, write_lines: Lines) -> None:
    run = scheduler.run("users_from_a_file", path=str(write_lines(users(1))), connection="wrong_key")

    assert (run.state, run.task("deliver").state, run.task("deliver").try_number) == ("failed", "failed", 1)
    assert [request["status"] for request in blux.requests()] == [401]

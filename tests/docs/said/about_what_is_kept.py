"""Provokes the messages about receipts, suppression and retries."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_blux.delivery.checkpoint_store import TaskStateStore
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxSendEventsOperator, BluxUpsertUsersOperator
from tests.delivery.pushing import Memory
from tests.docs.said.scene import EVENTS, UNAVAILABLE, USERS, Scene, says


@says("More than")
def many_deletions(scene: Scene) -> None:
    BluxHook().delete_users(USERS, max_users=2)


def receipts(scene: Scene, key: str | None = "a receipt key") -> list[str]:
    scene.connect(extra={"receipt_key": key})
    report = BluxHook().delete_users(USERS, batch_size=1, receipts_path=str(scene.folder / "receipts"))
    return report.receipts or []


@says("The connection has no receipt_key")
def no_receipt_key(scene: Scene) -> None:
    receipts(scene, key=None)


@says("…, line …: this receipt was made with another key")
def another_key(scene: Scene) -> None:
    files = receipts(scene)
    scene.connect(extra={"receipt_key": "another"})
    BluxHook().accepted_ids(["1"], files)


@says("…, line …: this receipt does not follow")
def receipt_taken_out(scene: Scene) -> None:
    [url] = receipts(scene)
    file = Path(url.removeprefix("file://"))
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[1:]))
    BluxHook().accepted_ids(["1"], [url])


@says("…, line …: this is no receipt")
def receipt_cut_off(scene: Scene) -> None:
    [url] = receipts(scene)
    file = Path(url.removeprefix("file://"))
    file.write_bytes(file.read_bytes()[:-20])
    BluxHook().accepted_ids(["1"], [url])


@says("suppression_path: there is no list")
def missing_suppression(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, suppression_path=str(scene.folder / "receipts"))


@says("suppression_path: record")
def unreadable_suppression(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, suppression_path=scene.file("erased.csv", b"user_id\n1\n\x20\n"))


@says("No progress is kept")
def no_progress(scene: Scene) -> None:
    BluxUpsertUsersOperator(task_id="send", users=USERS).execute({})


@says("on_unknown='keep' promises")
def at_most_once_without_progress(scene: Scene) -> None:
    ti = SimpleNamespace(dag_id="crm", run_id="1", task_id="send", map_index=-1, try_number=1)
    BluxSendEventsOperator(task_id="send", events=EVENTS, on_unknown="keep").execute({"ti": ti})  # type: ignore[arg-type]


def after_a_failed_try(scene: Scene, method: str, records: list[Any], **changes: Any) -> None:
    """Let a try fail after its first request; then try again with ``changes``."""
    options = {"checkpoint": Memory(), "batch_size": 1, "concurrency": 1}
    scene.blux.fault(**UNAVAILABLE, skip=1)
    with pytest.raises(Exception, match="503"):
        getattr(BluxHook(), method)(records, **options)
    scene.blux.clear_faults()
    getattr(BluxHook(), method)(records[::-1], **{**options, **changes})


@says("The source has changed since the last try")
def changed_users(scene: Scene) -> None:
    after_a_failed_try(scene, "upsert_users", USERS)


@says("The source has changed since an earlier try")
def changed_events(scene: Scene) -> None:
    after_a_failed_try(scene, "send_events", EVENTS)


@says("The checkpoint of an earlier try")
def changed_settings(scene: Scene) -> None:
    after_a_failed_try(scene, "upsert_users", USERS, batch_size=2)


@says("The checkpoint in Airflow's task state")
def no_task_state(scene: Scene) -> None:
    def refused(*_arguments: Any, **_options: Any) -> None:
        raise ConnectionError("no route")

    BluxHook().upsert_users(USERS, checkpoint=TaskStateStore(SimpleNamespace(get=refused)))


@says("…: nothing can be written")
def no_folder(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, rejects_path=scene.file("rejects", b""))


@says("The task was told to stop")
def told_to_stop(scene: Scene) -> None:
    hook = BluxHook()
    hook.stop()
    hook.upsert_users(USERS)

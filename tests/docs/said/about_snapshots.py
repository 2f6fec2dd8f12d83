"""Provokes the messages about snapshots."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator
from tests.docs.said.scene import EVENTS, USERS, Scene, says


def folder_of(scene: Scene) -> Path:
    return scene.folder / "snapshot"


def sent(scene: Scene, records: Any = USERS, **options: Any) -> Any:
    """Send users with a snapshot."""
    return BluxHook().upsert_users(records, snapshot_path=str(folder_of(scene)), **options)


@says("The snapshot … cannot be used: … is cut off")
def cut_off(scene: Scene) -> None:
    sent(scene)
    [file] = folder_of(scene).iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    sent(scene)


@says("The snapshot … cannot be used: … was written by")
def of_a_later_version(scene: Scene) -> None:
    sent(scene)
    [file] = folder_of(scene).iterdir()
    file.write_bytes(file.read_bytes().replace(b"blux-snapshot 1 ", b"blux-snapshot 2 ", 1))
    sent(scene)


@says("The snapshot … holds")
def of_another_api(scene: Scene) -> None:
    sent(scene)
    BluxHook(api="open").upsert_users(USERS, snapshot_path=str(folder_of(scene)))


@says("The snapshot … was written with another")
def of_another_key(scene: Scene) -> None:
    sent(scene)
    scene.connect(extra={"receipt_key": "another"})
    sent(scene)


@says("snapshot_path: … cannot be written to")
def storage_that_fails(scene: Scene) -> None:
    def until_the_folder_is_gone() -> Any:
        yield USERS[0]
        os.rename(folder_of(scene), scene.folder / "moved")
        scene.file("snapshot", b"")
        yield USERS[1]

    sent(scene, until_the_folder_is_gone())


@says("Of … in the snapshot")
def users_who_are_missing(scene: Scene) -> None:
    sent(scene)
    sent(scene, USERS[:1], max_absent=1)


@says("The source names")
def half_of_the_users(scene: Scene) -> None:
    sent(scene)
    sent(scene, USERS[:1])


@says("max_absent cannot be told")
def mapped_task(scene: Scene) -> None:
    ti = SimpleNamespace(dag_id="crm", run_id="1", task_id="send", map_index=0, try_number=1)
    BluxUpsertUsersOperator(task_id="send", users=USERS, snapshot_path=str(folder_of(scene)), max_absent=1).execute(
        {"ti": ti}  # type: ignore[arg-type]
    )


@says("full_refresh is about a snapshot")
def refresh_of_nothing(scene: Scene) -> None:
    BluxUpsertUsersOperator(task_id="send", users=USERS, full_refresh=True)


@says("snapshot_path is for users")
def snapshot_of_events(scene: Scene) -> None:
    BluxHook().send_events(EVENTS, snapshot_path=str(folder_of(scene)))

"""Provokes the messages about snapshots."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator
from tests.docs.said.scene import EVENTS, USERS, Scene, says


def folder_in(scene: Scene) -> Path:
    """Return a new folder, because several provocations may use one scene."""
    return Path(tempfile.mkdtemp(dir=scene.folder))


def sent(folder: Path, records: Any = USERS, **options: Any) -> Any:
    """Send users with a snapshot."""
    return BluxHook().upsert_users(records, snapshot_path=str(folder), **options)


@says("The snapshot … cannot be used: … is cut off")
def cut_off(scene: Scene) -> None:
    folder = folder_in(scene)
    sent(folder)
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    sent(folder)


@says("snapshot_path: … in … cannot be read")
def name_that_no_disk_takes(scene: Scene) -> None:
    sent(folder_in(scene) / ("x" * 1000), validate_only=True)


@says("The snapshot … cannot be used: … was written by")
def of_a_later_version(scene: Scene) -> None:
    folder = folder_in(scene)
    sent(folder)
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes().replace(b"blux-snapshot 1 ", b"blux-snapshot 2 ", 1))
    sent(folder)


@says("The snapshot … holds")
def of_another_api(scene: Scene) -> None:
    folder = folder_in(scene)
    sent(folder)
    BluxHook(api="open").upsert_users(USERS, snapshot_path=str(folder))


@says("The snapshot … was written with another")
def of_another_key(scene: Scene) -> None:
    folder = folder_in(scene)
    sent(folder)
    scene.connect(extra={"receipt_key": "another"})
    sent(folder)


@says("snapshot_path: … cannot be written to")
def storage_that_fails(scene: Scene) -> None:
    folder = folder_in(scene)

    def until_the_folder_is_gone() -> Any:
        yield USERS[0]
        os.rename(folder, folder.with_suffix(".moved"))
        folder.write_bytes(b"")
        yield USERS[1]

    sent(folder, until_the_folder_is_gone())


@says("Of … in the snapshot")
def users_who_are_missing(scene: Scene) -> None:
    folder = folder_in(scene)
    sent(folder)
    sent(folder, USERS[:1], max_absent=1)


@says("The source names")
def half_of_the_users(scene: Scene) -> None:
    folder = folder_in(scene)
    sent(folder)
    sent(folder, USERS[:1])


@says("max_absent does not work")
def mapped_task(scene: Scene) -> None:
    folder = folder_in(scene)
    ti = SimpleNamespace(dag_id="crm", run_id="1", task_id="send", map_index=0, try_number=1)
    BluxUpsertUsersOperator(task_id="send", users=USERS, snapshot_path=str(folder), max_absent=1).execute(
        {"ti": ti}  # type: ignore[arg-type]
    )


@says("full_refresh needs snapshot_path")
def refresh_of_nothing(scene: Scene) -> None:
    BluxUpsertUsersOperator(task_id="send", users=USERS, full_refresh=True)


@says("BluxHook.send_events has no argument")
def snapshot_of_events(scene: Scene) -> None:
    folder = folder_in(scene)
    BluxHook().send_events(EVENTS, snapshot_path=str(folder))

"""Makes the package say each message that docs/troubleshooting.md lists."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxSendEventsOperator, BluxUpsertUsersOperator
from airflow_provider_blux.sources.inline import InlineSource
from tests.delivery.pushing import Memory
from tests.docs.untrusted import UntrustedServer
from tests.emulator import interpreter

USERS = [{"user_id": str(number)} for number in range(1, 4)]
EVENTS = [{"user_id": "1", "name": "viewed", "id": str(number)} for number in range(1, 4)]
UNAVAILABLE = {"kind": "status", "status": 503, "headers": {"Retry-After": "0"}}


@dataclass
class Scene:
    """What a provocation has at hand: an emulator that ``blux_default`` leads to, a folder, the log."""

    blux: Emulator
    folder: Path
    patch: pytest.MonkeyPatch
    log: pytest.LogCaptureFixture
    out: pytest.CaptureFixture[str]

    def connect(self, *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        """Change fields of the connection."""
        connection = {**self.blux.connection(), **fields}
        connection["extra"] = {**connection["extra"], **(extra or {})}
        self.patch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))

    def file(self, name: str, content: bytes) -> str:
        """Write a file; return its path."""
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


Provocation = Callable[[Scene], Any]
#: By the beginning of the message; each returns it, raises it, or leaves it in the log.
PROVOCATIONS: dict[str, Provocation] = {}


def says(*beginnings: str) -> Callable[[Provocation], Provocation]:
    """Register what makes the package say the messages that begin so."""

    def register(provocation: Provocation) -> Provocation:
        for beginning in beginnings:
            PROVOCATIONS[beginning] = provocation
        return provocation

    return register


def operator(**arguments: Any) -> BluxUpsertUsersOperator:
    return BluxUpsertUsersOperator(task_id="send", **arguments)


def send_once(hook: BluxHook | None = None) -> None:
    """Send one request without the retries of a delivery."""
    with (hook or BluxHook()).get_conn() as client:
        client.send(client.prepare(endpoints_for("upsert_users", "application")[0], USERS))


# The connection


@says("The conn_id")
def unknown_connection(scene: Scene) -> None:
    BluxHook("nobody").upsert_users(USERS)


@says("Connection … has no credentials")
def no_credentials(scene: Scene) -> None:
    scene.patch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", '{"conn_type": "blux", "login": "a", "password": "b"}')
    BluxHook().send_events(EVENTS)


@says("Connection …: … is set, but")
def half_a_pair(scene: Scene) -> None:
    scene.connect(password="")
    BluxHook().upsert_users(USERS)


@says("Connection …: unknown extra")
def unknown_extra(scene: Scene) -> None:
    scene.connect(extra={"timeouts": 5})
    BluxHook().upsert_users(USERS)


@says("Connection …: host")
def plain_http(scene: Scene) -> None:
    scene.connect(host="http://api.example.com/prod")
    BluxHook().upsert_users(USERS)


@says("Connection …: extra rate_limits")
def wrong_rate_limits(scene: Scene) -> None:
    scene.connect(extra={"rate_limits": {"users": 10}})
    BluxHook().upsert_users(USERS)


@says("Connection …: extra verify")
def missing_bundle(scene: Scene) -> None:
    scene.connect(extra={"verify": str(scene.folder / "ca.pem")})
    BluxHook().upsert_users(USERS)


@says("Connection …: The connection holds")
def key_with_a_line_break(scene: Scene) -> None:
    scene.connect(password="key\n")
    BluxHook().upsert_users(USERS)


@says("The … API has no")
def wrong_api(scene: Scene) -> None:
    BluxSendEventsOperator(task_id="send", events=EVENTS, api="application")


@says("The certificate of")
def untrusted_certificate(scene: Scene) -> None:
    with UntrustedServer() as port:
        scene.connect(host=f"https://127.0.0.1:{port}/prod")
        send_once()


# What Blux answers


@says("Connection …: the credentials are refused")
def wrong_key(scene: Scene) -> None:
    scene.connect(password="another")
    BluxHook().upsert_users(USERS)


@says("Blux answered 404", "Blux answered 307")
def refused_as_such(scene: Scene) -> str:
    said = []
    for status in (404, 307):
        scene.blux.fault(kind="status", status=status, times=1)
        with pytest.raises(Exception, match=str(status)) as raised:
            BluxHook().upsert_users(USERS)
        said.append(str(raised.value))
    return "\n".join(said)


@says("Blux refused")
def wrong_schema(scene: Scene) -> None:
    scene.blux.fault(kind="status", status=400, body={"message": "grade must be a number"})
    BluxHook().upsert_users(USERS * 10)


@says("Blux answered 429")
def busy(scene: Scene) -> None:
    scene.blux.fault(kind="status", status=429, headers={"Retry-After": "0"}, times=1)
    BluxHook().upsert_users(USERS)


@says("Blux answered 503")
def unavailable(scene: Scene) -> None:
    scene.blux.fault(**UNAVAILABLE)
    BluxHook().upsert_users(USERS)


@says("No answer to")
def no_answer(scene: Scene) -> None:
    scene.connect(extra={"timeout": 0.1})
    scene.blux.fault(kind="delay", seconds=1, times=1)
    send_once()


@says("No connection to")
def no_connection(scene: Scene) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        scene.connect(host=f"http://127.0.0.1:{nobody.getsockname()[1]}/prod")
        send_once()


@says("The connection to")
def broken_connection(scene: Scene) -> None:
    scene.blux.fault(kind="reset", times=1)
    send_once()


# When the DAG is parsed


@says("Exactly one of")
def two_sources(scene: Scene) -> None:
    operator(users=USERS, path="users.csv")


@says("sql needs")
def no_database(scene: Scene) -> None:
    operator(sql="SELECT 1 AS user_id")


@says("max_rejects allows")
def tolerance_without_a_folder(scene: Scene) -> None:
    operator(users=USERS, max_rejects=10)


@says("batch_size is")
def batch_too_large(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, batch_size=500)


@says("rate_limit must be")
def wrong_rate(scene: Scene) -> None:
    operator(users=USERS, rate_limit=0)


@says("true_values must be")
def one_word(scene: Scene) -> None:
    operator(users=USERS, true_values="YES")


@says("naive_timezone:")
def unknown_zone(scene: Scene) -> None:
    operator(users=USERS, naive_timezone="Seoul")


@says("… cannot be read:")
def missing_library(scene: Scene) -> None:
    scene.patch.setitem(sys.modules, "zstandard", None)  # type: ignore[arg-type]
    operator(path=scene.file("users.jsonl.zst", b"")).execute({})


# What the records are read from


@says("There is no column")
def wrong_header(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"User ID,grade\n1,gold\n")).execute({})


@says("field_mapping names")
def wrong_mapping(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"user_id,grade\n1,gold\n"), field_mapping={"tel": "phone_number"}).execute(
        {}
    )


@says("…: there is no such file")
def missing_file(scene: Scene) -> None:
    operator(path=str(scene.folder / "*.csv")).execute({})


@says("The format of")
def unknown_format(scene: Scene) -> None:
    operator(path=scene.file("users.txt", b"1\n")).execute({})


@says("… is not csv")
def workbook(scene: Scene) -> None:
    operator(path=scene.file("users.csv", b"PK\x03\x04")).execute({})


@says("… is cut off")
def unfinished_file(scene: Scene) -> None:
    import gzip

    operator(path=scene.file("users.csv.gz", gzip.compress(b"user_id\n1\n" * 1000)[:-9])).execute({})


@says("line … of … is not UTF-8")
def wrong_encoding(scene: Scene) -> None:
    operator(path=scene.file("users.csv", "user_id,name\n1,영희\n".encode("cp949"))).execute({})


@says("… cannot be opened")
def unknown_storage(scene: Scene) -> None:
    operator(path="nowhere://bucket/users.csv").execute({})


@says("the query on connection", "The query on connection")
def wrong_query(scene: Scene) -> None:
    scene.patch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(scene.folder / "shop.db")}))
    operator(sql="SELECT user_id FROM nobodies", sql_conn_id="shop").execute({})


@says("… is None")
def nothing_returned(scene: Scene) -> None:
    list(InlineSource(None, "users"))


@says("… is text, but")
def rendered_text(scene: Scene) -> None:
    operator(users="[{'user_id': '1'}]").execute({})


# Records that are rejected

BAD = [
    {"user_id": 123.0},
    {"user_id": "123 "},
    {"user_id": "1", "phone_number": 1012345678},
    {"user_id": "2", "marketing_notification_consent": "Y"},
]


@says("Of … records", "user_id: is a decimal", "user_id: has blanks", "phone_number: is a number", "…: is neither true")
def bad_records(scene: Scene) -> None:
    operator(users=[*BAD, *USERS]).execute({})


@says("timestamp: has no zone")
def time_without_a_zone(scene: Scene) -> None:
    BluxHook().send_events([{**EVENTS[0], "timestamp": "2026-01-31T09:00:00"}])


@says("…: is older than")
def older_record(scene: Scene) -> None:
    times = ["2026-01-31T09:00:00Z", "2026-01-30T09:00:00Z"]
    operator(users=[{"user_id": "1", "at": at} for at in times], updated_at_field="at").execute({})


@says("as a whole: Blux refused it")
def refused_record(scene: Scene) -> None:
    scene.blux.fault(kind="refuse", ids=["2"])
    BluxHook().upsert_users(USERS)


@says("as a whole: may or may not")
def unknown_record(scene: Scene) -> None:
    scene.blux.fault(kind="reset", processed=True, times=1)
    BluxHook().send_events(EVENTS, on_unknown="reject")


# Deletions and receipts


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


@says("suppression_path: entry")
def unreadable_suppression(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, suppression_path=scene.file("erased.csv", b"user_id\n1\n\x20\n"))


# A retry that cannot go on


@says("No progress is kept")
def no_progress(scene: Scene) -> None:
    operator(users=USERS).execute({})


@says("on_unknown='reject' promises")
def at_most_once_without_progress(scene: Scene) -> None:
    ti = SimpleNamespace(dag_id="crm", run_id="1", task_id="send", map_index=-1, try_number=1)
    BluxSendEventsOperator(task_id="send", events=EVENTS, on_unknown="reject").execute({"ti": ti})  # type: ignore[arg-type]


def after_a_failed_try(scene: Scene, method: str, records: list[Any], **changes: Any) -> None:
    """Let a try fail after its first request; change something, and try again."""
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


@says("…: nothing can be written")
def no_folder(scene: Scene) -> None:
    BluxHook().upsert_users(USERS, rejects_path=scene.file("rejects", b""))


@says("The task was told to stop")
def told_to_stop(scene: Scene) -> None:
    hook = BluxHook()
    hook.stop()
    hook.upsert_users(USERS)


# The emulator


@says("Port … of")
def port_in_use(scene: Scene) -> None:
    Emulator(port=int(scene.blux.url.rpartition(":")[2])).start()


@says("The emulator needs")
def emulator_without_its_extra(scene: Scene) -> None:
    scene.patch.setitem(sys.modules, "uvicorn", None)  # type: ignore[arg-type]
    scene.patch.delitem(sys.modules, "airflow_provider_blux.emulator.serving")
    Emulator().start()


@says("The state file")
def state_that_cannot_be_used(scene: Scene) -> None:
    Emulator(state=scene.folder / "missing" / "state.db").start()


@says("The emulator is not running")
def emulator_that_was_not_started(scene: Scene) -> None:
    Emulator().counts()


@says("fixture 'blux_emulator'")
def missing_fixture(scene: Scene) -> str:
    scene.file("test_theirs.py", b"def test_one(blux_emulator): ...\n")
    return interpreter.run("-m", "pytest", "-p", "no:blux_emulator", "-p", "no:cacheprovider", cwd=scene.folder).stdout


@says("the control plane")
def control_plane_from_elsewhere(scene: Scene) -> str:
    return requests.get(f"{scene.blux.url}/_emulator/state", headers={"Host": "example.com"}, timeout=10).text

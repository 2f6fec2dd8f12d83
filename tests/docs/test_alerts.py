"""The code on the pages about alerts and replaying rejects runs as shown."""

from __future__ import annotations

import email
import json
import logging
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.operators import blux
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator
from example_dags import replay_rejects
from tests.docs.readme import Readme, names

ALERTS, REPLAY = Readme("docs/alerts.md"), Readme("docs/replay-rejects.md")
INSTANCE = SimpleNamespace(dag_id="crm", task_id="send", run_id="manual", try_number=1, map_index=-1)


class Mailbox(socketserver.StreamRequestHandler):
    """An SMTP server that accepts one message."""

    received: list[bytes]

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.received.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                return


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The messages that arrive at the connection ``smtp_default``."""
    handler = type("Handler", (Mailbox,), {"received": []})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": server.server_address[1],
            "extra": {"disable_ssl": True, "disable_tls": True},
        }
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield handler.received
        server.shutdown()


@pytest.fixture
def failure(blux_emulator: Emulator) -> dict[str, Any]:
    """The context that Airflow passes to a callback."""
    with pytest.raises(AirflowFailException) as caught:
        BluxUpsertUsersOperator(task_id="send", users=[{"user_id": "a"}, {"user_id": None, "<b>": 1}]).execute({})
    return {"ti": INSTANCE, "exception": caught.value}


def callback(library: str) -> Callable[[Any], None]:
    (block,) = [block for block in ALERTS.code("python") if library in block.code]
    shown: dict[str, Any] = {}
    exec(block.code, shown)  # noqa: S102 - the docs' own text
    tell: Callable[[Any], None] = shown["tell"]
    return tell


def test_the_e_mail_of_the_page_arrives(mailbox: list[bytes], failure: dict[str, Any]) -> None:
    pytest.importorskip("airflow.providers.smtp")
    callback("SmtpNotifier")(failure)

    (message,) = map(email.message_from_bytes, mailbox)
    (part,) = [part for part in message.walk() if part.get_content_type() == "text/html"]
    content = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "<pre>crm.send, run manual, try 1\n" in content
    assert "2 read = 1 delivered + 1 rejected\n- user_id: is missing (null); every record needs one" in content


def test_the_callback_of_the_example_tells_the_log_where_slack_is_not_installed(
    failure: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    replay_rejects.tell(failure)

    assert "2 read = 1 delivered + 1 rejected" in caplog.text


@pytest.mark.parametrize(("users", "is_told"), [([{"user_id": "a"}], False), ([{"user_id": None}], True)])
def test_a_green_task_tells_only_of_what_was_rejected(
    blux_emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, users: list[Any], is_told: bool
) -> None:
    report = BluxUpsertUsersOperator(task_id="send", users=users, max_rejects=1, rejects_path=str(tmp_path)).execute({})
    instance = SimpleNamespace(**vars(INSTANCE), xcom_pull=lambda **_: report)
    caplog.clear()

    replay_rejects.tell_of_rejects({"ti": instance})

    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == (
        [replay_rejects.__name__] if is_told else []
    )


def test_the_task_of_the_page_is_one() -> None:
    (block,) = [block for block in ALERTS.code("python") if block.code.startswith("Blux")]
    shown: dict[str, Any] = {"tell": print, "tell_of_rejects": print, **vars(blux)}
    exec(f"task = {block.code}", shown)  # noqa: S102 - the docs' own text

    assert isinstance(shown["task"], BluxUpsertUsersOperator)


def test_a_line_has_the_keys_of_the_table(blux_emulator: Emulator, tmp_path: Path) -> None:
    users = [{"user_id": None, "points": float("nan")}]
    report = BluxUpsertUsersOperator(task_id="send", users=users, max_rejects=1, rejects_path=str(tmp_path)).execute({})
    line = json.loads(Path(report["rejects"][0].removeprefix("file://")).read_text("utf-8"))
    shown = json.loads(REPLAY.code("json")[0].code)

    keys = [name for row in REPLAY.table_of("operation") for name in names(row[0])]
    assert keys == list(line)
    assert [*shown, "as_text"] == keys
    assert line["source"] == "record 1 of users"

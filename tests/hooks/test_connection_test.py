"""``test_connection``, which the Test button calls: it tests the credentials and stores nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.hooks.connection_test import MADE_UP_KEY
from tests.patience import with_enough_time

NO_APPLICATION = {"login": None, "password": None}
NO_OPEN = {"extra": {"open_api_url": None, "project_id": None, "open_api_key": None}}


@pytest.fixture
def tested(blux_emulator: Emulator) -> Callable[[], tuple[bool, str]]:
    """A function that tests the connection; it returns the result, and a message without the emulator's address.

    For every result, it checks that nothing is stored or deleted, and that the message shows no key.
    """

    def test() -> tuple[bool, str]:
        works, words = BluxHook().test_connection()
        assert set(blux_emulator.counts().values()) == {0}
        assert [*blux_emulator.deleted_users(), *blux_emulator.deleted_profiles()] == []
        for secret in ("demo-secret-key", "demo-open-api-key", "wrong-key-1", MADE_UP_KEY):
            assert secret not in words
        return works, words.replace(blux_emulator.url.removeprefix("http://"), "HERE")

    return test


Tested = Callable[[], tuple[bool, str]]


def test_both_apis_are_proven(blux_emulator: Emulator, tested: Tested) -> None:
    assert tested() == (
        True,
        "Application API (HERE): the credentials are accepted. Open API (HERE): the credentials are accepted.",
    )
    # First a made-up key, which must be refused; then the true one, with a list of no users.
    assert [
        (request["api"], request["operation"], request["records"], request["status"])
        for request in blux_emulator.requests()
    ] == [
        ("application", "upsert_users", 0, 401),
        ("application", "upsert_users", 0, 400),
        ("open", "upsert_users", 0, 401),
        ("open", "upsert_users", 0, 400),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            NO_OPEN,
            (
                "Application API (HERE): the credentials are accepted. "
                "Open API: not filled in, so events and devices cannot be sent."
            ),
        ),
        (
            NO_APPLICATION,
            (
                "Application API: not filled in, so users and deletions go to the Open API. "
                "Open API (HERE): the credentials are accepted."
            ),
        ),
    ],
)
def test_one_api_is_enough(connect: Any, tested: Tested, fields: dict[str, Any], words: str) -> None:
    connect(**fields)

    assert tested() == (True, words)


APPLICATION_REFUSED = "Application API (HERE): the credentials are refused (401). Check Application ID and Secret key."
OPEN_REFUSED = "Open API (HERE): the credentials are refused (401). Check Project ID and Open API key."
APPLICATION_ACCEPTED = "Application API (HERE): the credentials are accepted."
OPEN_ACCEPTED = "Open API (HERE): the credentials are accepted."


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": "wrong-key-1"}, f"{APPLICATION_REFUSED} {OPEN_ACCEPTED}"),
        ({"login": "another-app"}, f"{APPLICATION_REFUSED} {OPEN_ACCEPTED}"),
        ({"extra": {"open_api_key": "wrong-key-1"}}, f"{APPLICATION_ACCEPTED} {OPEN_REFUSED}"),
        ({"extra": {"project_id": "another-project"}}, f"{APPLICATION_ACCEPTED} {OPEN_REFUSED}"),
    ],
)
def test_what_is_refused_is_named_and_the_other_api_tested_all_the_same(
    connect: Any, tested: Tested, fields: dict[str, Any], words: str
) -> None:
    connect(**{"extra": {}, **fields})

    assert tested() == (False, words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"extra": {"open_api_url": None}}, "open_api_url (Open API URL) is missing"),
        ({"extra": {"region": "kr"}}, "unknown extra region"),
        ({"host": "http://api.blux.ai/prod"}, "host (Application API URL) is plain http://"),
        (
            NO_APPLICATION | NO_OPEN,
            (
                "No credentials of either API. Fill in Application ID and Secret key for the Application API, "
                "or Project ID and Open API key for the Open API."
            ),
        ),
    ],
)
def test_a_form_filled_in_wrongly_is_told_before_anything_is_sent(
    blux_emulator: Emulator, connect: Any, tested: Tested, fields: dict[str, Any], words: str
) -> None:
    connect(**fields)
    works, said = tested()

    assert not works
    assert words in said
    assert "blux_default" not in said  # the Test button knows the connection by another, random id
    assert blux_emulator.requests() == []


def test_a_url_that_leads_elsewhere_is_told(blux_emulator: Emulator, connect: Any, tested: Tested) -> None:
    connect(host=f"{blux_emulator.url}/elsewhere")
    works, said = tested()

    assert not works
    assert said.startswith("Application API (HERE): Blux answered 404 to application.upsert_users")
    assert said.endswith(f"Check Application API URL and Application ID. {OPEN_ACCEPTED}")


def test_a_redirect_is_told_and_not_followed(blux_emulator: Emulator, tested: Tested) -> None:
    blux_emulator.fault(kind="status", status=301, headers={"Location": f"{blux_emulator.url}/prod/"}, api="open")
    works, said = tested()

    assert not works
    assert said.startswith(f"{APPLICATION_ACCEPTED} Open API (HERE): Blux answered 301")
    assert said.endswith("Set the final URL in the connection.")
    assert [request["status"] for request in blux_emulator.requests()] == [401, 400, 401, 301]


def test_a_failure_of_the_api_is_not_blamed_on_the_credentials(blux_emulator: Emulator, tested: Tested) -> None:
    blux_emulator.fault(kind="status", status=503, api="application")
    works, said = tested()

    assert not works
    assert "(HERE): Blux answered 503 to application.upsert_users" in said
    assert said.endswith(f"So the credentials could not be tested: test again later. {OPEN_ACCEPTED}")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"kind": "delay", "seconds": 600},
            "No answer to application.upsert_users from HERE within TIMEOUT s.",
        ),
        ({"kind": "reset"}, "The connection to HERE broke during application.upsert_users."),
    ],
)
def test_an_api_that_does_not_answer_is_told(
    blux_emulator: Emulator, connect: Any, tested: Tested, fault: dict[str, Any], words: str
) -> None:
    blux_emulator.fault(**fault, api="application")

    def is_told(timeout: float) -> None:
        connect(extra={"timeout": timeout})
        assert tested() == (
            False,
            (
                f"Application API (HERE): {words.replace('TIMEOUT', f'{timeout:g}')} Check Application API URL, and "
                f"whether the machine that runs this test may reach it. {OPEN_ACCEPTED}"
            ),
        )

    with_enough_time(0.5, is_told)


def test_a_host_where_nobody_listens_is_told(connect: Any, tested: Tested) -> None:
    with Emulator() as gone:
        url = gone.url
    connect(host=f"{url}/prod")
    works, said = tested()

    assert not works
    assert ": No connection to 127.0.0.1:" in said
    assert said.endswith(f"may reach it. {OPEN_ACCEPTED}")


def test_a_host_that_does_not_exist_is_told(connect: Any, tested: Tested) -> None:
    connect(host="https://blux.invalid/prod")  # RFC 2606 keeps this name from existing
    works, said = tested()

    assert not works
    assert said.startswith("Application API (blux.invalid): No connection to blux.invalid")
    assert said.endswith(f"may reach it. {OPEN_ACCEPTED}")


def test_a_proxy_that_cannot_be_reached_is_told(
    blux_emulator: Emulator, tested: Tested, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    works, said = tested()

    assert not works
    assert said.count("Check the proxies that the environment names.") == 2
    assert "API URL" not in said


@contextmanager
def another_host(status: int) -> Iterator[tuple[str, list[str]]]:
    """A server that is not Blux: it gives every request the same answer, and records the keys it receives."""
    keys: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Authorization"].removeprefix("Bearer "))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "a made-up key is accepted, so this is not Blux; yours was not sent. Check Open API URL."),
        (
            400,
            (
                "reached, but a made-up key is not refused, so your key cannot be tested and was not sent. Check "
                "Open API URL; if it is right, test with a task that sends one record."
            ),
        ),
        (
            405,
            "Blux answered 405 to open.upsert_users at HERE. Check Open API URL and Project ID.",
        ),
    ],
)
def test_a_host_that_refuses_no_key_proves_nothing_and_does_not_get_yours(
    connect: Any, tested: Tested, status: int, words: str
) -> None:
    with another_host(status) as (url, keys):
        connect(extra={"open_api_url": url})
        works, said = tested()

    assert not works
    assert (
        said
        == f"{APPLICATION_ACCEPTED} Open API ({url.removeprefix('http://')}): {words.replace('HERE', url.removeprefix('http://'))}"
    )
    assert keys == [MADE_UP_KEY]

"""HTTP of other clients than the package, byte by byte."""

from __future__ import annotations

import json
import socket
import threading
import weakref
from collections.abc import Iterator

import pytest

from airflow_provider_blux.emulator import Emulator
from tests.emulator.client import NOTHING, USERS, VALID, Client, until

BODY = json.dumps(VALID[USERS]).encode()
END = b"\r\n\r\n"


def post(*headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    given = ["Authorization: demo-secret-key", "Content-Type: application/json", *headers]
    return "\r\n".join([f"POST {USERS} HTTP/{version}", "Host: 127.0.0.1", *given]).encode() + END + body


def length(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


@pytest.fixture
def wire(blux: Emulator) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(blux.url.rpartition(":")[2])), timeout=10) as wire:
        yield wire


def head_of(wire: socket.socket) -> bytes:
    received = b""
    while not received.endswith(END):
        received += wire.recv(1)
    return received


def answer_on(wire: socket.socket) -> tuple[int, bytes]:
    """Read exactly one answer; return its status and its body."""
    head = head_of(wire).decode().lower()
    (size,) = (int(line.split()[1]) for line in head.splitlines() if line.startswith("content-length:"))
    body = b""
    while len(body) < size:
        body += wire.recv(size - len(body))
    return int(head.split()[1]), body


def test_requests_may_follow_each_other_without_waiting(blux: Emulator, wire: socket.socket) -> None:
    wire.sendall(post(length(BODY), body=BODY) * 3)
    assert [answer_on(wire) for _ in range(3)] == [(200, b'{"message":"ok"}')] * 3
    assert len(blux.requests()) == 3


@pytest.mark.parametrize(
    ("line", "status"),
    [("POST /nowhere HTTP/1.1", 404), ("PUT /_emulator/state HTTP/1.1", 405), ("POST / HTTP/1.1", 405)],
)
def test_a_body_that_nobody_wants_is_not_taken_for_a_request(wire: socket.socket, line: str, status: int) -> None:
    wire.sendall(f"{line}\r\nHost: 127.0.0.1\r\n{length(BODY)}".encode() + END + BODY)
    wire.sendall(post(length(BODY), body=BODY))
    assert [answer_on(wire)[0] for _ in range(2)] == [status, 200]


def test_a_request_without_a_length_has_no_body(blux: Emulator, wire: socket.socket) -> None:
    wire.sendall(post())
    assert answer_on(wire) == (400, b'{"message":"the body is not valid JSON"}')
    assert [entry["records"] for entry in blux.requests()] == [0]


@pytest.mark.parametrize(
    ("request_of_a_client", "status"),
    [
        (post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), 411),
        (post("Transfer-Encoding: chunked", length(BODY), body=BODY), 411),
        (post("Content-Length: -1"), 400),
        (post("Content-Length: ten"), 400),
        (post("Content-Length: ٣"), 400),
        (post("Content-Length: 100000000"), 413),
        (post("Content-Length: " + "9" * 5000), 413),
        (b"hello" + END, 400),
        (b"POST" + END, 400),
        (b"GET / HTTP/x" + END, 400),
        (b"GET / HTTP/2.0" + END, 505),
        (b"BREW / HTTP/1.1" + END, 501),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1" + END, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + END, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 200 + END, 431),
    ],
)
def test_what_cannot_be_understood_is_answered_and_hung_up(
    blux: Emulator, wire: socket.socket, request_of_a_client: bytes, status: int
) -> None:
    wire.sendall(request_of_a_client)
    head, _, body = b"".join(iter(lambda: wire.recv(65_536), b"")).partition(END)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    assert list(json.loads(body)) == ["message"]
    assert blux.counts() == NOTHING


def test_a_refusal_reaches_a_client_that_is_still_sending(wire: socket.socket) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    wire.sendall(post("Transfer-Encoding: chunked", body=chunk * 8 + b"0\r\n\r\n"))
    assert answer_on(wire)[0] == 411


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST", post(length(BODY))[:-3], post(length(BODY), body=b"{")],
    ids=["nothing", "line", "head", "body"],
)
def test_who_does_not_go_on_holds_up_nobody(client: Client, wire: socket.socket, sent: bytes) -> None:
    wire.sendall(sent)
    assert client.post(USERS, VALID[USERS]).status_code == 200


def test_a_client_may_ask_first_whether_to_go_on(wire: socket.socket) -> None:
    wire.sendall(post("Expect: 100-continue", length(BODY)))
    assert head_of(wire) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(BODY)
    assert answer_on(wire)[0] == 200


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [
        ("1.1", "X: 1", True),
        ("1.1", "Connection: close", False),
        ("1.0", "X: 1", False),
        ("1.0", "Connection: keep-alive", True),
    ],
)
def test_a_connection_stays_open_as_the_client_asks(
    wire: socket.socket, version: str, header: str, stays: bool
) -> None:
    wire.sendall(post(header, length(BODY), body=BODY, version=version))
    head = head_of(wire)
    assert (b"connection: keep-alive" in head, b"connection: close" in head) == (stays, not stays)
    assert wire.recv(16) == b'{"message":"ok"}'
    if stays:
        wire.sendall(post(length(BODY), body=BODY))
    assert bool(wire.recv(1)) is stays


def test_a_head_without_a_body_is_what_get_would_answer(client: Client) -> None:
    asked, got = client.call("HEAD", "/"), client.call("GET", "/")
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["Content-Length"] == str(len(got.content)) == got.headers["Content-Length"]


def test_a_value_that_utf_8_cannot_spell_comes_back_as_it_was(client: Client) -> None:
    user = {"user_id": "u-1", "custom_user_properties": {"half": "\ud800"}}
    assert client.post(USERS, {"users": [user]}).status_code == 200
    assert client.call("GET", "/_emulator/users/u-1").json()["custom_user_properties"] == {"half": "\ud800"}


def connections() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "blux-emulator-connection"]


def test_no_thread_outlives_its_connection(blux: Emulator) -> None:
    earlier = set(connections())  # clients of earlier tests may keep theirs open
    with Client(blux) as client:
        client.post(USERS, VALID[USERS])
        (thread,) = set(connections()) - earlier
    until(lambda: not thread.is_alive())


def test_a_server_that_runs_on_forgets_a_closed_connection(blux: Emulator) -> None:
    earlier = set(connections())
    with Client(blux) as client:
        client.post(USERS, VALID[USERS])
        (thread,) = map(weakref.ref, set(connections()) - earlier)
    until(lambda: thread() is None)

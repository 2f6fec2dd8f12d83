"""What goes over the wire, and what becomes of the connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_blux.api.auth import ApplicationAccess
from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.exceptions import BluxConfigError, BluxRequestError, BluxUnavailable
from tests.api.wire import OK, answering, tunnelling
from tests.certificates import context_of_a_server

UPSERT = endpoints_for("upsert_users", "application")[0]
KEY = "the-secret-key"
PROXY_PASSWORD = "the-proxys-password"


def client_at(url: str, verify: Path | None = None) -> BluxClient:
    access = ApplicationAccess(url=url, application_id="app", secret_key=KEY)
    return BluxClient({"application": access}, timeout=10, verify=verify and str(verify))


def send(client: BluxClient, times: int = 1) -> int:
    for _ in range(times):
        status = client.send(client.prepare(UPSERT, [{"user_id": "u-1"}]))
    return status


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch):
    """Name a proxy in the environment, as it is named on a worker."""

    def named(scheme: str, port: int) -> None:
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://worker:{PROXY_PASSWORD}@127.0.0.1:{port}")

    return named


def test_a_request_is_whole_and_says_no_more_than_it_must():
    with answering(OK) as wire, client_at(f"http://127.0.0.1:{wire.port}/prod") as client:
        send(client)

    head, _, body = wire.requests[0][1].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /prod/v2/applications/app/users/update-properties/bulk HTTP/1.1"
    assert body == b'{"users":[{"user_id":"u-1"}]}'
    named = dict(line.split(": ", 1) for line in headers)
    assert named.pop("User-Agent").startswith("airflow-provider-blux/")
    assert named == {
        "Host": f"127.0.0.1:{wire.port}",
        "Authorization": KEY,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
    }


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
)
def test_requests_one_after_the_other_share_a_connection(answer):
    with answering(answer) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        send(client, times=3)

    assert wire.over == [1, 1, 1]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "it says so"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", "so did all before 1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b" " * 70_000, "more of it than is read"),
    ],
)
def test_a_connection_that_cannot_be_gone_on_with_is_given_up(answer, why):
    with answering(answer) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        send(client, times=2)

    assert wire.over == [1, 2], why


def test_a_connection_that_the_server_has_closed_meanwhile_is_no_failure():
    with answering(OK, hang_up=True) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        for _ in range(3):
            send(client)
            assert wire.hung_up.acquire(timeout=10)

    assert wire.over == [1, 2, 3]


def test_what_is_no_http_leaves_the_request_in_doubt_and_its_connection_is_given_up():
    with answering(b"SSH-2.0-x\r\n", OK) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        with pytest.raises(BluxUnavailable, match="broke during") as caught:
            send(client)
        send(client)

    assert caught.value.in_doubt
    assert wire.over == [1, 2]


def test_the_words_of_an_answer_that_is_encoded_without_having_been_asked_are_not_shown():
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nu-1 \x1f\x8b\x08ab"
    with (
        answering(answer) as wire,
        client_at(f"http://127.0.0.1:{wire.port}") as client,
        pytest.raises(BluxRequestError) as caught,
    ):
        send(client)

    assert str(caught.value) == "Blux answered 400 to application.upsert_users."


def test_a_host_is_trusted_by_the_bundle_that_the_connection_names(tmp_path):
    tls, bundle = context_of_a_server(tmp_path)
    with answering(OK, tls=tls) as wire, client_at(f"https://127.0.0.1:{wire.port}", bundle) as client:
        assert send(client, times=2) == 200

    assert wire.over == [1, 1]


def test_a_host_is_trusted_by_nothing_else(tmp_path):
    tls, _ = context_of_a_server(tmp_path)
    with (
        answering(OK, tls=tls) as wire,
        client_at(f"https://127.0.0.1:{wire.port}") as client,
        pytest.raises(BluxConfigError, match=r"not trusted\. Name the CA bundle"),
    ):
        send(client)

    assert wire.requests == []


def test_a_proxy_carries_what_it_cannot_read(tmp_path, through):
    tls, bundle = context_of_a_server(tmp_path)
    with answering(OK, tls=tls) as wire, tunnelling() as proxy:
        through("https", proxy.port)
        with client_at(f"https://127.0.0.1:{wire.port}", bundle) as client:
            send(client, times=2)

    [(_, asked)] = proxy.requests
    assert asked.startswith(f"CONNECT 127.0.0.1:{wire.port} HTTP/1.".encode())
    assert b"Proxy-Authorization: Basic " in asked
    assert KEY.encode() not in asked
    assert wire.over == [1, 1]
    assert b"Proxy-Authorization" not in wire.requests[0][1]


def test_a_proxy_that_refuses_leaves_nothing_in_doubt_and_is_not_shown(tmp_path, through):
    tls, bundle = context_of_a_server(tmp_path)
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with answering(OK, tls=tls) as wire, tunnelling(refusal) as proxy:
        through("https", proxy.port)
        with (
            client_at(f"https://127.0.0.1:{wire.port}", bundle) as client,
            pytest.raises(BluxUnavailable, match="through the proxy that the environment names") as caught,
        ):
            send(client)

    assert not caught.value.in_doubt
    assert PROXY_PASSWORD not in str(caught.value)
    assert wire.requests == []


def test_a_proxy_of_plain_http_is_given_the_whole_address(through):
    with answering(OK) as proxy:
        through("http", proxy.port)
        with client_at("http://localhost:9/prod") as client:
            send(client)

    [(_, asked)] = proxy.requests
    assert asked.startswith(b"POST http://localhost:9/prod/v2/applications/app/users/update-properties/bulk HTTP/1.1")
    assert b"Host: localhost:9\r\n" in asked
    assert b"Proxy-Authorization: Basic " in asked


@pytest.mark.parametrize("proxy", ["http://", "http://[::1", "nonsense://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_one_is_a_fault_of_the_configuration(monkeypatch, proxy):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with client_at("http://127.0.0.1:9") as client, pytest.raises(BluxConfigError, match="proxies"):
        send(client)

"""The bytes that are sent, and the connections: when they are kept, and when they are closed."""

from __future__ import annotations

import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from airflow_provider_blux.api.auth import Access
from airflow_provider_blux.api.client import BluxClient, Request
from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.exceptions import BluxConfigError, BluxRequestError, BluxUnavailable
from tests.api.wire import OK, SECONDS, answering, dripping, ignoring, refusing_early, tunnelling
from tests.certificates import context_of_a_server
from tests.delivery.pushing import request_of
from tests.patience import with_enough_time

UPSERT = endpoints_for("upsert_users", "application")[0]
ADDRESS = "https://api.example.com/prod/v2/applications/app/users/update-properties/bulk"
LARGE = b'{"users":["' + b"x" * 20_000_000 + b'"]}'
KEY = "the-secret-key"
PROXY_PASSWORD = "the-proxys-password"


def client_at(url: str, verify: Path | None = None, timeout: float = SECONDS, pool_size: int = 1) -> BluxClient:
    access = Access(api="application", url=url, application="app", key=KEY)
    return BluxClient({"application": access}, timeout=timeout, verify=verify and str(verify), pool_size=pool_size)


def send(client: BluxClient, times: int = 1) -> int:
    for _ in range(times):
        status = client.send(request_of(UPSERT, [{"user_id": "u-1"}]))
    return status


def seconds_to_succeed(port: int, deadline: float) -> float:
    """Return how long a request takes that is answered with 200."""
    with client_at(f"http://127.0.0.1:{port}", timeout=deadline) as client:
        started = time.monotonic()
        assert send(client) == 200
        return time.monotonic() - started


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch):
    """Set a proxy in the environment, as on a worker."""

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
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK,
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK,
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


def test_it_is_told_when_a_request_leaves_and_has_left_before_its_answer_comes():
    told, has_left = [], Event()

    def left() -> None:
        told.append("left")
        has_left.set()

    with answering(OK, after=has_left) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        request = request_of(UPSERT, [{"user_id": "u-1"}])
        client.send(request, on_leaving=lambda: told.append("leaves"), on_left=left)
        client.send(request)

    assert told == ["leaves", "left"]


def test_a_connection_that_the_server_has_closed_meanwhile_is_no_failure():
    with answering(OK, hang_up=True) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        for _ in range(3):
            send(client)
            assert wire.hung_up.acquire(timeout=10)

    assert wire.over == [1, 2, 3]


def test_as_many_connections_are_kept_as_are_asked_for():
    number = 12

    def send_at_once(client: BluxClient) -> None:
        all_are_written = Barrier(number)
        request = request_of(UPSERT, [{"user_id": "u-1"}])
        with ThreadPoolExecutor(number) as pool:
            sent = [pool.submit(client.send, request, on_left=all_are_written.wait) for _ in range(number)]
        assert [one.result() for one in sent] == [200] * number

    with answering(OK) as wire, client_at(f"http://127.0.0.1:{wire.port}", pool_size=number) as client:
        send_at_once(client)
        send_at_once(client)

    assert wire.connections == number


def test_a_closed_client_has_closed_its_connections():
    with answering(OK) as wire:
        with client_at(f"http://127.0.0.1:{wire.port}") as client:
            send(client)
        assert wire.hung_up.acquire(timeout=5)


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

    assert str(caught.value) == f"Blux answered 400 to application.upsert_users at 127.0.0.1:{wire.port}."


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
        pytest.raises(BluxConfigError, match=r"not trusted\. Name the CA bundle") as caught,
    ):
        send(client)

    assert wire.requests == []
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.__cause__)


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
            pytest.raises(BluxUnavailable, match=r"the environment names for .* \(the proxy answered 407\)") as caught,
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


def test_the_password_of_a_proxy_that_cannot_be_one_is_in_no_traceback(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{PROXY_PASSWORD}@127.0.0.1:99999")
    with client_at("http://127.0.0.1:9") as client, pytest.raises(BluxConfigError, match="proxies") as caught:
        send(client)

    assert PROXY_PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_an_interim_answer_is_not_taken_for_that_of_the_next_request():
    refused = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    with answering(refused, OK) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        with pytest.raises(BluxRequestError, match="answered 400"):
            send(client)
        assert send(client) == 200

    assert wire.over == [1, 1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 17\r\n\r\n\n <!DOCTYPE  html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<HTML>login.",
    ],
    ids=["by its type", "by its beginning", "in capitals"],
)
def test_a_page_of_html_is_no_acceptance(answer):
    """A login page or an error page of a proxy looks like this answer."""
    with (
        answering(answer) as wire,
        client_at(f"http://127.0.0.1:{wire.port}") as client,
        pytest.raises(BluxUnavailable, match="is a page of HTML") as caught,
    ):
        send(client)

    assert caught.value.in_doubt
    assert wire.connections == 1


@pytest.mark.parametrize("location", ["http://차단.example".encode("euc-kr"), b"http://[proxy/login", b"//proxy:port/"])
def test_a_redirect_to_what_is_no_url_is_a_redirect_and_leaves_nothing_in_doubt(location):
    redirect = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
    with (
        answering(redirect) as wire,
        client_at(f"http://127.0.0.1:{wire.port}") as client,
        pytest.raises(BluxConfigError, match="Redirects are never followed"),
    ):
        send(client)

    assert len(wire.requests) == 1


def test_an_early_refusal_of_a_large_body_is_read_and_leaves_nothing_in_doubt():
    refused = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    told: list[str] = []
    with (
        refusing_early(refused) as port,
        client_at(f"http://127.0.0.1:{port}") as client,
        pytest.raises(BluxRequestError, match="answered 413"),
    ):
        client.send(
            Request(UPSERT, LARGE), on_leaving=lambda: told.append("leaves"), on_left=lambda: told.append("left")
        )

    assert told == ["leaves"]


def test_a_connection_that_breaks_while_a_body_is_written_leaves_nothing_in_doubt():
    with (
        refusing_early(b"") as port,
        client_at(f"http://127.0.0.1:{port}") as client,
        pytest.raises(BluxUnavailable, match="broke during") as caught,
    ):
        client.send(Request(UPSERT, LARGE))

    assert not caught.value.in_doubt


def test_a_body_that_nobody_reads_is_given_up_at_the_timeout_and_leaves_nothing_in_doubt():
    with ignoring() as port, client_at(f"http://127.0.0.1:{port}", timeout=0.3) as client:
        started = time.monotonic()
        with pytest.raises(BluxUnavailable, match="broke during") as caught:
            client.send(Request(UPSERT, LARGE))
        took = time.monotonic() - started

    assert not caught.value.in_doubt
    assert took < SECONDS


@pytest.mark.parametrize("is_proxy", [False, True], ids=["a server", "a proxy"])
def test_a_tls_connection_that_is_not_answered_in_time_is_a_fault_that_may_pass(monkeypatch, through, is_proxy):
    monkeypatch.setattr("airflow_provider_blux.api.client.CONNECT_TIMEOUT", 0.2)
    with ignoring() as port:
        if is_proxy:
            through("https", port)
        with (
            client_at(f"https://127.0.0.1:{9 if is_proxy else port}") as client,
            pytest.raises(BluxUnavailable, match=r"^No connection to 127.0.0.1:.* \(TimeoutError\)\.") as caught,
        ):
            send(client)

    assert not caught.value.in_doubt


@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["its first line", "its headers"])
def test_an_answer_that_drips_ends_at_the_deadline(piece):
    with dripping(piece) as port, client_at(f"http://127.0.0.1:{port}", timeout=0.3) as client:
        started = time.monotonic()
        with pytest.raises(BluxUnavailable, match=r"No answer to .* within 0\.3 s") as caught:
            send(client)
        took = time.monotonic() - started

    assert caught.value.in_doubt
    assert took < SECONDS


def test_the_body_of_an_answer_that_drips_ends_at_the_deadline_and_its_status_counts():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

    def ends_at(deadline: float) -> None:
        with dripping(head) as port:
            assert seconds_to_succeed(port, deadline) < max(SECONDS, 2 * deadline)

    with_enough_time(0.3, ends_at)


def test_an_answer_that_comes_in_many_pieces_is_read_to_its_end():
    body = b'{"padding": "' + b"x" * 40_000 + b'", "message": "no such property"}'
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering(answer) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        for _ in range(2):
            with pytest.raises(BluxRequestError, match="no such property"):
                send(client)

    assert wire.over == [1, 1]


def test_the_words_of_an_answer_in_chunks_are_read_to_their_end():
    chunks = [b'{"message": "no such', b' property"}']
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    answer = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with (
        answering(answer) as wire,
        client_at(f"http://127.0.0.1:{wire.port}") as client,
        pytest.raises(BluxRequestError, match="no such property"),
    ):
        send(client)


def test_an_answer_that_stops_in_its_middle_ends_at_the_deadline():
    stops = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"

    def ends_at(deadline: float) -> None:
        with answering(stops) as wire:
            assert seconds_to_succeed(wire.port, deadline) < max(SECONDS / 2, 2 * deadline)

    with_enough_time(0.3, ends_at)


def test_the_time_that_one_answer_had_left_is_not_the_time_of_the_next():
    with answering(OK) as wire, client_at(f"http://127.0.0.1:{wire.port}", timeout=5) as client:
        send(client, times=3)

    assert wire.over == [1, 1, 1]


def test_cookies_are_not_kept():
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 2\r\n\r\n{}"
    with answering(cookie) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        send(client, times=2)

    assert b"cookie" not in wire.requests[1][1].lower()


def test_a_netrc_does_not_replace_the_key(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with answering(OK) as wire, client_at(f"http://127.0.0.1:{wire.port}") as client:
        send(client)

    assert f"Authorization: {KEY}\r\n".encode() in wire.requests[0][1]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_host_is_trusted_by_the_bundle_that_the_environment_names(tmp_path, monkeypatch, variable):
    tls, bundle = context_of_a_server(tmp_path)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(bundle))
    with answering(OK, tls=tls) as wire, client_at(f"https://127.0.0.1:{wire.port}") as client:
        assert send(client) == 200


def test_a_bundle_that_is_not_there_is_a_fault_of_the_configuration(tmp_path):
    with (
        client_at("https://127.0.0.1:9", tmp_path / "none.pem") as client,
        pytest.raises(BluxConfigError, match="extra 'verify'"),
    ):
        send(client)


def test_the_library_responses_stands_in_for_the_api():
    responses = pytest.importorskip("responses")
    with responses.RequestsMock() as api, client_at("https://api.example.com/prod") as client:
        api.post(ADDRESS, status=200, json={"message": "ok"})
        assert send(client) == 200
        assert api.calls[0].request.body == b'{"users":[{"user_id":"u-1"}]}'
        api.replace("POST", ADDRESS, status=400, json={"message": "no such property"})
        with pytest.raises(BluxRequestError, match="no such property"):
            send(client)


def test_the_library_requests_mock_stands_in_for_the_api():
    requests_mock = pytest.importorskip("requests_mock")
    with requests_mock.Mocker() as api, client_at("https://api.example.com/prod") as client:
        api.post(ADDRESS, status_code=503, headers={"Retry-After": "7"}, json={"message": "later"})
        with pytest.raises(BluxUnavailable, match="later") as caught:
            send(client)

    assert caught.value.retry_after == 7
    assert [request.headers["Authorization"] for request in api.request_history] == [KEY]


def test_opentelemetry_sees_every_request():
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.requests").RequestsInstrumentor()
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentation.instrument(tracer_provider=provider)
    try:
        with answering(OK) as wire, client_at(f"http://127.0.0.1:{wire.port}/prod") as client:
            send(client, times=3)
    finally:
        instrumentation.uninstrument()

    assert len(spans.get_finished_spans()) == len(wire.requests) == 3

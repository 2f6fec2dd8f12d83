from __future__ import annotations

import email.utils
import socket
import time

import pytest

from airflow_provider_blux import exceptions
from airflow_provider_blux.api.auth import Access, checked_url
from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import ENDPOINTS, Endpoint, apis_of, endpoints_for
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxRequestError, BluxUnavailable
from tests.delivery.pushing import client_of, request_of

UPSERT = endpoints_for("upsert_users", "application")[0]
USER = {"user_id": "u-1", "user_properties": {"phone_number": "01055556666"}}


@pytest.fixture
def blux(_blux_emulator_server: Emulator) -> Emulator:
    _blux_emulator_server.reset()
    return _blux_emulator_server


def send(blux: Emulator, endpoint: Endpoint, records: list[object], **client: float) -> None:
    with client_of(blux, **client) as api:
        api.send(request_of(endpoint, records))


RECORDS = {
    "upsert_users": {
        "application": {"user_id": "u-1", "custom_user_properties": {"x": 1}},
        "open": {"user_id": "u-1", "properties": {"x": 1}},
    },
    "delete_users": {"application": "u-1", "open": "u-1"},
    "send_events": {"open": {"name": "bought", "user_id": "u-1"}},
    "update_devices": {"open": {"device_id": "d-1"}},
}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint}-{endpoint.max_records}")
def test_every_endpoint_is_accepted_by_an_emulator_that_was_written_from_the_pages(blux, endpoint):
    send(blux, endpoint, [RECORDS[endpoint.operation][endpoint.api]])

    [request] = blux.requests()
    assert (request["api"], request["operation"]) == (endpoint.api, endpoint.operation)
    assert request["status"] == {"application": 200, "open": 202}[endpoint.api]


def test_there_are_the_seven_endpoints_of_the_pages():
    assert [(row.api, row.operation, row.max_records, row.max_rate) for row in ENDPOINTS] == [
        ("application", "upsert_users", 100, 20),
        ("application", "delete_users", 3000, 100),
        ("open", "upsert_users", 1000, 20),
        ("open", "send_events", 1000, 20),
        ("open", "delete_users", 1000, 20),
        ("open", "delete_users", 1, 20),
        ("open", "update_devices", 1000, 20),
    ]


def test_the_endpoint_with_the_most_records_is_the_first_of_its_operation():
    assert [endpoint.max_records for endpoint in endpoints_for("delete_users", "open")] == [1000, 1]


def test_an_api_without_the_operation_is_refused_with_the_one_that_has_it():
    with pytest.raises(BluxConfigError, match=r"application API has no send_events\. Set api='open'"):
        endpoints_for("send_events", "application")
    assert apis_of("send_events") == ("open",)
    assert apis_of("upsert_users") == ("application", "open")


CLASSES = {
    **dict.fromkeys(range(300, 400), exceptions.BluxConfigError),
    **dict.fromkeys(range(400, 500), exceptions.BluxRequestError),
    **dict.fromkeys((401, 403), exceptions.BluxAuthError),
    **dict.fromkeys((408, 409, 423, 425, 429), exceptions.BluxUnavailable),
    **dict.fromkeys(range(500, 600), exceptions.BluxUnavailable),
}


@pytest.mark.parametrize("status", sorted(CLASSES))
def test_every_status_has_its_class_and_leaves_nothing_in_doubt_but_a_gateways_own(blux, status):
    blux.fault(kind="status", status=status, body={"message": "as it is"} if status != 304 else None)

    with pytest.raises(CLASSES[status]) as caught:
        send(blux, UPSERT, [USER])

    words = ': "as it is"' if status != 304 else ""
    assert type(caught.value) is CLASSES[status]
    assert caught.value.message.startswith(
        f"Blux answered {status} to application.upsert_users at {blux.url.removeprefix('http://')}{words}."
    )
    assert (caught.value.status, caught.value.endpoint) == (status, "application.upsert_users")
    assert getattr(caught.value, "api_message", "as it is") == "as it is"
    assert getattr(caught.value, "in_doubt", False) == (status in (502, 504, 520, 524))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_four_statuses_accept(blux, status):
    blux.fault(kind="status", status=status)

    send(blux, UPSERT, [USER])

    assert blux.requests()[0]["status"] == status


@pytest.mark.parametrize("status", [203, 205, 206, 207, 299])
def test_any_other_2xx_leaves_in_doubt_who_has_answered(blux, status):
    blux.fault(kind="status", status=status)

    with pytest.raises(BluxUnavailable, match=f"The answer {status} to application.upsert_users") as caught:
        send(blux, UPSERT, [USER])

    assert caught.value.in_doubt
    assert (caught.value.status, caught.value.endpoint) == (status, "application.upsert_users")
    assert "a status that Blux does not use to accept requests" in str(caught.value)


def test_a_redirect_is_not_followed(blux):
    blux.fault(kind="status", status=307, headers={"Location": f"{blux.url}/elsewhere"})

    with pytest.raises(BluxConfigError, match="Redirects are never followed"):
        send(blux, UPSERT, [USER])

    assert len(blux.requests()) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", None), ("1.5", 1.5), ("-3", None), ("soon", None), ("inf", None), ("nan", None), (None, None)],
)
def test_retry_after_is_read_in_seconds(blux, header, seconds):
    blux.fault(kind="status", status=429, headers={"Retry-After": header} if header else {})

    with pytest.raises(BluxUnavailable) as caught:
        send(blux, UPSERT, [USER])

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(("header", "is_said"), [("3600", False), ("86400", True), ("1795849397", True)])
def test_a_wait_that_ends_the_try_is_said(blux, header, is_said):
    blux.fault(kind="status", status=503, headers={"Retry-After": header})

    with pytest.raises(BluxUnavailable) as caught:
        send(blux, UPSERT, [USER])

    assert ("(Retry-After), longer than a try of the task waits" in str(caught.value)) is is_said


def test_retry_after_is_read_as_a_date(blux):
    blux.fault(
        kind="status", status=503, headers={"Retry-After": email.utils.formatdate(time.time() + 90, usegmt=True)}
    )

    with pytest.raises(BluxUnavailable) as caught:
        send(blux, UPSERT, [USER])

    assert 80 < caught.value.retry_after <= 91


def test_a_date_without_a_zone_is_in_gmt_wherever_the_worker_stands(blux, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        blux.fault(kind="status", status=503, headers={"Retry-After": email.utils.formatdate(time.time() + 90)})
        with pytest.raises(BluxUnavailable) as caught:
            send(blux, UPSERT, [USER])
    finally:
        monkeypatch.undo()
        time.tzset()

    assert 80 < caught.value.retry_after <= 91


def test_a_date_that_is_over_asks_for_nothing(blux):
    past = email.utils.formatdate(time.time() - 90, usegmt=True)
    blux.fault(kind="status", status=503, headers={"Retry-After": past})

    with pytest.raises(BluxUnavailable) as caught:
        send(blux, UPSERT, [USER])

    assert caught.value.retry_after is None


def test_a_connection_that_breaks_leaves_the_request_in_doubt(blux):
    blux.fault(kind="reset", processed=True)

    with pytest.raises(BluxUnavailable, match=r"connection to .* broke during") as caught:
        send(blux, UPSERT, [USER])

    assert caught.value.in_doubt
    assert caught.value.endpoint == "application.upsert_users"
    assert blux.user("u-1")


def test_no_answer_in_time_leaves_the_request_in_doubt(blux):
    blux.fault(kind="delay", seconds=60, times=1)

    with pytest.raises(
        BluxUnavailable, match=r"No answer to application\.upsert_users from .* within 0\.2 s"
    ) as caught:
        send(blux, UPSERT, [USER], timeout=0.2)

    assert caught.value.in_doubt


def test_an_answer_that_breaks_off_after_its_status_is_an_answer(blux):
    blux.fault(kind="truncate", times=1)

    send(blux, UPSERT, [USER])

    assert blux.user("u-1")


def test_no_connection_leaves_nothing_in_doubt():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        access = Access(api="application", url=url, application="a", key="key")
        with BluxClient({"application": access}) as client, pytest.raises(BluxUnavailable) as caught:
            client.send(request_of(UPSERT, [USER]))
    assert not caught.value.in_doubt
    assert caught.value.endpoint == "application.upsert_users"
    host = url.removeprefix("http://")
    assert str(caught.value) == (
        f"No connection to {host} for application.upsert_users (ConnectionRefusedError). Check host (Application API "
        "URL) of the connection."
    )


@pytest.mark.parametrize(
    ("api", "field"),
    [("application", "host (Application API URL)"), ("open", "extra open_api_url (Open API URL)")],
)
def test_a_name_that_cannot_be_resolved_is_said_with_the_field_that_holds_it(api, field):
    access = {
        "application": Access(api="application", url="https://api.invalid/prod", application="a", key="key"),
        "open": Access(api="open", url="https://api.invalid", application="p", key="key"),
    }
    with BluxClient(access) as client, pytest.raises(BluxUnavailable) as caught:
        client.send(request_of(endpoints_for("upsert_users", api)[0], [USER]))
    assert str(caught.value) == (
        f"No connection to api.invalid for {api}.upsert_users (the name of the host cannot be resolved). Check {field} "
        "of the connection."
    )


def test_the_name_of_a_proxy_that_cannot_be_resolved_is_said_with_what_names_it(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    access = Access(api="application", url="http://127.0.0.1:9", application="a", key="key")
    with BluxClient({"application": access}) as client, pytest.raises(BluxUnavailable) as caught:
        client.send(request_of(UPSERT, [USER]))
    assert str(caught.value) == (
        "No connection to 127.0.0.1:9 through the proxy that the environment names for application.upsert_users (the "
        "name of the proxy cannot be resolved). Check the proxies that the environment names."
    )


@pytest.mark.parametrize(("api", "says"), [("application", "lacks its path (/prod)"), ("open", "project_id (Project")])
def test_404_says_what_to_check(blux, api, says):
    blux.fault(kind="status", status=404)

    with pytest.raises(BluxRequestError) as caught:
        send(blux, endpoints_for("upsert_users", api)[0], [{"user_id": "u-1"}])
    assert says in str(caught.value)


def test_what_the_api_says_is_shown_without_what_was_sent(blux):
    blux.fault(
        kind="status", status=400, body={"message": "users[0]: '010-5555-6666' (01055556666) of u-1 is no number"}
    )

    with pytest.raises(exceptions.BluxRequestError) as caught:
        send(blux, UPSERT, [USER])

    assert "is no number" in str(caught.value)
    for value in ("5555", "6666", "u-1"):
        assert value not in str(caught.value)


def test_a_key_is_repeated_by_no_error_and_no_repr(blux):
    access = Access(
        api="application", url=blux.connection()["host"], application="demo-app", key=blux.connection()["password"]
    )
    blux.fault(kind="status", status=403, body={"error": f"this key may not: {access.key}"})

    with BluxClient({"application": access}) as client, pytest.raises(exceptions.BluxAuthError) as caught:
        client.send(request_of(UPSERT, [USER]))

    assert "this key may not: ***" in str(caught.value)
    assert access.key not in f"{caught.value} {access!r} {client!r}"


def test_korean_text_and_emoji_arrive_as_they_were(blux):
    user = {"user_id": "회원-1", "custom_user_properties": {"name": "김하늘 🌸", "quote": '"\\ \u2028'}}

    send(blux, UPSERT, [user])

    assert blux.user("회원-1")["custom_user_properties"] == user["custom_user_properties"]


def test_ids_are_part_of_the_url_whatever_they_contain():
    application = Access(api="application", url="https://h/prod", application="a/b ?#", key="k")
    open_api = Access(api="open", url="https://h", application="p&q=1/", key="k")

    assert application.address("/v2/{application_id}/x") == "https://h/prod/v2/a%2Fb%20%3F%23/x"
    assert open_api.address("/v1/x") == "https://h/v1/x?project_id=p%26q%3D1%2F"


@pytest.mark.parametrize(("api", "name"), [("application", "the secret key"), ("open", "the Open API key")])
@pytest.mark.parametrize("key", ["two\nlines", " key-7f3a", "key-7f3a ", "한글", "key-7f3a\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(api, name, key):
    with pytest.raises(BluxConfigError, match=name) as caught:
        Access(api=api, url="https://h", application="a", key=key)
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://h", "https://h/prod/", "http://127.0.0.1:8088", "http://localhost", "http://[::1]:1"]
)
def test_urls_that_are_accepted(url):
    assert checked_url(url, "host") == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.blux.ai/prod", "plain http://"),
        ("http://127.0.0.1.example.com", "plain http://"),
        ("http://10.0.0.1", "plain http://"),
        ("ftp://h", "not an http"),
        ("api.blux.ai", "not an http"),
        ("https://", "not an http"),
        ("https://h:port", "not a URL"),
        ("https://user:pass@h", "holds credentials"),
        ("https://user@h", "holds credentials"),
        ("https://:pass@h", "holds credentials"),
        ("https://h?x=1", "a query"),
    ],
)
def test_urls_that_are_refused(url, words):
    with pytest.raises(BluxConfigError, match=words):
        checked_url(url, "host")


def test_a_request_without_a_connection_does_not_leave():
    told = []
    access = Access(api="application", url="http://127.0.0.1:1", application="a", key="k")
    with BluxClient({"application": access}) as api, pytest.raises(BluxUnavailable):
        api.send(request_of(UPSERT, [USER]), on_leaving=lambda: told.append(1), on_left=lambda: told.append(2))

    assert told == []


@pytest.mark.parametrize("proxy", ["socks5h://user:s3cr3t@127.0.0.1:1", "SOCKS4://127.0.0.1:1"])
def test_a_socks_proxy_is_refused_without_being_shown(blux, monkeypatch, proxy):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(BluxConfigError, match=r"only HTTP proxies are supported\. Name one in HTTPS_PROXY") as caught:
        send(blux, UPSERT, [USER])

    assert "127.0.0.1" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert not blux.requests()


def test_a_request_through_an_http_proxy_tells_when_it_leaves_and_has_left(blux, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", blux.url)  # which is none, and answers so
    told = []
    access = Access(api="application", url="http://elsewhere.invalid", application="a", key="k")
    with BluxClient({"application": access}) as api, pytest.raises(BluxRequestError, match="answered 404"):
        api.send(request_of(UPSERT, [USER]), on_leaving=lambda: told.append(1), on_left=lambda: told.append(2))

    assert told == [1, 2]

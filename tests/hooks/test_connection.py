"""The fields of an Airflow connection of type ``blux``, read from JSON or from a URI."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_blux.api.endpoints import Api, Operation
from airflow_provider_blux.exceptions import BluxConfigError
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.hooks.connection import Credentials

REFUSES_EXTRAS = version("apache-airflow").startswith(("2.", "3.0.", "3.1."))

SECRET, OPEN_KEY = "s3cr3t-Key-41f", "0pen-Key-77b"
APPLICATION = {"login": "app", "password": SECRET}
OPEN = {"open_api_url": "https://event.example.com", "project_id": "p 1", "open_api_key": OPEN_KEY}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(connection: dict[str, Any] | str) -> Credentials:
        text = connection if isinstance(connection, str) else json.dumps({"conn_type": "blux", **connection})
        monkeypatch.setenv("AIRFLOW_CONN_CRM", text)
        return BluxHook("crm").credentials

    return read


def refused(read: Any, connection: dict[str, Any] | str) -> str:
    with pytest.raises(BluxConfigError) as raised:  # noqa: PT012 - some only where the API is used
        credentials = read(connection)
        for api in credentials.faults:
            credentials.api_for("upsert_users", api)
    said = str(raised.value)
    assert said.startswith("Connection crm: ")
    assert SECRET not in f"{said} {raised.value!r} {raised.value.__cause__!r}"
    assert OPEN_KEY not in said
    return said


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ({}, "https://api.blux.ai/prod"),
        ({"host": ""}, "https://api.blux.ai/prod"),
        ({"host": "  "}, "https://api.blux.ai/prod"),
        ({"host": "api.example.com"}, "https://api.example.com/prod"),
        ({"host": " api.example.com "}, "https://api.example.com/prod"),
        ({"host": "api.example.com", "port": 8443}, "https://api.example.com:8443/prod"),
        ({"host": "api.example.com", "port": 0}, "https://api.example.com/prod"),
        ({"host": "api.example.com", "schema": "stg"}, "https://api.example.com/stg"),
        ({"host": "api.example.com", "schema": "/stg/"}, "https://api.example.com/stg"),
        ({"host": "api.example.com", "schema": "https"}, "https://api.example.com/prod"),
        ({"host": "api.example.com", "schema": "HTTPS"}, "https://api.example.com/prod"),
        ({"host": "localhost", "schema": "HTTP"}, "http://localhost/prod"),
        ({"host": "api.example.com", "schema": "stg", "port": 8443}, "https://api.example.com:8443/stg"),
        ({"host": "api.example.com/stg"}, "https://api.example.com/stg"),
        ({"host": "api.example.com:8443/stg/"}, "https://api.example.com:8443/stg"),
        ({"host": "https://api.example.com/stg"}, "https://api.example.com/stg"),
        ({"host": "https://api.example.com/stg/"}, "https://api.example.com/stg"),
        ({"host": "https://api.example.com"}, "https://api.example.com"),
        ({"host": "https://api.example.com/stg", "port": 8443}, "https://api.example.com:8443/stg"),
        ({"host": "https://api.example.com:444/stg", "port": 8443}, "https://api.example.com:444/stg"),
        ({"host": "https://api.example.com/stg", "schema": "http"}, "https://api.example.com/stg"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8080}, "http://127.0.0.1:8080/prod"),
        ({"host": "localhost", "schema": "http"}, "http://localhost/prod"),
        ({"host": "http://127.0.0.1:8080/prod"}, "http://127.0.0.1:8080/prod"),
        ({"host": "http://localhost:8080"}, "http://localhost:8080"),
        ({"host": "http://[::1]:8080/prod"}, "http://[::1]:8080/prod"),
        ({"host": "http://[::1]/prod", "port": 8080}, "http://[::1]:8080/prod"),
    ],
)
def test_host_schema_and_port_make_the_url(read: Any, connection: dict[str, Any], url: str) -> None:
    assert read({**APPLICATION, **connection}).access["application"].url == url


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ({"host": "api.example.com", "port": 443}, "https://api.example.com/prod"),
        ({"host": "https://api.example.com/stg", "port": 443}, "https://api.example.com/stg"),
        ({"host": "https://api.example.com:443/stg/"}, "https://api.example.com/stg"),
        ({"host": "https://api.example.com:443"}, "https://api.example.com"),
        ({"host": "http://[::1]:80/prod"}, "http://[::1]/prod"),
        ({"host": "https://api.example.com:80/stg"}, "https://api.example.com:80/stg"),
        ({"host": "API.Example.com"}, "https://api.example.com/prod"),
        ({"host": "HTTPS://API.example.com/Stg"}, "https://api.example.com/Stg"),
        ({"host": "http://LOCALHOST:8080"}, "http://localhost:8080"),
    ],
)
def test_the_port_of_the_scheme_and_capitals_in_the_host_make_no_other_url(
    read: Any, connection: dict[str, Any], url: str
) -> None:
    assert read({**APPLICATION, **connection}).access["application"].url == url


def test_the_port_of_the_scheme_makes_no_other_url_of_the_open_api(read: Any) -> None:
    extra = {"open_api_url": "https://open.example.com:443/", "project_id": "p-1", "open_api_key": OPEN_KEY}

    assert read({"extra": extra}).access["open"].url == "https://open.example.com"


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (f"blux://app:{SECRET}@api.example.com:8443/stg", "https://api.example.com:8443/stg"),
        (f"blux://app:{SECRET}@api.example.com", "https://api.example.com/prod"),
        (f"blux://app:{SECRET}@", "https://api.blux.ai/prod"),
        (f"blux://app:{SECRET}@http%3A%2F%2F127.0.0.1%3A8080%2Fprod", "http://127.0.0.1:8080/prod"),
    ],
)
def test_a_connection_may_be_a_uri(read: Any, uri: str, url: str) -> None:
    access = read(uri).access["application"]

    assert (access.url, access.application, access.key) == (url, "app", SECRET)


def test_the_extras_of_a_uri_are_extras(read: Any) -> None:
    credentials = read(
        "blux:///?open_api_url=https%3A%2F%2Fevent.example.com&project_id=p&open_api_key=k-1234"
        "&rate_limits=%7B%22send_events%22%3A+5%7D&timeout=7"
    )

    assert credentials.access["open"].url == "https://event.example.com"
    assert (credentials.rate_limits, credentials.timeout) == ({"send_events": 5}, 7)


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({"host": "http://api.example.com/prod"}, "host (Application API URL) is plain http://"),
        ({"host": "api.example.com", "schema": "http"}, "host (Application API URL) is plain http://"),
        ({"host": "http://10.0.0.7/prod"}, "is plain http://"),
        ({"host": "http://localhost.example.com/prod"}, "is plain http://"),
        ({"host": "http://127.0.0.1.example.com/prod"}, "is plain http://"),
        ({"schema": "stg"}, "schema is set, but host (Application API URL) is empty. Write the whole URL into host"),
        (
            {"host": "https://api.example.com", "schema": "stg"},
            "schema is set, but host (Application API URL) is already a URL. Write",
        ),
        (
            {"host": "api.example.com/prod", "schema": "stg"},
            "schema is set, but host (Application API URL) is already a URL. Write",
        ),
        ({"host": "ftp://api.example.com"}, "is not an http(s) URL"),
        ({"host": "https://"}, "is not an http(s) URL"),
        ({"host": "https://api.example.com:port/prod"}, "is not a URL"),
        ({"host": f"https://app:{SECRET}@api.example.com"}, "holds credentials"),
        ({"host": f"https://api.example.com/prod?key={SECRET}"}, "holds credentials, a query"),
        ({"host": "https://api.example.com/prod#x"}, "holds credentials, a query or a fragment"),
        ({"host": "https://api.example.com/prod?"}, "holds credentials, a query or a fragment"),
        ({"host": "https://api.example.com/prod#"}, "holds credentials, a query or a fragment"),
        ({"login": None}, "password is set, but login (Application ID) is missing. Fill it in."),
        ({"login": ""}, "password is set, but login (Application ID) is missing. Fill it in."),
        ({"password": None}, "login is set, but password (Secret key) is missing. Fill it in."),
        ({"password": ""}, "login is set, but password (Secret key) is missing. Fill it in."),
        ({"login": " app"}, "login (Application ID) has whitespace around it"),
        ({"login": "app\n"}, "login (Application ID) has whitespace around it, or a line break"),
        ({"login": "a\u200bpp"}, "an invisible character in it. Copy it again"),
        ({"password": f"{SECRET}\n"}, "Copy it again"),
        ({"conn_type": "http"}, "is of type http; it must be of type blux"),
        ({"extra": "open_api_url"}, "extra is no JSON object"),
        ({"extra": "{'timeout': 5}"}, "extra is no JSON object"),
        ({"extra": '["timeout"]'}, "extra is no JSON object"),
        ({"extra": "5"}, "extra is no JSON object"),
        ({"extra": "[]"}, "extra is no JSON object"),
        ({"extra": "0"}, "extra is no JSON object"),
        ({"extra": "false"}, "extra is no JSON object"),
        ({"extra": json.dumps(json.dumps({"timeout": 5}))}, "extra is JSON inside a JSON string"),
        ({"password": f" {SECRET}"}, "Copy it again"),
        ({"password": f"{SECRET}키"}, "Copy it again"),
    ],
)
def test_a_wrong_application_api_names_the_field(read: Any, connection: dict[str, Any], words: str) -> None:
    if "extra" in connection and REFUSES_EXTRAS:
        pytest.skip("This Airflow itself refuses such an extra in an environment variable")
    assert words in refused(read, {**APPLICATION, **connection})


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"open_api_key": OPEN_KEY}, "open_api_url (Open API URL), project_id (Project ID) is missing. Fill it in."),
        ({**OPEN, "open_api_url": None}, "but open_api_url (Open API URL) is missing"),
        ({**OPEN, "project_id": ""}, "but project_id (Project ID) is missing"),
        ({**OPEN, "open_api_key": None}, "but open_api_key (Open API key) is missing"),
        ({**OPEN, "project_id": "p\n"}, "extra project_id (Project ID) has whitespace around it, or a line break"),
        ({**OPEN, "project_id": 5}, "extra project_id is of type int; it must be text"),
        ({**OPEN, "open_api_key": [OPEN_KEY]}, "extra open_api_key is of type list; it must be text"),
        ({"open_api_url": []}, "extra open_api_url is of type list; it must be text"),
        ({"project_id": False}, "extra project_id is of type bool; it must be text"),
        ({"receipt_key": 0}, "extra receipt_key is of type int; it must be text"),
        ({"receipt_key": "key\n"}, "extra receipt_key (Receipt key) has whitespace around it, or a line break"),
        ({"receipt_key": " "}, "extra receipt_key (Receipt key) has whitespace around it, or a line break"),
        ({"rate_limits": []}, "extra rate_limits must be an object"),
        ({"rate_limits": False}, "extra rate_limits must be an object"),
        ({"timeout": False}, "extra timeout must be a number of seconds above 0"),
        ({**OPEN, "open_api_key": f"{OPEN_KEY}\r\nX-Evil: 1"}, "Copy it again"),
        ({**OPEN, "open_api_url": "http://event.example.com"}, "extra open_api_url (Open API URL) is plain http://"),
        ({**OPEN, "open_api_url": "event.example.com"}, "extra open_api_url (Open API URL) is not an http(s) URL"),
        ({"api_key": OPEN_KEY}, "unknown extra api_key. Known are open_api_key, open_api_url, project_id, rate_limits"),
        ({"verify_ssl": True, "region": "kr"}, "unknown extra region, verify_ssl."),
        ({"rate_limits": 40}, "extra rate_limits must be an object with some of the keys upsert_users"),
        ({"rate_limits": "40"}, "extra rate_limits must be an object"),
        ({"rate_limits": "{upsert_users: 40}"}, "extra rate_limits must be an object"),
        ({"rate_limits": [40]}, "extra rate_limits must be an object"),
        ({"rate_limits": {"users": 40}}, "extra rate_limits must be an object"),
        ({"rate_limits": {"upsert_users": 0}}, "extra rate_limits[upsert_users] must be a number above 0"),
        ({"rate_limits": {"upsert_users": -1}}, "extra rate_limits[upsert_users] must be a number above 0"),
        ({"rate_limits": {"send_events": "40"}}, "extra rate_limits[send_events] must be a number above 0"),
        ({"rate_limits": {"send_events": True}}, "extra rate_limits[send_events] must be a number above 0"),
        ({"rate_limits": '{"send_events": NaN}'}, "extra rate_limits[send_events] must be a number above 0"),
        ({"timeout": 0}, "extra timeout must be a number of seconds above 0"),
        ({"timeout": -1}, "extra timeout must be a number of seconds above 0"),
        ({"timeout": "soon"}, "extra timeout must be a number of seconds above 0"),
        ({"timeout": "nan"}, "extra timeout must be a number of seconds above 0"),
        ({"timeout": "inf"}, "extra timeout must be a number of seconds above 0"),
        ({"timeout": 3_000_000}, "extra timeout must be a number of seconds above 0 and at most 86400"),
        ({"timeout": True}, "extra timeout must be a number of seconds above 0"),
        ({"timeout": [5]}, "extra timeout must be a number of seconds above 0"),
        ({"verify": False}, "Verification cannot be switched off"),
        ({"verify": "false"}, "Verification cannot be switched off"),
        ({"verify": 0}, "Verification cannot be switched off"),
        ({"verify": "/no/such/bundle.pem"}, "extra verify names no file here"),
        ({"verify": f"-----BEGIN CERTIFICATE-----{'A' * 1200}"}, "extra verify names no file here"),
    ],
)
def test_a_wrong_extra_is_named(read: Any, extra: dict[str, Any], words: str) -> None:
    assert words in refused(read, {**APPLICATION, "extra": extra})


def test_half_of_an_api_is_an_error_only_where_that_api_is_used(read: Any) -> None:
    half_open = read({**APPLICATION, "extra": {"open_api_key": OPEN_KEY}})
    half_application = read({"login": "app", "extra": OPEN})

    assert half_open.api_for("upsert_users", None) == "application"
    assert half_application.api_for("send_events", None) == half_application.api_for("upsert_users", "open") == "open"
    for credentials, operation, missing in (
        (half_open, "send_events", "open_api_url"),
        (half_application, "upsert_users", "password"),
        (read({"extra": {"project_id": "p"}}), "upsert_users", "open_api_url"),
    ):
        with pytest.raises(BluxConfigError, match=rf"^Connection crm: .* is set, but {missing} .*missing"):
            credentials.api_for(operation, None)


@pytest.mark.parametrize("fields", [{**APPLICATION, "extra": {"project_id": "p"}}, {"login": "app", "extra": OPEN}])
def test_half_of_an_api_fails_the_connection_test(read: Any, fields: dict[str, Any]) -> None:
    read(fields)

    works, said = BluxHook("crm").test_connection()
    assert not works
    assert " is set, but " in said
    assert not said.startswith("Connection")


def test_a_connection_without_a_type_is_taken(read: Any) -> None:
    assert "application" in read({**APPLICATION, "conn_type": ""}).access


@pytest.mark.parametrize("extra", ["", "{}", "null", '""'])
def test_no_extra_is_an_empty_one(read: Any, extra: str) -> None:
    if extra in ("null", '""') and REFUSES_EXTRAS:
        pytest.skip("This Airflow itself refuses such an extra in an environment variable")
    assert read({**APPLICATION, "extra": extra}) == read(APPLICATION)


def test_what_the_form_leaves_empty_is_unset(read: Any) -> None:
    names = ("open_api_url", "project_id", "open_api_key", "rate_limits", "timeout", "verify")

    for nothing in (None, ""):
        assert read({**APPLICATION, "extra": dict.fromkeys(names, nothing)}) == read(APPLICATION)


def test_extras_are_read_as_the_test_button_of_airflow_2_11_sends_them(read: Any) -> None:
    doubled = OPEN | {f"extra__blux__{name}": value for name, value in OPEN.items()}

    assert read({"extra": doubled}).access == read({"extra": OPEN}).access
    assert "unknown extra region" in refused(read, {"extra": {"extra__blux__region": "kr"}})


def test_extras_are_read(read: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates", "utf-8")

    credentials = read({"extra": {**OPEN, "rate_limits": {"send_events": 2.5}, "timeout": 5, "verify": str(bundle)}})

    assert credentials.access["open"].url == "https://event.example.com"
    assert credentials.access["open"].application == "p 1"
    assert credentials.rate_limits == {"send_events": 2.5}
    assert (credentials.timeout, credentials.verify) == (5.0, str(bundle))


def test_rate_limits_may_be_json_text_and_a_null_among_them_is_unset(read: Any) -> None:
    for limits in ({"upsert_users": 40, "send_events": None}, '{"upsert_users": 40, "send_events": null}'):
        assert read({**APPLICATION, "extra": {"rate_limits": limits}}).rate_limits == {"upsert_users": 40}


def test_whitespace_around_the_open_api_url_is_no_part_of_it(read: Any) -> None:
    credentials = read({"extra": {**OPEN, "open_api_url": " https://event.example.com "}})

    assert credentials.access["open"].url == "https://event.example.com"


def test_each_operation_may_have_a_rate_limit(read: Any) -> None:
    limits = dict.fromkeys(get_args(Operation), 40)

    assert read({**APPLICATION, "extra": {"rate_limits": limits}}).rate_limits == limits


def test_a_timeout_may_be_text_and_verify_true_is_the_default(read: Any) -> None:
    credentials = read({**APPLICATION, "extra": {"timeout": "7.5", "verify": True}})

    assert (credentials.timeout, credentials.verify) == (7.5, None)


def test_no_secret_is_in_a_repr(read: Any) -> None:
    credentials = read({**APPLICATION, "extra": OPEN})
    with BluxHook("crm").get_conn() as client:
        shown = f"{credentials!r} {credentials.access!r} {client!r} {client.access!r}"

    assert "app" in shown
    assert SECRET not in shown
    assert OPEN_KEY not in shown


def test_both_secrets_are_masked_in_the_task_log(read: Any) -> None:
    read({"login": "app", "password": "m4sk-Me-1", "extra": {**OPEN, "open_api_key": "m4sk-Me-2"}})

    assert redact("keys m4sk-Me-1 and m4sk-Me-2") == "keys *** and ***"


@pytest.mark.parametrize("operation", get_args(Operation))
@pytest.mark.parametrize("has", [("application",), ("open",), ("application", "open")], ids="+".join)
@pytest.mark.parametrize("wanted", [None, "application", "open"])
def test_the_api_is_the_wanted_one_or_the_first_with_credentials(
    read: Any, operation: Operation, has: tuple[Api, ...], wanted: Api | None
) -> None:
    credentials = read({**(APPLICATION if "application" in has else {}), "extra": OPEN if "open" in has else {}})
    offering = ("application", "open") if operation in ("upsert_users", "delete_users") else ("open",)
    expected = [api for api in ((wanted,) if wanted else offering) if api in has]

    if expected:
        assert credentials.api_for(operation, wanted) == expected[0]
    else:
        with pytest.raises(BluxConfigError, match=f"^Connection crm has no credentials for {operation}. Fill in "):
            credentials.api_for(operation, wanted)


def test_missing_credentials_name_every_field_that_would_do(read: Any) -> None:
    with pytest.raises(BluxConfigError) as raised:
        read({}).api_for("upsert_users", None)

    assert str(raised.value) == (
        "Connection crm has no credentials for upsert_users. Fill in login (Application ID) and password (Secret key) "
        "for the application API, or the extras open_api_url, project_id and open_api_key for the open API."
    )

"""Tests the credentials of a connection at each API without storing anything.

Neither API has a read-only request, so the test sends an update with an empty list of users, which cannot create,
change or delete anything. If the API accepts the update, or refuses only its empty list (400 or 422), the credentials
are valid. This holds only if the API refuses wrong credentials. So the test first sends a made-up key, which must be
refused. A host that accepts any key, or is not Blux, fails this step and never receives the real key.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from airflow_provider_blux.api.auth import Access
from airflow_provider_blux.api.client import NOT_FOUND, PROXIES, BluxClient, Request
from airflow_provider_blux.api.endpoints import APIS, Api, endpoints_for
from airflow_provider_blux.exceptions import (
    BluxApiError,
    BluxAuthError,
    BluxConfigError,
    BluxError,
    BluxRequestError,
)
from airflow_provider_blux.hooks.connection_form import CONN_FIELDS, RELABELING

MADE_UP_KEY = "made-up-by-the-connection-test"
# Labels of the connection form for the URL, the id and the key of each API.
_URL: dict[Api, str] = {"application": RELABELING["host"], "open": CONN_FIELDS["open_api_url"]["label"]}
_ID: dict[Api, str] = {"application": RELABELING["login"], "open": CONN_FIELDS["project_id"]["label"]}
_KEY: dict[Api, str] = {"application": RELABELING["password"], "open": CONN_FIELDS["open_api_key"]["label"]}
_WITHOUT: dict[Api, str] = {
    "application": "not filled in, so users and deletions go to the Open API",
    "open": "not filled in, so events and devices cannot be sent",
}


def probe(client: BluxClient) -> tuple[bool, str]:
    """Return whether all APIs with credentials accept them, and a message with the result for each API.

    The result is ``False`` if there are no credentials at all.
    """
    found = {api: _probed(client, api) for api in APIS if api in client.access}
    if not found:
        fields = ", or ".join(f"{_ID[api]} and {_KEY[api]} for the {api.capitalize()} API" for api in APIS)
        return False, f"No credentials of either API. Fill in {fields}."
    words = {api: found[api][1] if api in found else f": {_WITHOUT[api]}" for api in APIS}
    message = " ".join(f"{api.capitalize()} API{words[api]}." for api in APIS)
    return all(works for works, _ in found.values()), message


def _probed(client: BluxClient, api: Api) -> tuple[bool, str]:
    """Return whether an API accepts its credentials, and the result as text to be put behind the name of the API."""
    access = client.access[api]
    at = f" ({urlsplit(access.url).netloc})"
    answer = _answer(client, api, replace(access, key=MADE_UP_KEY))
    if not isinstance(answer, BluxAuthError):
        return False, f"{at}: {_unlike_blux(answer, api)}"
    answer = _answer(client, api, access)
    if isinstance(answer, BluxAuthError):
        return False, f"{at}: the credentials are refused ({answer.status}). Check {_ID[api]} and {_KEY[api]}"
    if answer is None or _is_about_the_list(answer):
        return True, f"{at}: the credentials are accepted"
    return False, f"{at}: {_way_out(answer, api)}"


def _answer(client: BluxClient, api: Api, access: Access) -> BluxError | None:
    """Send an update with an empty list of users; return the error, or ``None`` if it was accepted."""
    with BluxClient({api: access}, timeout=client.timeout, verify=client.verify, pool_size=1) as sender:
        try:
            endpoint = endpoints_for("upsert_users", api)[0]
            sender.send(Request(endpoint, endpoint.body([])))
        except BluxError as error:
            return error
    return None


def _is_about_the_list(answer: BluxError) -> bool:
    return isinstance(answer, BluxRequestError) and answer.status in (400, 422)


def _unlike_blux(answer: BluxError | None, api: Api) -> str:
    """Return the message for an API that did not refuse the test's made-up key, although Blux would refuse it.

    :param answer: the error that the API answered with, which is not about the key; ``None`` if it accepted the key.
    """
    if answer is None:
        return f"a made-up key is accepted, so this is not Blux; yours was not sent. Check {_URL[api]}"
    if _is_about_the_list(answer):
        return (
            "reached, but a made-up key is not refused, so your key cannot be tested and was not sent. "
            f"Check {_URL[api]}; if it is right, test with a task that sends one record"
        )
    return _way_out(answer, api)


def _way_out(answer: BluxError, api: Api) -> str:
    said = str(answer).removesuffix(".")
    if isinstance(answer, BluxConfigError):  # its message already says what to check
        return said
    if isinstance(answer, BluxRequestError):
        said = said.removesuffix(NOT_FOUND[api].removesuffix(".")).rstrip(" .")
        return f"{said}. Check {_URL[api]} and {_ID[api]}"
    if isinstance(answer, BluxApiError) and answer.status is not None:
        return f"{said}. So the credentials could not be tested: test again later"
    if said.endswith(PROXIES):
        return said
    return (
        f"{said.partition('. Check ')[0]}. Check {_URL[api]}, and whether the machine that runs this test may reach it"
    )

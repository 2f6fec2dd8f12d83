"""The test of a connection: what each API says to the credentials, found out without storing anything.

Neither API has a request that only reads, so an update of no users at all is sent: there is nothing in it to create,
change or delete, whatever the API makes of it. Accepted or refused as such (400), it shows that the credentials passed;
but only where other credentials do not. So a made-up key goes first, and must be refused. A host that takes any key,
or that is not Blux, is found out by that, and never sees the true one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from airflow_provider_blux.api.endpoints import APIS, Api, endpoints_for
from airflow_provider_blux.exceptions import (
    BluxApiError,
    BluxAuthError,
    BluxConfigError,
    BluxError,
    BluxRequestError,
)
from airflow_provider_blux.hooks.connection_form import CONN_FIELDS, RELABELING

if TYPE_CHECKING:
    from airflow_provider_blux.api.auth import Access
    from airflow_provider_blux.api.client import BluxClient

MADE_UP_KEY = "made-up-by-the-connection-test"
# How the form calls what reaches and opens each API.
_URL: dict[Api, str] = {"application": RELABELING["host"], "open": CONN_FIELDS["open_api_url"]["label"]}
_ID: dict[Api, str] = {"application": RELABELING["login"], "open": CONN_FIELDS["project_id"]["label"]}
_KEY: dict[Api, str] = {"application": RELABELING["password"], "open": CONN_FIELDS["open_api_key"]["label"]}
_WITHOUT: dict[Api, str] = {
    "application": "not filled in, so users and deletions go to the Open API",
    "open": "not filled in, so events and devices cannot be sent",
}


class Finding(NamedTuple):
    """What was found out about one API."""

    works: bool
    words: str


def probe(client: BluxClient) -> tuple[bool, str]:
    """Return whether every API that the client has credentials for accepts them, and what was found for each API."""
    found = {api: _probed(client, api) for api in APIS if api in client.access}
    if not found:
        fields = ", or ".join(f"{_ID[api]} and {_KEY[api]} for the {api.capitalize()} API" for api in APIS)
        return False, f"No credentials of either API. Fill in {fields}."
    words = [f"{api.capitalize()} API{found[api].words if api in found else f': {_WITHOUT[api]}'}." for api in APIS]
    return all(finding.works for finding in found.values()), " ".join(words)


def _probed(client: BluxClient, api: Api) -> Finding:
    access = client.access[api]
    at = f" ({urlsplit(access.url).netloc})"
    answer = _answer(client, api, access.with_key(MADE_UP_KEY))
    if not isinstance(answer, BluxAuthError):
        return Finding(False, f"{at}: {_unlike_blux(answer, api)}")
    answer = _answer(client, api, access)
    if isinstance(answer, BluxAuthError):
        return Finding(False, f"{at}: the credentials are refused ({answer.status}). Check {_ID[api]} and {_KEY[api]}")
    if answer is None or _is_about_the_list(answer):
        return Finding(True, f"{at}: the credentials are accepted")
    return Finding(False, f"{at}: {_way_out(answer, api)}")


def _answer(client: BluxClient, api: Api, access: Access) -> BluxError | None:
    """Send an update of no users; return what came instead of an acceptance."""
    from airflow_provider_blux.api.client import BluxClient, Request

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
    """Say what the answer to a made-up key means, other than its refusal."""
    if answer is None:
        return f"a made-up key is accepted, so this is not Blux; yours was not sent. Check {_URL[api]}"
    if _is_about_the_list(answer):
        return (
            "reached, but a made-up key is not refused, so nothing can be told of yours, which was not sent. "
            f"Check {_URL[api]}; if it is right, a task with one record will tell"
        )
    return _way_out(answer, api)


def _way_out(answer: BluxError, api: Api) -> str:
    said = str(answer).removesuffix(".")
    if isinstance(answer, BluxConfigError):  # says it itself
        return said
    if isinstance(answer, BluxRequestError):
        from airflow_provider_blux.api.client import NOT_FOUND

        said = said.removesuffix(NOT_FOUND[api].removesuffix(".")).rstrip(" .")
        return f"{said}. Check {_URL[api]} and {_ID[api]}"
    if isinstance(answer, BluxApiError) and answer.status is not None:
        return f"{said}. That tells nothing of the credentials: test again later"
    return (
        f"{said.partition('. Check ')[0]}. Check {_URL[api]}, and whether the machine that runs this test may reach it"
    )

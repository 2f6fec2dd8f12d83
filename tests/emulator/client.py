"""A simple HTTP client of the emulator. It uses no code of the package, so it does not share its mistakes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests

from airflow_provider_blux.emulator import Emulator

USERS = "/prod/v2/applications/demo-app/users/update-properties/bulk"
DELETE_USERS = "/prod/v2/applications/demo-app/users/delete/bulk"
PROFILES = "/v1/api/profile/user"
EVENTS = "/v1/api/events"
DELETE_PROFILE = "/v1/api/profile/user/deletion-job"
DELETE_PROFILES = "/v1/api/profile/user/deletion-job/bulk"
DEVICES = "/v1/api/profile/user/device/bulk"

# A valid body of one record for each endpoint.
VALID: dict[str, dict[str, Any]] = {
    USERS: {"users": [{"user_id": "u-1"}]},
    DELETE_USERS: {"user_ids": ["u-1"]},
    PROFILES: {"profiles": [{"user_id": "u-1"}]},
    EVENTS: {"events": [{"name": "purchase", "user_id": "u-1"}]},
    DELETE_PROFILE: {"user_id": "u-1"},
    DELETE_PROFILES: {"user_ids": ["u-1"]},
    DEVICES: {"devices": [{"device_id": "d-1", "user_id": "u-1"}]},
}

NOTHING = {"users": 0, "profiles": 0, "events": 0, "devices": 0, "deleted_users": 0, "deleted_profiles": 0}


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition that another thread fulfils; pytest's time limit ends an endless wait."""
    waiting = threading.Event()
    while not condition():
        waiting.wait(0.01)


class Client:
    """Sends requests to the emulator, by default with the right credentials."""

    def __init__(self, blux: Emulator) -> None:
        self._url = blux.url
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def post(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        opened = path.startswith("/v1/")
        headers = {"Authorization": "Bearer demo-open-api-key" if opened else "demo-secret-key"}
        options["headers"] = {**headers, **options.get("headers", {})}
        options.setdefault("params", {"project_id": "demo-project"} if opened else None)
        return self._session.post(f"{self._url}{path}", json=json, **{"timeout": 10, **options})

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, f"{self._url}{path}", timeout=10, **options)

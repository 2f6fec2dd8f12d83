"""``test_connection``, which is what the Test button calls: it proves the credentials and stores nothing."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook


def test_the_test_button_proves_both_apis_and_stores_nothing(blux_emulator: Emulator) -> None:
    works, words = BluxHook().test_connection()

    assert works
    assert words == "Application API: the credentials are accepted. Open API: the credentials are accepted."
    assert set(blux_emulator.counts().values()) == {0}
    assert [(request["api"], request["operation"], request["status"]) for request in blux_emulator.requests()] == [
        ("application", "upsert_users", 400),
        ("open", "upsert_users", 400),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"password": "wrong-key-1"},
            "Application API: the credentials are refused (401). Open API: the credentials are",
        ),
        ({"extra": {"open_api_key": "wrong-key-1"}}, "accepted. Open API: the credentials are refused (401)."),
        ({"login": "other-app"}, "Application API: "),
        ({"extra": {"open_api_url": None}}, "open_api_url (Open API URL) is missing"),
        ({"extra": {"region": "kr"}}, "unknown extra region"),
        (
            {
                "password": None,
                "login": None,
                "extra": {"open_api_url": None, "project_id": None, "open_api_key": None},
            },
            "Connection blux_default holds no credentials of either API.",
        ),
    ],
)
def test_the_test_button_says_what_is_wrong(
    blux_emulator: Emulator, connect: Any, fields: dict[str, Any], words: str
) -> None:
    connect(**fields)

    works, said = BluxHook().test_connection()

    assert not works
    assert words in said
    assert "wrong-key-1" not in said
    assert set(blux_emulator.counts().values()) == {0}


def test_the_test_button_says_that_the_url_leads_elsewhere(blux_emulator: Emulator, connect: Any) -> None:
    connect(host=f"{blux_emulator.url}/elsewhere")

    works, said = BluxHook().test_connection()

    assert not works
    assert said.startswith("Application API: Blux answered 404")
    assert "Check the URL." in said


def test_the_test_button_says_that_nobody_answers(connect: Any) -> None:
    with Emulator() as gone:
        url = gone.url
    connect(host=f"{url}/prod")

    works, said = BluxHook().test_connection()

    assert not works
    assert said.startswith("Application API: No connection")
    assert said.endswith("Open API: the credentials are accepted.")

"""docs/connection.md is correct, and its pictures of Airflow are those that the script takes."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.api.client import CONNECT_TIMEOUT, READ_TIMEOUT
from airflow_provider_blux.api.endpoints import ENDPOINTS, OPERATIONS
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks import connection_form
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.hooks.connection_test import MADE_UP_KEY
from tests.airflow.browser.pictures import LARGEST, PICTURES
from tests.docs.readme import ROOT, Readme, names

if TYPE_CHECKING:
    import pytest

PAGE = Readme("docs/connection.md")


def test_the_table_has_the_fields_of_the_form_under_their_labels() -> None:
    shown = {names(row[1])[0]: row[0] for row in PAGE.table_of("host")}

    labels = connection_form.RELABELING | {name: field["label"] for name, field in connection_form.CONN_FIELDS.items()}
    assert shown == labels | {"port": "Port"}
    assert f"`{connection_form.APPLICATION_API_URL}` when empty" in PAGE.prose
    assert (READ_TIMEOUT, CONNECT_TIMEOUT) == (30, 10)


def test_the_sections_of_the_form_are_named() -> None:
    for section in {field["schema"]["section"] for field in connection_form.CONN_FIELDS.values()}:
        assert f"*{section}*" in PAGE.prose


def credentials_of(connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))
    return BluxHook().credentials


def test_the_connection_is_the_same_on_the_command_line_in_a_variable_and_in_the_plain_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command, variable = (block.code for block in PAGE.code("bash"))
    plain = next(block.code for block in PAGE.code("json") if "open_api_url" in block.code)
    connection = json.loads(variable.partition("=")[2].strip().strip("'"))
    words = shlex.split(command.replace("\\\n", " "))
    given = dict(zip(words[4::2], words[5::2], strict=True))

    assert set(credentials_of(connection, monkeypatch).access) == {"application", "open"}
    assert connection["extra"] == json.loads(given["--conn-extra"]) == json.loads(plain)
    assert (given["--conn-login"], given["--conn-password"]) == (connection["login"], connection["password"])


def test_the_rates_are_by_operation_and_the_published_ones_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = next(json.loads(block.code) for block in PAGE.code("json") if "open_api_url" not in block.code)

    assert credentials_of({"conn_type": "blux", "extra": {"rate_limits": rates}}, monkeypatch).rate_limits == rates
    assert all(f"`{operation}`" in PAGE.prose for operation in OPERATIONS)
    assert {(row.operation, row.max_rate) for row in ENDPOINTS if row.api == "application"} == {
        ("upsert_users", 20),
        ("delete_users", 100),
    }
    assert {row.max_rate for row in ENDPOINTS if row.api == "open"} == {20}


def test_the_test_says_what_is_shown(blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = blux_emulator.connection()
    connection["extra"]["open_api_key"] = "another-key"
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))
    _, said = BluxHook().test_connection()
    here = blux_emulator.url.removeprefix("http://")

    assert said.replace(here, "api.blux.ai", 1).replace(here, "OPEN_API_HOST") == PAGE.code("text")[0].code.rstrip()
    assert f"`{MADE_UP_KEY}`" in PAGE.prose


def test_every_picture_of_airflow_is_taken_by_the_script_and_small() -> None:
    taken = {name: (ROOT / "docs" / "images" / f"{name}.png").stat().st_size for name in PICTURES}

    assert max(taken.values()) <= LARGEST

"""The pages on deletions, receipts, consents and privacy are correct."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.delivery.settings import MAX_USERS
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators import blux as operators
from airflow_provider_blux.receipts import KEY_VARIABLE
from airflow_provider_blux.records.fields import CONSENTS
from tests.docs.readme import ROOT, Readme, names

DELETION, CONSENT = Readme("docs/deletion.md"), Readme("docs/consents.md")
RECEIPTS, PRIVACY = Readme("docs/receipts.md"), Readme("docs/privacy.md")
KEY = "a receipt key"


@pytest.fixture
def receipts(blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The receipts of a deletion."""
    connection = blux_emulator.connection()
    connection["extra"]["receipt_key"] = KEY
    monkeypatch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", json.dumps(connection))
    BluxHook().delete_users(["00123", "b"], receipts_path=str(tmp_path))
    return tmp_path


def test_the_table_of_a_receipt_names_every_field_in_its_order(receipts: Path) -> None:
    [file] = receipts.iterdir()
    shown = [name for row in RECEIPTS.table_of("sequence") for name in names(row[0])]

    assert shown == list(json.loads(file.read_text()))


@pytest.mark.slow
def test_the_commands_verify(receipts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export, *commands = RECEIPTS.code("bash")[0].code.splitlines()
    monkeypatch.setenv(KEY_VARIABLE, KEY)

    assert export == f"export {KEY_VARIABLE}=..."
    assert len(commands) == 2
    for command in commands:
        words = [str(receipts) if word == "PATH" else word for word in command.split()]
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=True)  # noqa: S603
        assert "VERIFIED: no receipt was changed" in done.stdout
    assert _without_names(RECEIPTS.code("text")[0].code) == _without_names(done.stdout)


def _without_names(said: str) -> str:
    """Return the output of the command without times and names of files and runs."""
    return re.sub(r"^\S+: (?=accepted|receipts)|(?<=\(200\), ).*", "", said, flags=re.MULTILINE)


@pytest.mark.parametrize("page", [DELETION, CONSENT], ids=["deletion", "consents"])
def test_the_snippets_make_the_tasks_that_they_show(page: Readme) -> None:
    for block in page.code("python"):
        shown: dict[str, Any] = {}
        exec(f"task = {block.code}", vars(operators).copy(), shown)  # noqa: S102 - the docs' own text

        assert type(shown["task"]).__name__ in operators.__all__


def test_the_six_consents_are_named() -> None:
    shown = {name for row in CONSENT.table_of("marketing_notification_consent") for name in names(row[0])}

    assert shown == set(CONSENTS)


def test_the_guard_is_the_one_of_the_code() -> None:
    assert f"{MAX_USERS:,}" in DELETION.prose


@pytest.mark.parametrize("page", [DELETION, CONSENT, PRIVACY], ids=["deletion", "consents", "privacy"])
def test_every_file_that_is_named_exists(page: Readme) -> None:
    named = [code for code in page.inline_code if code.startswith(("tests/", "example_dags/"))]
    linked = [link for link in page.links if "://" not in link]

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [link for link in linked if not (ROOT / "docs" / link.partition("#")[0]).exists()] == []

"""The package gives every message in docs/troubleshooting.md, word by word."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_blux import exceptions
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxApiError, BluxError, BluxRecordError
from tests.docs.readme import Readme
from tests.docs.said import PROVOCATIONS, Scene

PAGE = Readme("docs/troubleshooting.md")
MESSAGES = [block.code.rstrip("\n") for block in PAGE.code("text")]
# Reasons of rejected records: raised for one, said of many.
INSIDE_OTHERS = {BluxError, BluxApiError, BluxRecordError}


def pattern(message: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(part) for part in message.split("…")), re.DOTALL)


def provoked_by(message: str) -> str:
    [beginning] = [key for key in PROVOCATIONS if message.startswith(key)]
    return beginning


@pytest.fixture
def scene(
    blux_emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> Scene:
    caplog.set_level("INFO")
    return Scene(blux_emulator, tmp_path, monkeypatch, caplog, capsys)


def said_in(scene: Scene, beginning: str) -> tuple[str, set[type[BaseException]]]:
    """Return all messages, and the classes of the errors."""
    raised: BaseException | None = None
    returned = None
    try:
        returned = PROVOCATIONS[beginning](scene)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        raised = error
    classes: set[type[BaseException]] = set()
    words = [str(returned)]
    while raised is not None:
        classes.add(type(raised))
        words.append(str(raised))
        raised = raised.__cause__ or raised.__context__
    # The log of an operator does not pass by pytest: Airflow prints it.
    return "\n".join([*words, scene.log.text, *scene.out.readouterr()]), classes


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_is_said(scene: Scene, message: str) -> None:
    said, _ = said_in(scene, provoked_by(message))

    assert pattern(message).search(said), said


def test_every_provocation_is_for_a_message_of_the_page() -> None:
    assert {provoked_by(message) for message in MESSAGES} == set(PROVOCATIONS)
    assert len(MESSAGES) == len(set(MESSAGES)) == len(PROVOCATIONS)


@pytest.mark.slow
def test_every_class_of_error_has_a_message_on_the_page(scene: Scene) -> None:
    classes = {kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, BluxError)}
    found: set[type[BaseException]] = set()
    for beginning in PROVOCATIONS:
        if found >= classes - INSIDE_OTHERS:
            break
        scene.blux.reset()
        scene.connect()
        found |= said_in(scene, beginning)[1]

    assert classes - INSIDE_OTHERS <= found


def test_airflow_says_that_testing_connections_is_disabled() -> None:
    from airflow.cli.commands import connection_command

    [words] = [code for code in PAGE.inline_code if code.startswith("Testing connections")]
    assert words in inspect.getsource(connection_command)

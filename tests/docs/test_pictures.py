"""The drawings in docs/images are correct, and they need no other files."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import pytest

from airflow_provider_blux.delivery.report import OUTCOMES, Report
from airflow_provider_blux.operators import blux
from tests.docs.readme import ROOT

IMAGES = ROOT / "docs" / "images"
DRAWINGS = sorted(IMAGES.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


def words(name: str, style: str | None = None) -> list[str]:
    """Return the texts of a drawing from top to bottom, all of them or those of one style."""
    found = ElementTree.parse(IMAGES / name).iter(f"{SVG}text")  # noqa: S314 - our own file
    return [text.text or "" for text in found if style is None or text.get("class", "") == style]


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.name)
def test_a_drawing_is_told_to_those_who_do_not_see_it_and_fetches_nothing(drawing: Path) -> None:
    root = ElementTree.parse(drawing).getroot()  # noqa: S314
    text = drawing.read_text("utf-8")

    assert all((root.findtext(f"{SVG}{part}") or "").strip() for part in ("title", "desc"))
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://\S+", text) == ['http://www.w3.org/2000/svg"']


def test_the_report_is_one_that_an_operator_returns() -> None:
    report = json.loads(" ".join(words("report.svg", "code")))

    assert list(report) == [field.name for field in fields(Report)]
    assert Report(**report).adds_up()
    assert report["records_per_second"] == round((report["read"] - report["resumed"]) / report["seconds"], 1)
    numbers = [f"{report[outcome]:,}" for outcome in OUTCOMES]
    assert f"{' + '.join(numbers)} = {report['read']:,}:" in words("report.svg")


def test_the_flow_has_every_stage_and_every_outcome() -> None:
    said = words("record-flow.svg")
    stages = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("Data flows one way, ")[2].partition(",")[0]

    assert [word for word in said if word in stages.split(" → ")] == stages.split(" → ")
    assert set(said) & {*OUTCOMES} == {*OUTCOMES}


def test_the_drawings_name_arguments_that_exist() -> None:
    known = {
        name for operator in blux.__all__ for kind in getattr(blux, operator).__mro__
        for name in inspect.signature(kind).parameters
    }  # fmt: skip
    named = {name for drawing in DRAWINGS for name in re.findall(r"\b[a-z]+_path\b", " ".join(words(drawing.name)))}

    assert {"rejects_path", "receipts_path", "checkpoint_path"} <= named <= known

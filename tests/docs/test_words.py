"""Plain technical English: words that the field does not use are in no page, example or changelog."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.readme import ROOT

# What is written instead, where a word is found.
INSTEAD = {
    r"rehears\w*": "dry run",
    r"mend(?:s|ed|ing)?": "fix",
    r"account (?:does not )?closes?": "the counts add up",
    r"slips? of the pen": "typo",
    r"black(?:s|ed)? out": "redact",
    r"hardly (?:meant|what anybody means)": "probably unintended",
    r"crews?": "thread pool",
    r"first in line": "leader",
    r"whoever|whomever": "the person who, or the name of the role",
    r"anew|afresh": "again, new",
    r"lest": "so that ... not",
    r"is none of": "is not one of",
    r"on its own account": "by itself",
    r"as of old": "as before",
    r"the erased": "deleted users",
    r"goes on where|go(?:es)? on from": "continues",
    "예행연습": "dry run",
    "말썽": "오류",
    "지어내\\w*": "임의로 만들다",
}
FORBIDDEN = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)

PACKAGE = ROOT / "airflow_provider_blux"
_MESSAGES = re.compile(r"^```text\n.*?^```$", re.DOTALL | re.MULTILINE)


def _pages() -> list[Path]:
    at_the_root = [ROOT / name for name in ("README.md", "README.ko.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile")]
    below = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.svg"), *(ROOT / "example_dags").rglob("*.py")]
    project = [*(ROOT / ".github").rglob("*.md"), *(ROOT / ".github").rglob("*.yml")]
    return sorted([*at_the_root, *below, *project])


def _found(path: Path) -> list[str]:
    # The messages on a page are those of the code, and are looked for there.
    return FORBIDDEN.findall(_MESSAGES.sub("", path.read_text("utf-8")))


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_none_of_the_words(page: Path) -> None:
    assert _found(page) == []


def test_no_file_of_the_package_has_them() -> None:
    files = [path for kind in ("*.py", "*.html", "*.js", "*.lua") for path in PACKAGE.rglob(kind)]

    assert [str(path.relative_to(PACKAGE)) for path in files if _found(path)] == []


def test_the_list_finds_the_words() -> None:
    said = "Whoever rehearses mends a slip of the pen, and the account closes anew."

    assert len(FORBIDDEN.findall(said)) == 6

"""The pages of the site: they exist, are linked, and each operator's page agrees with the code."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_blux.api.endpoints import ENDPOINTS
from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.operators import blux
from airflow_provider_blux.records.fields import CONSENTS
from example_dags.demo.__main__ import STEPS
from tests.docs.readme import ROOT, Readme, names

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OPERATORS = {
    "users": blux.BluxUpsertUsersOperator,
    "deletions": blux.BluxDeleteUsersOperator,
    "events": blux.BluxSendEventsOperator,
    "devices": blux.BluxUpdateDevicesOperator,
}
# Where the example DAG of each kind of record is.
GUIDES = {
    "users": "nightly-sync.md",
    "deletions": "deletion.md",
    "events": "send-events.md",
    "devices": "operators/devices.md",
}
of_each_operator = pytest.mark.parametrize("name", OPERATORS)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def included(text: str) -> list[str]:
    return re.findall(r"^```\{(?:include|literalinclude)\} (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_and_picture_leads_somewhere_in_the_repository_too(page: Path) -> None:
    read = Readme(named(page))
    broken = []
    for link in [*read.links, *included(page.read_text("utf-8"))]:
        place, _, anchor = " ".join(link.split()).partition("#")
        if "://" in place:
            continue
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_in_the_contents() -> None:
    contents = "".join(block.code for block in Readme("docs/index.md").code("{toctree}"))
    entries = re.findall(r"^(?:.* <)?([a-z_-]+(?:/[a-z_-]+)?)>?$", contents, re.MULTILINE)
    pages = [str(page.relative_to(DOCS).with_suffix("")) for page in PAGES if page != DOCS / "index.md"]

    assert sorted(entries) == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_consent_in_an_example_has_the_name_of_a_field(page: Path) -> None:
    code = "".join(block.code for kind in ("python", "sql") for block in Readme(named(page)).code(kind))

    assert set(re.findall(r"\w+_consent\b", code)) <= set(CONSENTS)


# A list of messages, which grows with the package.
LONG = {"docs/troubleshooting.md"}
MAX_WORDS = 1_200


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_is_short_but_for_its_tables_and_code(page: Path) -> None:
    prose = re.sub(r"^\|.*$", "", Readme(named(page)).prose, flags=re.MULTILINE)

    assert len(prose.split()) <= MAX_WORDS or named(page) in LONG


# The words that a person from the field searches for, and the page that answers.
SOUGHT = {
    "dry run": "dry-run",
    "incremental": "queries",
    "dead letter": "replay-rejects",
    "replay": "replay-rejects",
    "encoding": "sources",
    "delimiter": "sources",
    "Snowflake": "snowflake",
    "BigQuery": "bigquery",
    "constraints": "installation",
    "Docker": "docker",
    "alert": "alerts",
    "backfill": "backfill",
    "rate limit": "share-the-rate",
    "metrics": "metrics",
    "retries": "pace",
    "tutorial": "tutorial",
}
BEGINNING = 12


@pytest.mark.parametrize("word", SOUGHT)
def test_a_topic_is_found_by_the_word_of_the_field(word: str) -> None:
    page = DOCS / f"{SOUGHT[word]}.md"
    text = page.read_text("utf-8")
    seen = [*text.splitlines()[:BEGINNING], *re.findall(r"^#+ .*$", text, re.MULTILINE)]

    assert word.lower() in " ".join(seen).lower().replace("-", " ")
    assert SOUGHT[word] in " ".join(Readme("docs/index.md").links)
    assert word.lower() in (DOCS / "index.md").read_text("utf-8").lower()


def test_every_picture_is_shown() -> None:
    shown = {Path(link).name for page in PAGES for link in Readme(named(page)).links if "images/" in link}

    assert {picture.name for picture in (DOCS / "images").iterdir()} == shown


@of_each_operator
def test_the_page_has_the_arguments_that_only_its_operator_has(name: str) -> None:
    page, operator = Readme(f"docs/operators/{name}.md"), OPERATORS[name]
    own = {
        argument: parameter.default
        for kind in operator.__mro__
        if kind.__module__ == blux.__name__
        for argument, parameter in inspect.signature(kind.__init__).parameters.items()
        if argument not in {"self", "kwargs"}
    }
    rows = page.table_of(operator.records_field)

    assert {names(row[0])[0]: names(row[1])[0].replace("_", "") for row in rows} == {
        argument: repr(default).replace("'", '"') for argument, default in own.items()
    }


@of_each_operator
def test_the_page_has_the_endpoints_of_its_operation(name: str) -> None:
    page, operator = Readme(f"docs/operators/{name}.md"), OPERATORS[name]
    shown = [
        (*names(row[0]), *names(row[1]), *(float(re.match(r"[\d,]+", cell)[0].replace(",", "")) for cell in row[2:]))  # type: ignore[index]
        for row in next(table for table in page.tables if len(table[0]) == 4)
    ]

    assert sorted(shown) == sorted(
        (row.api, row.path, row.max_records, row.max_rate) for row in ENDPOINTS if row.operation == operator.operation
    )


@of_each_operator
def test_the_example_of_its_guide_is_one_that_the_demo_runs(name: str) -> None:
    page = DOCS / GUIDES[name]
    examples = [page.parent / file for file in included(page.read_text("utf-8")) if file.endswith(".py")]

    assert examples
    assert {file.stem for file in examples} <= {step.dag_id for step in STEPS}
    for file in examples:
        assert OPERATORS[name].__name__ in file.read_text("utf-8")


def test_every_example_dag_is_on_a_page() -> None:
    shown = {Path(file).stem for page in PAGES for file in included(page.read_text("utf-8")) if file.endswith(".py")}

    assert shown == {step.dag_id for step in STEPS}


@of_each_operator
def test_the_record_on_the_page_is_valid(name: str, blux_emulator: Emulator) -> None:
    operator = OPERATORS[name]
    blocks = Readme(f"docs/operators/{name}.md").code("python")
    records = [ast.literal_eval(block.code) for block in blocks if block.code.startswith("{")]
    send = operator(task_id="send", validate_only=True, **{operator.records_field: records})

    assert send.execute({})["valid"] == len(records)

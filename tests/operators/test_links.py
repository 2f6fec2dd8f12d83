"""The URLs of the links of a task; a link has no URL rather than a wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxAuthError, BluxConfigError, BluxError
from airflow_provider_blux.get_provider_info import get_provider_info
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator
from airflow_provider_blux.operators.links import ERROR_PAGE, HEADINGS, OPERATOR_PAGES, console_url, documentation_url
from tests.docs.test_pages import anchors

DOCS = Path(__file__).parents[2] / "docs"
S3, GOOGLE = "https://s3.console.aws.amazon.com/s3", "https://console.cloud.google.com/storage/browser"
LINKS = BluxUpsertUsersOperator.operator_extra_links


class TaskInstance:
    """The parts of a task instance that an operator uses."""

    dag_id, run_id, task_id, map_index, try_number = "crm", "manual", "push", -1, 1

    def __init__(self, error: Exception | None = None) -> None:
        self.pushed: dict[str, str] = {}
        self._error = error

    def xcom_push(self, key: str, value: str) -> None:
        if self._error:
            raise self._error
        self.pushed[key] = value


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": {"region_name": "us-east-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS", json.dumps(connection))
    connection["extra"] = {"region_name": "us-east-1", "endpoint_url": "https://minio.example.com"}
    monkeypatch.setenv("AIRFLOW_CONN_MINIO", json.dumps(connection))


@pytest.mark.parametrize(
    ("files", "url"),
    [
        (["s3://aws@crm/rejects/a+b.jsonl"], f"{S3}/object/crm?prefix=rejects/a%2Bb.jsonl"),
        (["s3://crm/rejects/a+b.jsonl"], f"{S3}/object/crm?prefix=rejects/a%2Bb.jsonl"),
        (["s3://aws@crm/x/a.jsonl", "s3://aws@crm/x/b.jsonl"], f"{S3}/buckets/crm?prefix=x/"),
        (["gs://crm/rejects/a+b.jsonl"], f"{GOOGLE}/_details/crm/rejects/a%2Bb.jsonl"),
        (["gs://crm/x/a.jsonl", "gs://crm/x/b.jsonl"], f"{GOOGLE}/crm/x/"),
        (["https://files.example.com/x/a.jsonl"], "https://files.example.com/x/a.jsonl"),
        (["file:///data/rejects/a.jsonl"], ""),
        (["abfs://crm/rejects/a.jsonl"], ""),
        ([], ""),
        (None, ""),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::airflow.exceptions.AirflowProviderDeprecationWarning")
def test_files_are_shown_by_the_console_of_their_storage(aws: None, files: list[str] | None, url: str) -> None:
    assert console_url("s3://aws@crm/rejects", files) == url


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::airflow.exceptions.AirflowProviderDeprecationWarning")
def test_a_storage_that_only_speaks_like_s3_has_no_link_to_amazon(aws: None) -> None:
    assert console_url("s3://minio@crm/rejects", ["s3://crm/rejects/a.jsonl"]) == ""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::airflow.exceptions.AirflowProviderDeprecationWarning")
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_storage_that_the_environment_names_has_no_link_to_amazon(
    aws: None, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert console_url("s3://aws@crm/", ["s3://crm/a.jsonl"]).startswith(S3)

    monkeypatch.setenv(variable, "https://minio.example.com")
    assert console_url("s3://aws@crm/", ["s3://crm/a.jsonl"]) == ""


def test_every_page_and_heading_that_a_link_leads_to_exists() -> None:
    pages = [*OPERATOR_PAGES.values(), ERROR_PAGE]

    assert [page for page in pages if not (DOCS / page).with_suffix(".md").exists()] == []
    assert set(HEADINGS.values()) <= anchors((DOCS / ERROR_PAGE).with_suffix(".md"))


@pytest.mark.parametrize(
    ("error", "page"),
    [
        (None, "operators/events.html"),
        (BluxAuthError("refused"), "troubleshooting.html#what-blux-answers"),
        (BluxConfigError("wrong"), "troubleshooting.html"),
    ],
)
def test_the_documentation_is_where_the_configuration_says(
    monkeypatch: pytest.MonkeyPatch, error: BluxError | None, page: str
) -> None:
    assert documentation_url("send_events", error) == ""

    monkeypatch.setenv("AIRFLOW__BLUX__DOCS_URL", "https://docs.example.com/blux/")
    assert documentation_url("send_events", error) == f"https://docs.example.com/blux/{page}"


@pytest.mark.parametrize("users", [[{"user_id": "a"}], [{"user_id": 1.5}]])
def test_a_task_with_nothing_to_link_to_stores_nothing(
    blux_emulator: Emulator, tmp_path: Path, users: list[Any]
) -> None:
    instance = TaskInstance()
    operator = BluxUpsertUsersOperator(task_id="push", users=users, max_rejects=1, rejects_path=str(tmp_path))
    operator.execute({"ti": instance})

    assert instance.pushed == {}


def test_links_that_cannot_be_stored_change_nothing_else(
    blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__BLUX__DOCS_URL", "https://docs.example.com/blux")
    context = {"ti": TaskInstance(ConnectionError("of a value"))}

    assert BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a"}]).execute(context)["delivered"] == 1
    with pytest.raises(Exception, match=r"Of 1 record, 0 were delivered, 1 rejected"):
        BluxUpsertUsersOperator(task_id="push", users=[{"user_id": 1.5}]).execute(context)


def test_a_task_that_has_ended_knows_its_links_without_looking_for_them(
    blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__BLUX__DOCS_URL", "https://docs.example.com/blux")
    operator = BluxUpsertUsersOperator(task_id="push", users=[{"user_id": "a"}])
    operator.execute({})

    assert {link.name: link.get_link(operator, ti_key=None) for link in LINKS} == {
        "Rejects": "",
        "Receipts": "",
        "Documentation": "https://docs.example.com/blux/operators/users.html",
    }
    assert "is missing" not in caplog.text


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_a_link_that_airflow_cannot_find_is_empty(link: Any) -> None:
    assert link.get_link(BluxUpsertUsersOperator(task_id="push", users=[]), ti_key=None) == ""


def test_every_link_is_registered_with_airflow() -> None:
    assert get_provider_info()["extra-links"] == [f"{type(link).__module__}.{type(link).__name__}" for link in LINKS]

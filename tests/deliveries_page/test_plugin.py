"""The plugin of the page "Blux deliveries": when it adds the page, and how its files are served."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from airflow_provider_blux.deliveries_page.plugin import URL_PREFIX, BluxDeliveriesPlugin, views
from airflow_provider_blux.get_provider_info import get_provider_info

SETTING = "AIRFLOW__BLUX__DELIVERIES_PAGE"
AIRFLOW = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2])
with_pages = pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow before 3.1 has no pages of plugins")


def served() -> Any:
    """Return a client of a server with the static files under the same paths as in Airflow."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    return TestClient(Starlette(routes=[Mount(app["url_prefix"], app["app"]) for app in views()[0]]))


@with_pages
def test_the_page_is_under_browse() -> None:
    (app,), (page,) = views()

    assert (page["name"], page["destination"], page["category"]) == ("Blux deliveries", "nav", "browse")
    assert page["bundle_url"] == f"{app['url_prefix']}/main.js"
    assert ([app["name"]], [page]) == ([app["name"] for app in BluxDeliveriesPlugin.fastapi_apps], views()[1])


@pytest.mark.parametrize("value", ["False", "false", "0"])
def test_the_setting_switches_the_page_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(SETTING, value)

    assert views() == ([], [])


def test_the_setting_is_one_that_airflow_knows_and_is_on() -> None:
    option = get_provider_info()["config"]["blux"]["options"]["deliveries_page"]

    assert (option["type"], option["default"]) == ("boolean", "True")
    assert conf.getboolean("blux", "deliveries_page", fallback=True)


@pytest.mark.skipif(AIRFLOW >= (3, 1), reason="Airflow 3.1 and later show the page")
def test_airflow_before_3_1_gets_nothing() -> None:
    assert views() == ([], [])
    assert issubclass(BluxDeliveriesPlugin, AirflowPlugin)


@with_pages
def test_the_page_is_found_where_airflow_is_served_below_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://data.example.com/team-a/")

    assert views()[1][0]["bundle_url"] == "/team-a/blux-deliveries/main.js"


@with_pages
@pytest.mark.parametrize(
    ("file", "kind"),
    [("main.js", "javascript"), ("page.css", "text/css"), ("words/ko.json", "application/json"), ("icon.svg", "svg")],
)
def test_a_file_is_served_as_what_it_is_and_asked_for_again_after_an_upgrade(file: str, kind: str) -> None:
    with served() as client:
        answer = client.get(f"{URL_PREFIX}/{file}")
        again = client.get(f"{URL_PREFIX}/{file}", headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.status_code == 200
    assert kind in answer.headers["Content-Type"]
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-cache", "nosniff")
    assert (again.status_code, again.content) == (304, b"")


@with_pages
@pytest.mark.parametrize("path", ["/../plugin.py", "/%2e%2e/plugin.py", "/", "/words", "/none.js"])
def test_nothing_else_is_served(path: str) -> None:
    with served() as client:
        assert client.get(f"{URL_PREFIX}{path}").status_code == 404

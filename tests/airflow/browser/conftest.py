"""Airflow's pages in a browser, on every version of Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.airflow.browser.chromium import Chromium, missing
from tests.airflow.browser.connection_form import AIRFLOW
from tests.airflow.browser.web_server import WebServer, settings_of_a_web_server
from tests.airflow.dag_tester import DagTester
from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run

# Airflow before 3.1 has no pages of plugins, and lacks modules by which these are tested.
collect_ignore = ["test_deliveries_page.py"] if AIRFLOW < (3, 1) else []


@dataclass(frozen=True)
class Site:
    """An Airflow with pages.

    :param url: where the pages are.
    :param run: runs a DAG to its end, with the connections that are stored there.
    """

    home: AirflowHome
    url: str
    run: Callable[..., Run]


@pytest.fixture(scope="package")
def browser() -> Iterator[Chromium]:
    if lack := missing():
        pytest.skip(lack)
    with Chromium(height=1400) as running:
        yield running


@pytest.fixture(scope="package")
def site(
    request: pytest.FixtureRequest,
    browser: Chromium,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_home: AirflowHome,
) -> Iterator[Site]:
    del browser  # asked for first: without one nothing needs to start
    if AIRFLOW >= (3,):
        scheduler = request.getfixturevalue("scheduler")
        scheduler.wait_until_healthy()
        yield Site(scheduler.home, scheduler.home.environment["AIRFLOW__API__BASE_URL"], scheduler.run)
        return
    home = AirflowHome(tmp_path_factory.mktemp("site"), **settings_of_a_web_server())
    home.migrate(migrated_home)
    with ExitStack() as stack:
        server = stack.enter_context(WebServer(home))
        tester = stack.enter_context(DagTester(home))
        yield Site(home, server.url, tester.run)

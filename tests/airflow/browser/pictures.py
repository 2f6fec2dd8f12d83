"""Take the pictures of the documentation: ``python -m tests.airflow.browser.pictures``.

A whole Airflow runs the example DAGs against the emulator, and a browser looks at its pages. No picture
shows real data: the connection leads to the emulator, and the records are the sample data.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from airflow_provider_blux.emulator import Emulator
from tests.airflow.browser.chromium import Chromium, missing
from tests.airflow.browser.connection_form import AIRFLOW, ConnectionForm
from tests.airflow.browser.deliveries_pictures import take_deliveries
from tests.airflow.home import AirflowHome
from tests.airflow.metadata import Run
from tests.airflow.scheduler import Scheduler, settings_of_a_scheduler
from tests.docs.project import RECEIPT_KEY, write_quick_start

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000  # bytes of one picture
DIALOG = "//*[@role='dialog']"
TASK = "//*[contains(concat(' ', @class, ' '), ' react-flow__node ')]"


@dataclass(frozen=True)
class Pages:
    """Airflow's pages in a browser, after the example DAGs have run."""

    browser: Chromium
    url: str
    runs: dict[str, Run]

    def open(self, dag_id: str, rest: str = "") -> None:
        """Open the page of a run, or one below it."""
        self.browser.open(f"{self.url}/dags/{dag_id}/runs/{quote(self.runs[dag_id].run_id)}{rest}")


def connection_form(pages: Pages, path: Path) -> None:
    """Take a picture of the form when it opens: the standard fields with their placeholders."""
    ConnectionForm(pages.browser, pages.url).begin("blux_default")
    pages.browser.save(path, DIALOG)


def connection_form_open_api(pages: Pages, path: Path) -> None:
    """Take a picture of the form with the section of the Open API filled in."""
    form = ConnectionForm(pages.browser, pages.url)
    form.begin("blux_default")
    form.fill(
        **{
            "Open API URL": "https://open-api.example.com",
            "Project ID": "example-project",
            "Open API key": "example-open-api-key",
        }
    )
    pages.browser.save(path, DIALOG)


def graph_of(dag_id: str) -> Callable[[Pages, Path], None]:
    """Return a function that takes a picture of the graph of a DAG, with the states of its run."""

    def take(pages: Pages, path: Path) -> None:
        pages.open(dag_id)
        pages.browser.click("//button[contains(@aria-label, 'Show Graph')]")
        pages.browser.click("//button[contains(@aria-label, 'Collapse Details Panel')]")
        pages.browser.find(TASK)
        pages.browser.click("//button[contains(@class, 'react-flow__controls-fitview')]")
        hide = "document.head.insertAdjacentHTML('beforeend', '<style>.react-flow__panel {display: none}</style>')"
        pages.browser.driver.execute_script(hide)  # the tools, which lie upon the graph
        pages.browser.save(path, TASK, margin=22)

    return take


def log(pages: Pages, path: Path) -> None:
    """Take a picture of the log of a task that has ended, with the summary line."""
    pages.open("delete_users", "/tasks/delete_users")
    pages.browser.find("//*[contains(text(), ' ended: ')]")
    pages.browser.save(path)


def rendered_template(pages: Pages, path: Path) -> None:
    """Take a picture of the tab "Rendered Template", which must not show the records."""
    pages.open("crm", "/tasks/send_users/rendered_templates")
    pages.browser.find("//code[contains(., '<list of 2>')]")
    pages.browser.save(path)


class Picture(NamedTuple):
    """A picture: the height of the page in pixels, and the function that takes the picture."""

    height: int
    take: Callable[[Pages, Path], None]


PICTURES = {
    "connection-form": Picture(1000, connection_form),
    "connection-form-open-api": Picture(1000, connection_form_open_api),
    "graph-delete-users": Picture(600, graph_of("delete_users")),
    "graph-backfill-users": Picture(600, graph_of("backfill_users")),
    "log": Picture(460, log),
    "rendered-template": Picture(480, rendered_template),
}


def home_with_examples(folder: Path, blux: Emulator) -> AirflowHome:
    """Return a migrated home with the example DAGs and the first DAG of the README."""
    shutil.copytree(ROOT / "example_dags", folder / "dags")
    write_quick_start(folder)
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.executescript((folder / "dags" / "data" / "shop.sql").read_text("utf-8"))
    connection = blux.connection()
    connection["extra"]["receipt_key"] = RECEIPT_KEY
    home = AirflowHome(
        folder,
        **settings_of_a_scheduler(),
        AIRFLOW__CORE__DAGS_FOLDER=str(folder / "dags"),
        AIRFLOW__API__DEFAULT_WRAP="True",  # long lines of a log
        AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE="False",  # only what is triggered is to run
        AIRFLOW_CONN_BLUX_DEFAULT=json.dumps(connection),
        AIRFLOW_CONN_BLUX_EXAMPLE_SHOP=json.dumps({"conn_type": "sqlite", "host": str(folder / "shop.db")}),
        BLUX_EXAMPLE_OUTPUT=str(folder / "output"),
    )
    home.migrate()
    return home


def main() -> int:
    """Take every picture; return the exit code."""
    if lack := missing():
        print(f"No pictures: {lack}.", file=sys.stderr)  # noqa: T201
        return 1
    if AIRFLOW < (3, 3):
        print("No pictures: they show Airflow 3.3.", file=sys.stderr)  # noqa: T201
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Emulator() as blux:
        home = home_with_examples(Path(folder) / "airflow", blux)
        with Scheduler(home) as airflow:
            airflow.wait_until_healthy()
            runs = {dag_id: airflow.run(dag_id) for dag_id in ("delete_users", "backfill_users", "crm")}
            url = home.environment["AIRFLOW__API__BASE_URL"]
            for name, picture in PICTURES.items():
                with Chromium(width=1200, height=picture.height) as browser:
                    picture.take(Pages(browser, url, runs), IMAGES / f"{name}.png")
    with tempfile.TemporaryDirectory() as folder:
        take_deliveries(Path(folder), IMAGES)
    return report()


def report() -> int:
    """Print the sizes of the pictures; return 1 if a picture is too large."""
    sizes = {path.name: path.stat().st_size for path in sorted(IMAGES.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{name:32} {size / 1000:6.0f} kB")  # noqa: T201
    return int(max(sizes.values()) > LARGEST)


if __name__ == "__main__":
    sys.exit(main())

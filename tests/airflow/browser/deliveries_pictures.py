"""The pictures of the page "Blux deliveries": a real Airflow, with made-up deliveries."""

from __future__ import annotations

from pathlib import Path

from tests.airflow.browser.chromium import Chromium
from tests.airflow.browser.deliveries_page import DeliveriesPage
from tests.airflow.browser.seeded_site import Delivery, SeededSite, report
from tests.airflow.home import AirflowHome

REASONS = [
    {"field": "phone_number", "reason": "must be text: a number has lost its leading zero", "number": 9},
    {"field": "user_id", "reason": "must not be empty", "number": 3},
]


def deliveries() -> list[Delivery]:
    """Return deliveries of users in thirty nights, and a few deliveries of each other kind."""
    nights = [
        Delivery(
            dag_id="crm_nightly",
            hours_ago=24 * night + 2,
            seconds=190 + night,
            report=report(
                delivered=21_000 + 37 * night**2 % 17_000,
                unchanged=61_000 - 410 * night,
                merged=120,
                rejected=0 if night % 4 else 900,
            ),
        )
        for night in range(30)
    ]
    return [
        *nights,
        Delivery(dag_id="crm_deletions", operation="delete_users", hours_ago=1, report=report(delivered=310, merged=5)),
        Delivery(dag_id="crm_devices", operation="update_devices", hours_ago=3, state="failed", report=None),
        Delivery(dag_id="crm_events", operation="send_events", hours_ago=4, report=report(delivered=4_000, unknown=12)),
        Delivery(
            dag_id="crm_partners",
            hours_ago=5,
            parts=2,
            report=report(delivered=2_400, suppressed=30, rejected=12, reasons=REASONS),
        ),
    ]


def take_deliveries(folder: Path, images: Path) -> None:
    """Take pictures of the page: in a desktop window, and in a phone window in dark mode and Korean."""
    migrated = AirflowHome(folder / "migrated")
    migrated.migrate()
    with SeededSite(folder / "seeded", migrated, deliveries()) as site:
        with Chromium(width=1200, height=940) as browser:
            page = DeliveriesPage(browser, site.url)
            page.sign_in(site.token("ann"))
            page.open_with_chart()
            browser.save(images / "deliveries-page.png")
        with Chromium(width=390, height=844) as browser:
            page = DeliveriesPage(browser, site.url)
            page.sign_in(site.token("ann"))
            with page.with_theme("dark"), page.with_language("ko-KR,ko"):
                page.open_with_chart()
                browser.save(images / "deliveries-page-phone.png")

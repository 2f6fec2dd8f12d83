"""The page "Blux deliveries" of a real Airflow, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from airflow_provider_blux.emulator import Emulator
from tests.airflow.browser.chromium import Chromium
from tests.airflow.browser.conftest import Site
from tests.airflow.browser.connection_form import AIRFLOW
from tests.airflow.browser.deliveries_page import HISTORY, LAST, RUNNING, DeliveriesPage
from tests.airflow.browser.permissions import RESTRICTED_DAG
from tests.airflow.browser.seeded_site import Delivery, SeededSite, report
from tests.airflow.home import AirflowHome
from tests.airflow.scheduler import Scheduler

MARKUP = "<img src=x onerror=alert(1)>"
EVERYTHING = report(delivered=900, unchanged=5000, merged=20, suppressed=10, rejected=12, unknown=3, resumed=100)
REASONS = [
    {"field": "phone_number", "reason": MARKUP, "number": 9},
    {"field": None, "reason": "the API refused it", "number": 3},
]
PARTS = 1000
SLOW_USERS = 160  # 40 seconds
DELIVERIES = [
    Delivery(dag_id="crm_nightly", hours_ago=1, seconds=75, report={**EVERYTHING, "reasons": REASONS, "absent": 7}),
    Delivery(dag_id="crm_deletions", operation="delete_users", hours_ago=2),
    Delivery(dag_id="crm_failed", state="failed", hours_ago=3, report=None),
    Delivery(dag_id="crm_without_xcom", hours_ago=4, report=None),
    Delivery(dag_id="crm_dry_run", hours_ago=5, report=report(valid=321, unchanged=7, rejected=2, validate_only=True)),
    Delivery(dag_id=RESTRICTED_DAG, hours_ago=6, report=report(delivered=77)),
    Delivery(dag_id="crm_at_work", state="running", hours_ago=0.1, report=None),
    *(Delivery(dag_id="crm_parts", hours_ago=24 * days, parts=PARTS) for days in (2, 3)),
    Delivery(dag_id="crm_long_ago", hours_ago=24 * 40),
]
OVER = 5 + 1 + 2 * PARTS  # of the last thirty days, the restricted one included


@pytest.fixture(scope="module")
def seeded(
    browser: Chromium, tmp_path_factory: pytest.TempPathFactory, migrated_home: AirflowHome
) -> Iterator[SeededSite]:
    del browser  # asked for first: without one nothing needs to start
    with SeededSite(tmp_path_factory.mktemp("seeded"), migrated_home, DELIVERIES) as site:
        yield site


@pytest.fixture
def page(browser: Chromium, seeded: SeededSite) -> DeliveriesPage:
    """The page for somebody who may see every DAG."""
    page = DeliveriesPage(browser, seeded.url)
    page.sign_in(seeded.token("ann"))
    return page


def row_of(page: DeliveriesPage, dag_id: str, section: str = LAST) -> str:
    return next(row for row in page.rows(section) if row.startswith(f"{dag_id}\n"))


def test_the_menu_leads_to_the_page(page: DeliveriesPage, seeded: SeededSite) -> None:
    page.browser.open(seeded.url)
    page.browser.click("//button[contains(., 'Browse')]")
    page.browser.click("//*[normalize-space(.)='Blux deliveries' and @role='menuitem']")

    assert page.find("h1").text == "Blux deliveries"
    # Leaving the page ends what it asks for.
    page.browser.click("//*[@data-testid='nav-sidebar']//a[contains(@href, 'assets')]")
    page.browser.until(lambda: not page.all("h1"), "the page is left")


def test_a_delivery_is_shown_with_all_that_its_report_says(page: DeliveriesPage) -> None:
    page.open()
    row = row_of(page, "crm_nightly")

    for part in ("send", "Send users", "1 min 15 s", "success", "Log", "XCom", "7 absent from the source"):
        assert part in row
    for outcome in ("900 delivered", "5,000 unchanged", "20 merged", "10 suppressed", "12 rejected", "3 unknown"):
        assert outcome in row
    assert "595 records/s" in row
    assert "95% of the limit (20 requests/s)" in row
    assert [piece.get_attribute("class") for piece in page.all(f"{LAST} tr:nth-of-type(1) rect")] == [
        *("delivered", "unchanged", "merged", "suppressed", "rejected", "unknown"),
    ]


def test_what_has_no_report_says_so_and_shows_no_number(page: DeliveriesPage) -> None:
    page.open()

    assert "No numbers: the task failed. See its log." in row_of(page, "crm_failed")
    assert "No numbers: the task kept no report." in row_of(page, "crm_without_xcom")
    assert "321 valid (dry run)" in row_of(page, "crm_dry_run")
    assert "running since" in row_of(page, "crm_at_work", RUNNING)
    assert "records/s" not in page.text(RUNNING)
    assert "crm_long_ago" not in page.text()


def test_text_from_the_api_stays_text(page: DeliveriesPage) -> None:
    page.open()
    page.click(f"{LAST} tr:nth-of-type(1) summary")

    assert f"phone_number: {MARKUP} (9)" in row_of(page, "crm_nightly")
    assert "whole record: the API refused it (3)" in row_of(page, "crm_nightly")
    assert page.all("img") == []


def test_the_links_lead_to_the_log_and_the_xcom_of_the_part(page: DeliveriesPage, seeded: SeededSite) -> None:
    page.open()
    links = [link.get_attribute("href") for link in page.all(f"{LAST} tbody tr:nth-of-type(10) a")]
    (run, log, xcom) = [str(link).removeprefix(f"{seeded.url}/dags/crm_parts/runs/") for link in links]

    assert (run, xcom) == (log.partition("/")[0], f"{log}/xcom")
    assert re.fullmatch(r"run-\d+/tasks/send/mapped/\d+", log)
    page.browser.open(str(links[2]))
    page.browser.find("//*[contains(text(), 'return_value')]")


def test_a_person_without_permission_for_a_dag_does_not_see_its_deliveries(
    page: DeliveriesPage, seeded: SeededSite
) -> None:
    page.open()
    assert "77 delivered" in row_of(page, RESTRICTED_DAG)
    assert f"of {OVER:,}," in page.text(LAST)

    page.sign_in(seeded.token("bob"))
    page.open()
    assert "crm_nightly" in page.text()
    assert RESTRICTED_DAG not in page.browser.driver.page_source + page.text()
    assert f"of {OVER - 1:,}," in page.text(LAST)


def test_the_page_asks_nothing_but_the_public_api_and_its_own_files(page: DeliveriesPage) -> None:
    page.open()
    own = [asked for asked in page.asked() if not re.match(r"/(?:ui|static|auth)/|/api/v2/(?:plugins|version)", asked)]

    public = (
        r"/api/v2/dags/[^/]+/dagRuns/[^/]+/taskInstances(?:/[^/]+/(?:xcomEntries/return_value|state-store/\w+))?\?.*"
    )
    assert [asked for asked in own if not re.fullmatch(f"{public}|/blux-deliveries/.*", asked)] == []


def test_thousands_of_task_instances_take_a_bounded_number_of_requests(page: DeliveriesPage) -> None:
    page.open_with_chart()
    asked = [address for address in page.asked() if "/taskInstances" in address]
    lists = [address for address in asked if "/taskInstances?" in address]

    assert len(lists) - sum("state=running" in address for address in lists) == 1 + 2  # the table, and the chart
    assert len(page.rows()) == 25
    # The chart stops after two pages of a hundred; the table has read some of those reports.
    assert 190 <= sum("/xcomEntries/" in address for address in asked) <= 225
    assert "Read so far: the newest 200 of" in page.text(HISTORY)


def test_older_deliveries_are_pages_away_and_older_days_a_step(page: DeliveriesPage) -> None:
    page.open_with_chart()
    assert f"1 to 25 of {OVER:,}" in page.text(LAST)
    page.click(f"{LAST} nav button:nth-of-type(2)")
    page.browser.until(lambda: f"26 to 50 of {OVER:,}" in page.text(LAST), "the next page is shown")
    page.browser.until(lambda: all("1,000 delivered" in row for row in page.rows()), "its reports are shown")

    page.click(f"{HISTORY} > button")
    page.browser.until(lambda: "Read so far: the newest 400 of" in page.text(HISTORY), "another step is read")


def test_the_chart_has_its_numbers_as_text(page: DeliveriesPage) -> None:
    page.open_with_chart()
    label = page.find(f"{HISTORY} svg").get_attribute("aria-label") or ""
    sent, unchanged, rejected = re.findall(r"(\d[\d,]*) (?:sent|unchanged|rejected)", label)

    assert (unchanged, rejected) == ("5,000", "12")
    assert int(sent.replace(",", "")) > 150_000
    page.click(f"{HISTORY} summary")
    assert len(page.rows(HISTORY)) == 30


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_in_both_themes(page: DeliveriesPage, theme: str) -> None:
    with page.with_theme(theme):
        page.open()
        contrasts = page.contrasts("h1, h2, p, a, td, th, li, button:not(:disabled), summary, .badge")
        is_dark = page.browser.driver.execute_script("return document.documentElement.classList.contains('dark')")

    assert is_dark is (theme == "dark")
    assert len(contrasts) > 100
    assert min(contrasts) >= 4.5


def test_a_phone_shows_cards_and_nothing_beside_the_screen(page: DeliveriesPage) -> None:
    with page.with_size(390, 844):
        page.open()
        code = "const page = document.querySelector('blux-deliveries'); return [page.scrollWidth, page.clientWidth]"
        inner, outer = page.browser.driver.execute_script(code)
        cell = page.find(f"{LAST} td.started")

        assert inner <= outer
        assert cell.value_of_css_property("display") == "block"
        assert page.all(f"{LAST} tbody tr")[0].get_attribute("role") == "row"


def test_the_keyboard_reaches_and_does_everything(page: DeliveriesPage) -> None:
    page.open()
    page.browser.driver.execute_script(
        "document.querySelector('blux-deliveries').shadowRoot.querySelector('button').focus()"
    )
    page.tab_to("crm_nightly")
    page.tab_to("Reasons of rejects: 2")
    page.press(Keys.ENTER)
    assert "whole record: the API refused it (3)" in row_of(page, "crm_nightly")

    page.tab_to("Older")
    page.press(Keys.ENTER)
    page.browser.until(lambda: "26 to 50 of" in page.text(LAST), "the next page is shown")


def test_the_focus_stays_while_the_page_asks_again(page: DeliveriesPage) -> None:
    page.open()
    page.browser.driver.execute_script(
        "document.querySelector('blux-deliveries').shadowRoot.querySelector('button').focus()"
    )
    page.tab_to("crm_at_work")
    before = len([asked for asked in page.asked() if "state=running" in asked])
    page.browser.until(
        lambda: len([asked for asked in page.asked() if "state=running" in asked]) >= before + 2, "it asks again"
    )

    assert page.focused() == "crm_at_work"


def test_the_language_is_that_of_the_browser(page: DeliveriesPage) -> None:
    with page.with_language("ko-KR,ko"):
        page.open()
        korean = page.text()
    with page.with_language("fr-FR,fr"):
        page.open()
        other = page.text()

    for words in ("Blux 전송 현황", "최근 전송", "유저 전송", "5,000 변경 없음"):
        assert words in korean
    assert "Last deliveries" in other


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Promise.resolve(new Response('{}', {status: 401}))", "Your session has ended. Sign in to Airflow again."),
        ("Promise.resolve(new Response('{}', {status: 403}))", "You have no permission to see task instances."),
        ("Promise.resolve(new Response('{}', {status: 500}))", "Airflow answered with status 500."),
        ("Promise.reject(new TypeError())", "Airflow does not answer."),
    ],
)
def test_a_page_that_gets_no_answer_says_why(page: DeliveriesPage, answer: str, said: str) -> None:
    with page.with_answer(answer):
        page.open(until=None)

        assert said in page.find("[role=alert] p").text
        assert "Loading" not in page.text()


def test_an_airflow_without_deliveries_says_so(page: DeliveriesPage) -> None:
    nothing = json.dumps(json.dumps({"task_instances": [], "total_entries": 0}))
    with page.with_answer(f"Promise.resolve(new Response({nothing}))"):
        page.open()

        for said in ("No delivery is running.", "No users were sent", "No delivery in the last 30 days."):
            assert said in page.text()


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow before 3.3 keeps no task state")
def test_a_running_delivery_moves_and_ends(browser: Chromium, site: Site, scheduler: Scheduler, blux: Emulator) -> None:
    run = scheduler.trigger("users_slowly", users=[{"user_id": f"user-{number}"} for number in range(SLOW_USERS)])
    scheduler.poll(
        lambda: scheduler.rest.task_state(run, "deliver").get("blux_progress", {}).get("delivered"), "it is under way"
    )
    page = DeliveriesPage(browser, site.url)
    page.browser.driver.delete_all_cookies()
    page.open()

    def delivered() -> int | None:
        found = re.search(r"(\d+) delivered", page.text(RUNNING))
        return int(found[1]) if found else None

    first = page.browser.until(delivered, "the running delivery is shown with its numbers")
    row = row_of(page, "users_slowly", RUNNING)
    assert f"{SLOW_USERS - first} not read yet" in row
    assert re.search(r"\d+ s left", row)
    assert "of the limit (4 requests/s)" in row
    page.browser.until(lambda: (delivered() or SLOW_USERS) > first, "it moves")

    def ended() -> str | None:
        rows = [row for row in page.rows(LAST) if row.startswith("users_slowly\n")]
        return next((row for row in rows if f"{SLOW_USERS} delivered" in row), None)

    assert scheduler.finish(run).state == "success"
    assert "success" in page.browser.until(ended, "it has moved to the last deliveries")
    assert "users_slowly" not in page.text(RUNNING)


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow before 3.3 keeps no task state")
def test_a_failed_delivery_shows_what_it_delivered(
    browser: Chromium, site: Site, scheduler: Scheduler, blux: Emulator, write_lines: Any
) -> None:
    run = scheduler.run("users_from_a_file", path=str(write_lines([{"user_id": "a"}, {"grade": "gold"}])))
    page = DeliveriesPage(browser, site.url)
    page.browser.driver.delete_all_cookies()
    page.open()

    assert run.state == "failed"
    row = row_of(page, "users_from_a_file")
    assert "1 delivered" in row
    assert "1 rejected" in row

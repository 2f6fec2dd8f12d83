"""Run every example DAG in Airflow against the emulator, and compare the received records with the sample files.

After each DAG, all records of the emulator are compared with the records that the sample files lead to. At the end, the
demo prints a table of counts; the exit code is 1 if a DAG failed or anything differs.
"""

from __future__ import annotations

import json
import platform
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.emulator import Emulator
from example_dags.demo.comparison import differences, requests_differing
from example_dags.demo.expected import DATA, Expected
from example_dags.demo.session import DAGS, AirflowSession

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILD = DAGS.parent / "build" / "demo"
SHOP = BUILD / "shop.sqlite3"
STATE = BUILD / "emulator.sqlite3"
OUTPUT = BUILD / "output"
RECEIPTS = OUTPUT / "receipts"
RECEIPT_KEY = "demo-receipt-key"


@dataclass(frozen=True)
class Step:
    """One example DAG of the demo.

    :param tasks: ids of the tasks that send records; the counts of their reports are added up.
    :param kinds: the counts of the emulator to print after the DAG (``users``, ``profiles``, ``events``, ``devices``).
    :param days: a logical date for each run; if empty, the DAG runs once with the current date.
    """

    dag_id: str
    tasks: Sequence[str]
    kinds: Sequence[str]
    days: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """The counts of one DAG: one line of the table that the demo prints.

    :param left_out: number of suppressed and rejected records.
    :param received: number of records in the requests that the emulator accepted.
    :param holds: text with the numbers of records that the emulator has after the DAG.
    :param faults: a text for each difference from the expected records and counts; empty if there is none.
    """

    dag_id: str
    read: int
    delivered: int
    merged: int
    left_out: int
    unchanged: int
    received: int
    holds: str
    faults: Sequence[str]


STEPS = [
    Step("sync_users_from_files", ["send_crm_users", "send_app_users"], ["users"]),
    Step("sync_users_from_sql", ["send_customers"], ["users"]),
    Step("notice_small_syncs", [], ["users"]),
    Step("replay_rejects", ["send_corrected"], ["users"]),
    Step("backfill_users", ["send_part"], ["users"]),
    Step("backfill_customers", ["send_range"], ["users"], ["2026-08-01", "2026-09-01"]),
    Step("tag_buyers", ["send_sums"], ["profiles"]),
    Step("taskflow_users", ["send_last_searches", "send_counts"], ["profiles"]),
    Step("send_events_from_files", ["send_events"], ["events"], sorted(f.stem for f in (DATA / "events").iterdir())),
    Step("update_devices", ["send_devices"], ["devices"]),
    Step("delete_users", ["delete_users", "delete_profiles"], ["users", "profiles"]),
    # Again, with the same files: deleted users are not created again, and unchanged users are not sent again.
    Step("sync_users_from_files", ["send_crm_users", "send_app_users"], ["users"]),
    Step("backfill_users", ["send_part"], ["users"]),
]


def main() -> int:
    """Run all example DAGs and print the results; return 0, or 1 if a DAG failed or anything differs."""
    BUILD.mkdir(parents=True, exist_ok=True)
    STATE.unlink(missing_ok=True)
    _load_shop()
    _begin_receipts()
    airflow_version = version("apache-airflow")
    _say(f"Airflow {airflow_version} on Python {platform.python_version()}")
    with Emulator(state=STATE, police_rates=True) as blux:
        _say(f"The emulator listens on {blux.url}/ and answers 429 above the rates.\n")
        connections = {
            "blux_default": _with_receipt_key(blux.connection()),
            "blux_example_shop": json.dumps({"conn_type": "sqlite", "host": str(SHOP)}),
        }
        with AirflowSession(BUILD / f"airflow-{airflow_version}", connections, OUTPUT) as airflow:
            try:
                rows = _run_all(airflow, blux)
            except RuntimeError as failure:
                _say(f"\nFAILED: {failure}\nAirflow's whole log: {_shown(airflow.log)}")
                return 1
        _conclude(rows, blux.state()["requests"])
    _say(f"Airflow's log:        {_shown(airflow.log)}")
    python = _shown(Path(sys.executable))
    _say(f"See what has arrived: {python} -m airflow_provider_blux.emulator --state {_shown(STATE)}")
    verify = f"{python} -m airflow_provider_blux.receipts verify {_shown(RECEIPTS)}"
    _say(f"Verify the receipts:  BLUX_RECEIPT_KEY={RECEIPT_KEY} {verify}")
    return 1 if any(row.faults for row in rows) else 0


def _load_shop() -> None:
    """Create the shop's SQLite database from ``shop.sql``; the one of an earlier demo is deleted."""
    SHOP.unlink(missing_ok=True)
    with closing(sqlite3.connect(SHOP)) as database:
        database.executescript((DATA / "shop.sql").read_text(encoding="utf-8"))


def _begin_receipts() -> None:
    """Delete the output of an earlier demo, and create the folder of receipts: nobody has been deleted yet."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    RECEIPTS.mkdir(parents=True)
    (RECEIPTS / "earlier.jsonl").touch()


def _with_receipt_key(connection: dict[str, Any]) -> str:
    return json.dumps({**connection, "extra": {**connection["extra"], "receipt_key": RECEIPT_KEY}})


def _run_all(airflow: AirflowSession, blux: Emulator) -> list[Row]:
    if airflow.is_new:
        _say(f"  {'(Airflow makes its database, once)':36}", end="")
        _say(f"{airflow.migrate():6.1f} s")
    _say(f"  {'(Airflow learns of DAGs and assets)':36}", end="")
    _say(f"{airflow.run('dags', 'reserialize'):6.1f} s")
    expected = Expected()
    return [_run(step, airflow, blux, expected) for step in STEPS]


def _run(step: Step, airflow: AirflowSession, blux: Emulator, expected: Expected) -> Row:
    """Run one DAG, and compare its counts and the emulator's records with the expected ones."""
    _say(f"  {step.dag_id:36}", end="")
    source = getattr(expected, step.dag_id)(SHOP)
    before = _counted(step, airflow, blux)
    started = time.monotonic()
    for date in [[day] for day in step.days] or [[]]:
        airflow.run("dags", "test", step.dag_id, *date)
    _say(f"{time.monotonic() - started:6.1f} s")

    after = _counted(step, airflow, blux)
    new = (now - then for now, then in zip(after, before, strict=True))
    read, merged, left_out, unchanged, delivered, received = new
    faults = [*differences(expected, blux), *requests_differing(expected, SHOP)]
    if (read, left_out, unchanged) != source:
        faults.append(
            f"the tasks read {read:,} records, left out {left_out:,} and found {unchanged:,} unchanged, but the source "
            f"has {source}"
        )
    if not read - merged - left_out - unchanged == delivered == received:
        faults.append(
            f"{read:,} read - {merged:,} merged - {left_out:,} left out - {unchanged:,} unchanged, {delivered:,} "
            f"delivered and {received:,} received differ"
        )
    counts = blux.counts()
    holds = ", ".join(f"{counts[kind]:,} {kind}" for kind in step.kinds)
    return Row(step.dag_id, read, delivered, merged, left_out, unchanged, received, holds, faults)


def _counted(step: Step, airflow: AirflowSession, blux: Emulator) -> tuple[int, ...]:
    """Return the numbers of records read, merged, left out (suppressed or rejected), unchanged, delivered and received.

    The first five are sums over the runs of this DAG so far, the last one is the sum over the runs of all DAGs so far.
    """
    returned = airflow.reports(step.dag_id)
    reports = [report for task in step.tasks for report in returned.get(task, [])]
    kinds = (("read",), ("merged",), ("suppressed", "rejected"), ("unchanged",), ("delivered",))
    sums = [sum(report[count] for report in reports for count in counts) for counts in kinds]
    return *sums, _received(blux)


def _received(blux: Emulator) -> int:
    """Return the number of records in all requests that the emulator has accepted."""
    return sum(entry["records"] for entry in blux.state()["requests"] if entry["status"] in (200, 202))


def _conclude(rows: Sequence[Row], requests: Sequence[dict[str, Any]]) -> None:
    head = f"{'read':>8}{'merged':>8}{'left out':>10}{'unchanged':>11}{'delivered':>11}{'received':>10}"
    _say(f"\n{'DAG':24}{head}   the emulator then holds")
    for row in rows:
        counts = f"{row.read:8,}{row.merged:8,}{row.left_out:10,}{row.unchanged:11,}{row.delivered:11,}"
        counts += f"{row.received:10,}"
        _say(f"{row.dag_id:24}{counts}   {row.holds}{'  DIFFERS' if row.faults else ''}")
    total = sum(entry["requests"] for entry in requests)
    early = sum(entry["requests"] for entry in requests if entry["status"] == 429)
    _say(f"\n{total:,} requests, {early:,} of them too early for the rates and sent again.")
    differing = [row for row in rows if row.faults]
    if not differing:
        _say("The emulator holds exactly what the sample files say, record by record.\n")
    for row in differing:
        _say(f"DIFFERENT after {row.dag_id}:\n" + "\n".join(f"  {fault}" for fault in row.faults) + "\n")


def _shown(path: Path) -> Path:
    """Return a path relative to the current folder if it is below it, otherwise unchanged."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped.")

"""The project of a reader who has followed the pages: DAG files, and the data of the examples."""

from __future__ import annotations

import gzip
import json
import sqlite3
import textwrap
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

from tests.docs.readme import ENGLISH, Readme

# The places of the examples that are not here, and the folders that stand in for them.
BUCKETS = {"s3://my_aws@crm-exports": "exports", "s3://my_aws@crm-private": "private"}
DAY = "2026-10-01"
# What the README calls the receipt key.
RECEIPT_KEY = "YOUR_RECEIPT_KEY"
TESTING = Readme("docs/testing.md")

FILES = {block.file: block.code for block in ENGLISH.code("python") if block.file}
FILES["tests/test_crm.py"] = next(block.code for block in TESTING.code("python") if block.file == "tests/test_crm.py")


def _examples() -> list[str]:
    nightly = [block.code for block in Readme("docs/nightly-sync.md").code("python")]
    others = ("docs/deletion.md", "docs/send-events.md", "docs/operators/devices.md")
    tasks = ([block.code for block in Readme(page).code("python") if block.code.startswith("Blux")] for page in others)
    return [*nightly, *(next(iter(found)) for found in tasks)]


# The imports, and one block a task, of the pages on each kind of record.
EXAMPLES = _examples()

# Where the page's comment says that it is on earlier versions.
AIRFLOW = Version(version("apache-airflow")).release
DAGBAG = "airflow.dag_processing.dagbag" if AIRFLOW >= (3, 2) else "airflow.models.dagbag"


def write_quick_start(folder: Path) -> None:
    """Save the blocks that are files under the names that they give themselves."""
    for name, code in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code.replace("airflow.dag_processing.dagbag", DAGBAG), "utf-8")


def write_examples(file: Path, place: Path) -> None:
    """Put the examples into a DAG, with folders instead of buckets."""
    imports, *examples = EXAMPLES
    head = f"from datetime import datetime\nfrom airflow.providers.common.compat.sdk import DAG\n{imports}"
    dag = 'with DAG("examples", schedule=None, start_date=datetime(2026, 1, 1)):\n'
    code = head + dag + textwrap.indent("\n".join(examples), "    ")
    file.parent.mkdir(parents=True, exist_ok=True)
    for bucket, folder in BUCKETS.items():
        code = code.replace(bucket, (place / folder).as_uri())
    file.write_text(code, "utf-8")


def write_exports(place: Path) -> None:
    """Write the files that the examples read from the buckets."""
    files = {
        f"exports/{DAY}/app-1.jsonl.gz": '{"user_id": "00125", "app_version": "6.0"}\n{"user_id": "00126"}\n',
        f"exports/{DAY}/app-2.jsonl.gz": '{"user_id": "00127", "app_version": "5.2"}\n',
        "exports/members.csv": "member_no,mobile,sms_ok,grade\n00301,01033334444,Y,gold\n00302,,N,\n00303,,,silver\n",
        "exports/deletions.csv": "user_id,reason\n00901,탈퇴\n00902,탈퇴\n00901,탈퇴\n",
        "exports/devices.json": json.dumps([{"device_id": "d-1", "user_id": "00123", "platform": "ios"}]),
        "private/receipts/earlier.csv": "user_id\n00126\n",
    }
    for name, text in files.items():
        file, content = place / name, text.encode()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def write_warehouse(file: Path) -> str:
    """Make the database of the SQL example, return the connection to it."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "CREATE TABLE customers (customer_no INTEGER, phone TEXT, grade TEXT, sms_ok INTEGER, shop TEXT)"
        )
        database.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
            [
                (201, "01011112222", "gold", 1, "seoul"),
                (202, None, "silver", 0, "seoul"),
                (203, None, None, None, "seoul"),
                (204, None, "gold", 1, "busan"),
            ],
        )
    return json.dumps({"conn_type": "sqlite", "host": str(file)})

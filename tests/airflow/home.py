"""A separate Airflow: a home folder, an isolated environment, and a migrated metadata database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.airflow.metadata import Database, Metadata, SqliteDatabase

DAGS_FOLDER = Path(__file__).parent / "dags"
SQLITE_FILE = "airflow.db"


class AirflowHome:
    """One ``AIRFLOW_HOME`` with its own metadata database and log folder.

    :param folder: an empty folder.
    :param database: an empty database; by default a file of SQLite in the folder.
    :param settings: environment variables, mostly ``AIRFLOW__SECTION__KEY`` and ``AIRFLOW_CONN_ID``.
    """

    def __init__(self, folder: Path, database: Database | None = None, **settings: str) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        database = database or SqliteDatabase(folder / SQLITE_FILE)
        self.metadata = Metadata(database)
        # An allowlist, not a copy: no proxy, no AIRFLOW_*, no ~/.netrc, no user site of the developer's machine.
        self.environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "TMPDIR": str(folder),
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "*",  # on macOS proxies also come from the system settings
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS_FOLDER),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs),
            **settings,
        }

    def migrate(self, migrated: AirflowHome | None = None) -> None:
        """Create the metadata database, or copy the file of ``migrated``, which saves a quarter of a minute."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if migrated is not None:
            shutil.copy(migrated.folder / SQLITE_FILE, self.folder / SQLITE_FILE)
            return
        self.command("db", "migrate")

    def command(self, *words: str) -> str:
        """Run an ``airflow`` command; return what it prints."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "airflow", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

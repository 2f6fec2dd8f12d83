"""The web server of Airflow 2.11, in which everybody may do everything."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

import requests

from tests.airflow.home import AirflowHome
from tests.airflow.scheduler import PROCESS_TREE

# Nobody signs in; `session` lets the page's own requests to the REST API pass.
CONFIGURATION = """\
from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
AUTH_ROLE_PUBLIC = "Admin"
"""


def settings_of_a_web_server() -> dict[str, str]:
    """Return the settings of a web server that listens on a free port of the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
        "AIRFLOW__WEBSERVER__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__WEBSERVER__WORKERS": "1",
        "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_hex(32),
    }


class WebServer:
    """The process and all that it starts, ended together.

    :param home: a migrated home with :func:`settings_of_a_web_server`.
    :param timeout: seconds that the start may take.
    """

    def __init__(self, home: AirflowHome, *, timeout: float = 180) -> None:
        self.url = home.environment["AIRFLOW__WEBSERVER__BASE_URL"]
        self._home = home
        self._timeout = timeout
        self._log = home.folder / "webserver.log"

    def __enter__(self) -> Self:
        (self._home.folder / "webserver_config.py").write_text(CONFIGURATION)
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [
                sys.executable,
                "-P",
                str(PROCESS_TREE),
                json.dumps({str(self._log): [sys.executable, "-m", "airflow", "webserver"]}),
            ],
            env=self._home.environment,
            cwd=self._home.folder,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    def _wait(self) -> None:
        deadline = time.monotonic() + self._timeout
        with requests.Session() as session:
            session.trust_env = False
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    if session.get(f"{self.url}/health", timeout=10).ok:
                        return
                except requests.ConnectionError:
                    time.sleep(0.2)
        self._process.communicate(timeout=60)
        raise TimeoutError(f"the web server did not start:\n{self._log.read_text(errors='replace')[-5000:]}")

"""An operator that does nothing but send one request, as soon as it can."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import DAG, BaseOperator


class SendOneRequest(BaseOperator):
    """Sends an empty request with nothing but a socket."""

    def execute(self, context: Any) -> None:  # noqa: ARG002 - Airflow's own signature
        """Send it and read the answer."""
        parts = urlsplit(os.environ["BLUX_BENCH_STUB"])
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            connection.recv(4096)


with DAG("empty", schedule=None):
    SendOneRequest(task_id="send")

"""A StatsD server that stores what it receives."""

from __future__ import annotations

import secrets
import socket
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self


def settings_of_metrics(listener: StatsdListener) -> dict[str, str]:
    """Return the settings of an Airflow that sends its metrics to a listener, with tags in the format of InfluxDB."""
    return {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(listener.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
    }


class StatsdListener:
    """Listens for datagrams on a free port of the loopback address; each line is ``name:value|kind``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._lines: list[str] = []
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send("stop")
        self._thread.join()
        self._socket.close()

    def clear(self) -> None:
        """Remove all received lines."""
        self._catch_up()
        with self._arrived:
            self._lines.clear()

    def counters(self, prefix: str) -> dict[str, int]:
        """Return the sums of all counters whose names start with ``prefix``."""
        sums: dict[str, int] = defaultdict(int)
        for name, value in self._of_kind("c", prefix):
            sums[name] += int(value)
        return dict(sums)

    def timings(self, prefix: str) -> dict[str, list[float]]:
        """Return the milliseconds of all timings whose names start with ``prefix``."""
        found: dict[str, list[float]] = defaultdict(list)
        for name, value in self._of_kind("ms", prefix):
            found[name].append(value)
        return dict(found)

    def _of_kind(self, kind: str, prefix: str) -> list[tuple[str, float]]:
        self._catch_up()
        with self._arrived:
            parts = [line.rpartition(":") for line in self._lines if line.startswith(prefix)]
        return [(name, float(value.split("|")[0])) for name, _, value in parts if value.split("|")[1] == kind]

    def _catch_up(self) -> None:
        """Wait for everything that was sent before."""
        mark = f"mark.{secrets.token_hex(8)}"
        self._send(mark)
        with self._arrived:
            if not self._arrived.wait_for(lambda: mark in self._lines, timeout=30):
                raise TimeoutError("the listener does not get its own datagram")

    def _send(self, text: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), ("127.0.0.1", self.port))

    def _listen(self) -> None:
        while True:
            text = self._socket.recv(65_536).decode()
            if text == "stop":
                return
            with self._arrived:
                self._lines.extend(text.splitlines())
                self._arrived.notify_all()

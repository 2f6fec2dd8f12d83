"""How a delivery gets on with the limiters that servers use: ``python -m benchmarks.limiters``.

Users are delivered by ``BluxHook`` with its default arguments, 20 requests a second, to a stub with each of the
emulator's kinds of limiter, and to an nginx and a HAProxy in front of a stub without one. No limiter sends
``Retry-After`` unless the stub is told to: as set up here, nginx and HAProxy send none.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.emulator.rates import LIMIT_KINDS
from benchmarks import rows, servers
from benchmarks.home import settle_in
from benchmarks.pace import most_in_any_second, share_of_the_rate
from benchmarks.table import machine, say, table

ENDPOINT = endpoints_for("upsert_users", "application")[0]
RATE = int(ENDPOINT.max_rate)
LEAST_SHARE, MOST_429S = 0.95, 0.01
COLUMNS = ("limiter", "requests", "share of the rate", "429s", "most accepted in 1 s", "goal")
_STARTS_WITHIN = 10

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 8m;
    client_body_buffer_size 8m;
    limit_req_zone $binary_remote_addr zone=blux:1m rate={rate}r/s;
    limit_req_status 429;
    upstream blux {{
        server {upstream};
        keepalive 64;
    }}
    server {{
        listen {address};
        location / {{
            limit_req zone=blux;
            proxy_pass http://blux;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend limited
    bind {address}
    stick-table type ip size 1k expire 10s store http_req_rate(1s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {rate} }}
    default_backend blux
backend blux
    server blux {upstream}
"""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that limits the rate in front of a server.

    :param command: its arguments, with ``{file}`` for the configuration.
    :param package: the Debian package that brings it.
    """

    name: str
    command: Sequence[str]
    configuration: str
    package: str


PROGRAMS = (
    Program(name="nginx", command=("-c", "{file}"), configuration=NGINX, package="nginx-light"),
    Program(name="haproxy", command=("-db", "-f", "{file}"), configuration=HAPROXY, package="haproxy"),
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A limited server while it runs.

    :param server: keeps the journal of what arrived behind the limiter.
    """

    url: str
    server: servers.Server


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each limiter, print the table, and return 1 where a goal is missed."""
    options = _options(arguments)
    measured = []
    with tempfile.TemporaryDirectory(prefix="blux_limiters_") as folder:
        settle_in(Path(folder))
        for name, start in _limiters(options, Path(folder)).items():
            if options.only in name:
                say(f"{name} ...")
                measured.append(_measured(name, start, options.requests) if start else _missing(name))
    say(f"\n{machine()}, latency {options.latency:g} s\n")
    say(table(COLUMNS, measured))
    return int(any(row[-1] == "MISSED" for row in measured))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limiters", description=__doc__)
    parser.add_argument("--requests", type=int, default=600, help="of each run (default: %(default)s)")
    parser.add_argument("--only", default="", help="measure only limiters whose name holds this text")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds until an answer (default: %(default)s)")
    parser.add_argument("--retry-after", type=int, default=0, help="what the stub's 429s say (default: nothing)")
    return parser.parse_args(arguments)


def _limiters(
    options: argparse.Namespace, folder: Path
) -> dict[str, Callable[[], AbstractContextManager[Target]] | None]:
    """Return how to start each limiter by its name; ``None`` for a program that is not installed."""
    limiters: dict[str, Callable[[], AbstractContextManager[Target]] | None] = {}
    for kind in LIMIT_KINDS:
        settings = {"limit_kind": kind, "retry_after": options.retry_after, "latency": options.latency}
        limiters[f"stub, {kind}"] = partial(_stub, settings)
    for program in PROGRAMS:
        path = shutil.which(program.name)
        limiters[program.name] = partial(_in_front, program, path, folder, options.latency) if path else None
    return limiters


def _measured(name: str, start: Callable[[], AbstractContextManager[Target]], requests: int) -> list[object]:
    from airflow_provider_blux.hooks.blux import BluxHook

    with start() as target:
        os.environ["AIRFLOW_CONN_BLUX_DEFAULT"] = servers.connection_json(target.url)
        report = BluxHook().upsert_users(map(rows.user, range(requests * ENDPOINT.max_records)))
        arrivals = target.server.arrivals()
    accepted = [arrived for arrived, status in arrivals if status == 200]
    share = share_of_the_rate(arrivals, RATE)
    refused = report.requests - len(accepted)
    is_reached = share >= LEAST_SHARE and refused <= MOST_429S * report.requests
    return [
        name,
        report.requests,
        f"{share:.2%}",
        refused,
        most_in_any_second(accepted),
        "reached" if is_reached else "MISSED",
    ]


def _missing(name: str) -> list[object]:
    package = next(program.package for program in PROGRAMS if program.name == name)
    return [name, *["-"] * (len(COLUMNS) - 2), f"not installed: apt-get install {package}"]


@contextmanager
def _stub(settings: dict[str, Any]) -> Iterator[Target]:
    with servers.stub(limit=RATE, **settings) as server:
        yield Target(url=server.url, server=server)


@contextmanager
def _in_front(program: Program, path: str, folder: Path, latency: float) -> Iterator[Target]:
    with servers.stub(latency=latency) as server:
        port = _free_port()
        address = f"127.0.0.1:{port}"
        file = folder / f"{program.name}.conf"
        upstream = server.url.removeprefix("http://")
        file.write_text(program.configuration.format(address=address, upstream=upstream, rate=RATE, folder=folder))
        command = [path, *(argument.format(file=file) for argument in program.command)]
        with subprocess.Popen(command) as process:  # noqa: S603 - found on the PATH, with a configuration of our own
            try:
                _wait_for(port, program.name, process)
                yield Target(url=f"http://{address}", server=server)
            finally:
                process.terminate()
                process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait_for(port: int, name: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not start")


if __name__ == "__main__":
    sys.exit(main())

"""The emulator from the command line: ``python -m airflow_provider_blux.emulator``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.emulator.backend import DEMO
from airflow_provider_blux.emulator.rates import LIMIT_KINDS

_STOPPING = {signal.SIGINT, signal.SIGTERM}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_blux.emulator",
        description="Emulate both APIs of Blux, for this machine only unless --host says otherwise.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on, 0.0.0.0 for any (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8088, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--certificate",
        metavar="FOLDER",
        help="answer over TLS; each start writes its new certificate here",
    )
    parser.add_argument(
        "--name",
        dest="names",
        metavar="NAME",
        action="append",
        default=[],
        help="a host name by which clients reach it, for the certificate; may be repeated (default: --host)",
    )
    parser.add_argument("--state", metavar="FILE", help="SQLite file that keeps what arrives (default: only in memory)")
    parser.add_argument("--police-rates", action="store_true", help="answer 429 to more requests than the APIs allow")
    parser.add_argument(
        "--limit-kind",
        choices=LIMIT_KINDS,
        default=LIMIT_KINDS[0],
        help="how requests are counted (default: %(default)s)",
    )
    parser.add_argument("--application-id", default=DEMO.application_id, help="(default: %(default)s)")
    parser.add_argument("--secret-key", default=DEMO.secret_key, help="(default: %(default)s)")
    parser.add_argument("--project-id", default=DEMO.project_id, help="(default: %(default)s)")
    parser.add_argument("--open-api-key", default=DEMO.open_api_key, help="(default: %(default)s)")
    return parser


def _greeting(blux: Emulator) -> str:
    return (
        f"Blux emulator: {blux.url}/\n"
        "Open that address in a browser to see what arrives. To send something, give Airflow this connection:\n\n"
        f"  export AIRFLOW_CONN_BLUX_DEFAULT={shlex.quote(blux.connection_json())}\n\n"
        "Ctrl+C stops it.\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code: 0, or 2 if the emulator cannot start."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    # Blocked before the server's threads start, because they inherit it. A stop signal then waits for `sigwait` below.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        with Emulator(**options) as blux:
            sys.stdout.write(_greeting(blux))
            sys.stdout.flush()
            signal.sigwait(_STOPPING)
    except (OSError, ValueError) as error:
        message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        sys.stderr.write(f"{message}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The settings of a distributed Airflow on loopback, and of the two workers it has."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.cluster.backends import PostgreSQL, Redis

WORKERS = ("worker-1", "worker-2")
#: Tasks that one worker runs at a time.
SLOTS = 4

_DISTRIBUTED = {
    "CORE__EXECUTOR": "CeleryExecutor",
    # Seconds without a heartbeat after which a task counts as lost: how soon a killed worker is noticed.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    # Longer than any task takes: the broker must not hand a task that is running to another worker.
    "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
}
_ALONE = {
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "API__HOST": "127.0.0.1",
    "API__WORKERS": "1",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
}
# For a machine with fewer cores than processes.
_PATIENT = {
    "CELERY__OPERATION_TIMEOUT": "30",
    "CELERY__SYNC_PARALLELISM": "1",
    "WORKERS__EXECUTION_API_TIMEOUT": "30",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
}


def environment(folder: Path, postgresql: PostgreSQL, redis: Redis) -> dict[str, str]:
    """Return the environment of all processes of the cluster."""
    settings = {
        **_DISTRIBUTED,
        **_PATIENT,
        "DATABASE__SQL_ALCHEMY_CONN": postgresql.url,
        "CELERY__RESULT_BACKEND": f"db+{postgresql.url}",
        "CELERY__BROKER_URL": redis.broker_url,
        "CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": redis.prefix,
    }
    return {
        **on_loopback(folder, Path(__file__).parent / "dags", settings),
        "AIRFLOW_CONN_PACE": redis.pace_connection,
        "BLUX_CLUSTER_SLOTS": str(SLOTS * len(WORKERS)),
    }


def on_loopback(folder: Path, dags: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an Airflow: an allowlist, so that nothing of the caller's leaks into it.

    :param folder: its home.
    :param settings: what else is set, without ``AIRFLOW__``.
    """
    url = f"http://127.0.0.1:{free_port()}"
    airflow = {
        **_ALONE,
        "CORE__DAGS_FOLDER": str(dags),
        "API__PORT": url.rpartition(":")[2],
        "API__BASE_URL": url,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        **settings,
    }
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "*",
        "AIRFLOW_HOME": str(folder),
        **{f"AIRFLOW__{name}": value for name, value in airflow.items()},
    }


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

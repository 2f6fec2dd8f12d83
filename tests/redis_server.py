"""The Redis of the tests: the address in ``BLUX_REDIS``, or the default address. Tests are skipped without one."""

from __future__ import annotations

import os
from typing import Any

import pytest

REDIS = os.environ.get("BLUX_REDIS", "redis://127.0.0.1:6379/0")
NOBODY = "redis://127.0.0.1:1/0"


def connected() -> Any:
    """Return a client; skip the test if no Redis answers."""
    redis = pytest.importorskip("redis")
    client = redis.Redis.from_url(REDIS, socket_timeout=5, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.RedisError:
        pytest.skip(f"no Redis answers at {REDIS} (BLUX_REDIS)")
    return client

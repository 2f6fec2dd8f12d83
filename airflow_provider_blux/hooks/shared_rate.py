"""The rate limiter that tasks share through the Redis of an Airflow connection."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import Endpoint
from airflow_provider_blux.api.rate_limiter import RateLimiter
from airflow_provider_blux.api.redis_rate_limiter import RedisRateLimiter
from airflow_provider_blux.delivery.run import Stop
from airflow_provider_blux.delivery.settings import Settings
from airflow_provider_blux.exceptions import BluxConfigError

# Time limit for one call of Redis, in seconds.
_TIMEOUT = 1.0
# The port of a connection without one: Airflow's hook has no default.
_REDIS_PORT = 6379


def shared_limiter(settings: Settings, endpoint: Endpoint, client: BluxClient, stop: Stop) -> RedisRateLimiter | None:
    """Return the rate limiter shared through Redis; ``None`` if the task does not share its rate limit."""
    if settings.rate_limit_conn_id is None:
        return None
    alone = settings.rate_limit_alone
    # One rate limit for each endpoint of each application.
    address = blake2b(client.address(endpoint).encode(), digest_size=8).hexdigest()
    return RedisRateLimiter(
        _redis(settings.rate_limit_conn_id),
        f"blux:pace:{{{endpoint}:{address}}}",  # braces: a hash tag, so that one node of a cluster holds both keys
        settings.rate_limit,
        place=f"the Redis of connection {settings.rate_limit_conn_id}",
        fallback=None if alone is None else RateLimiter(alone, sleep=stop.sleep),
        sleep=stop.sleep,
    )


def _redis(conn_id: str) -> Any:
    try:
        from airflow.providers.redis.hooks.redis import RedisHook
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise BluxConfigError(
            "rate_limit_conn_id needs Airflow's provider for Redis, which cannot be imported. Install it with: "
            "pip install 'airflow-provider-blux[redis]'"
        ) from error
    hook: Any = RedisHook(conn_id)
    if hook.get_connection(conn_id).extra_dejson.get("cluster"):
        raise BluxConfigError(
            f"Connection {conn_id} (rate_limit_conn_id) is a Redis Cluster. A shared rate needs a single server: name "
            "a Redis that is not a cluster."
        )
    redis = hook.get_conn()
    # An unreachable Redis must be noticed early, while the task can still decide what to do.
    redis.get_connection_kwargs().update(
        port=hook.port or _REDIS_PORT,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(ExponentialBackoff(0.5, 0.1), 2),
    )
    return redis

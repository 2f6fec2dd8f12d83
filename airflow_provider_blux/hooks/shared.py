"""The pace that tasks share: an Airflow connection to Redis, and the name by which they find each other there."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from airflow_provider_blux.api.pacing import Pace
from airflow_provider_blux.exceptions import BluxConfigError

if TYPE_CHECKING:
    from airflow_provider_blux.api.access import Access
    from airflow_provider_blux.api.endpoints import Endpoint
    from airflow_provider_blux.api.shared_pace import SharedPace
    from airflow_provider_blux.delivery.settings import Settings
    from airflow_provider_blux.delivery.stopping import Stop

# Of one question to Redis: a task that waits longer for its turn than for its answer is not served by waiting.
_TIMEOUT = 1.0


def shared_pace(settings: Settings, endpoint: Endpoint, access: Access, stop: Stop) -> SharedPace | None:
    """Return the pace of all tasks that name the same Redis; ``None`` where the task keeps to a pace of its own.

    :raises BluxConfigError: Airflow's provider for Redis is missing, or the connection is of another kind of Redis.
    """
    if settings.rate_limit_conn_id is None:
        return None
    from airflow_provider_blux.api.shared_pace import SharedPace

    alone = settings.rate_limit_alone
    return SharedPace(
        _redis(settings.rate_limit_conn_id),
        _key(endpoint, access),
        settings.rate_limit,
        instead=None if alone is None else Pace(alone, sleep=stop.sleep),
        sleep=stop.sleep,
    )


def _key(endpoint: Endpoint, access: Access) -> str:
    """Return a name that all tasks have in common which send to the same operation of the same application."""
    address = blake2b(access.address(endpoint.path).encode(), digest_size=8).hexdigest()
    return f"blux:pace:{endpoint}:{address}"


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
            f"Connection {conn_id} (rate_limit_conn_id) is a Redis Cluster. A pace is kept on one server: name a Redis "
            "that is none."
        )
    redis = hook.get_conn()
    # A Redis that is gone must be noticed while there is still something to decide.
    redis.get_connection_kwargs().update(
        socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(ExponentialBackoff(0.5, 0.1), 2)
    )
    return redis

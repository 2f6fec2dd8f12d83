"""Tasks that share a rate limit: through a connection to Redis, or with a fixed share without Redis."""

from __future__ import annotations

import json
import logging
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.exceptions import BluxConfigError, BluxPaceError
from airflow_provider_blux.hooks.blux import BluxHook
from tests.redis_server import NOBODY, REDIS, connected

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
USERS = [{"user_id": str(number)} for number in range(6)]


class Paces:
    """The rate limiters that a test creates in Redis; others may exist already."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._others = set(client.keys("blux:pace:*"))

    def own(self, what: str = "*") -> set[bytes]:
        """Return the keys that the test has created."""
        return set(self.client.keys(f"blux:pace:*:{what}")) - self._others


@pytest.fixture
def paces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paces]:
    """A Redis and the connection ``pace``, which leads to it."""
    client = connected()
    with client.lock("test:paces", timeout=60):  # against another run of these tests on the same Redis
        paces = Paces(client)
        monkeypatch.setenv("AIRFLOW_CONN_PACE", REDIS)
        yield paces
        if keys := paces.own():
            client.delete(*keys)
    client.close()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ``pace`` to a Redis that does not answer."""
    pytest.importorskip("airflow.providers.redis")
    monkeypatch.setenv("AIRFLOW_CONN_PACE", NOBODY)


def push(**options: Any) -> Any:
    return BluxHook().upsert_users(USERS, batch_size=1, **options)


def test_a_connection_to_redis_is_all_that_sharing_takes(blux_emulator: Emulator, paces: Paces) -> None:
    report = push(rate_limit_conn_id="pace", rate_limit=100)
    (key,) = paces.own("starts")

    assert report.delivered == 6
    assert paces.client.zcard(key) == 6


def test_a_connection_without_a_port_is_to_the_usual_port_of_redis(
    blux_emulator: Emulator, paces: Paces, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ":6379" not in REDIS:
        pytest.skip(f"{REDIS} (BLUX_REDIS) has another port")
    monkeypatch.setenv("AIRFLOW_CONN_PACE", REDIS.replace(":6379", ""))

    assert push(rate_limit_conn_id="pace", rate_limit=100).delivered == 6
    assert len(paces.own("starts")) == 1


def test_the_keys_of_a_pace_are_in_one_slot_of_a_cluster(blux_emulator: Emulator, paces: Paces) -> None:
    from redis.crc import key_slot

    push(rate_limit_conn_id="pace", rate_limit=100)
    keys = paces.own()

    assert len(keys) == 2
    assert len({key_slot(key) for key in keys}) == 1


def test_another_operation_or_application_has_a_pace_of_its_own(
    blux_emulator: Emulator, paces: Paces, connect: Any
) -> None:
    push(rate_limit_conn_id="pace", rate_limit=100)
    (first,) = paces.own("starts")
    BluxHook().delete_users(["1"], rate_limit_conn_id="pace")
    (second,) = paces.own("starts") - {first}
    connect(host=f"http://localhost:{blux_emulator.url.rpartition(':')[2]}/prod")
    push(rate_limit_conn_id="pace", rate_limit=100)
    (third,) = paces.own("starts") - {first, second}

    assert b"delete_users" in second
    assert b"upsert_users" in third


def test_a_refusal_that_says_how_long_to_wait_is_heeded_and_costs_every_task_headroom(
    blux_emulator: Emulator, paces: Paces
) -> None:
    blux_emulator.fault(kind="status", status=429, headers={"Retry-After": "1"}, times=1)
    report = push(rate_limit_conn_id="pace", rate_limit=100)
    (key,) = paces.own("state")

    assert (report.delivered, report.retries) == (6, 1)
    assert report.seconds >= 1
    assert float(paces.client.hget(key, "headroom")) == pytest.approx(0.025, abs=1e-3)


def test_a_dry_run_asks_no_redis(blux_emulator: Emulator, nobody: None) -> None:
    assert push(rate_limit_conn_id="pace", validate_only=True).valid == 6


def test_without_redis_nothing_is_sent(blux_emulator: Emulator, nobody: None) -> None:
    with pytest.raises(BluxPaceError, match=r"Redis does not answer .* Check the Redis of connection pace, or"):
        push(rate_limit_conn_id="pace")

    assert blux_emulator.requests() == []


def test_without_redis_a_task_may_go_on_with_its_share(blux_emulator: Emulator, nobody: None, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        report = push(rate_limit_conn_id="pace", rate_limit=200, rate_limit_share=0.25, rate_limit_fallback="share")

    assert report.delivered == 6
    assert report.seconds >= 5 / 50 - 0.01
    assert "this task sends at most 50 requests/s (its own share)" in caplog.text


def test_a_share_needs_no_redis(blux_emulator: Emulator, connect: Any) -> None:
    connect(extra={"rate_limits": {"upsert_users": 100}})

    report = push(rate_limit_share=0.5)

    assert report.delivered == 6
    assert report.seconds >= 5 / 50 - 0.01


def test_a_connection_that_does_not_exist_is_airflows_own_error(blux_emulator: Emulator) -> None:
    pytest.importorskip("airflow.providers.redis")
    with pytest.raises(AirflowNotFoundException, match="pase"):
        push(rate_limit_conn_id="pase")


def test_a_share_that_would_do_nothing_is_refused(blux_emulator: Emulator) -> None:
    with pytest.raises(BluxConfigError, match="rate_limit_share would have no effect"):
        push(rate_limit_conn_id="pace", rate_limit_share=0.5)


def test_a_redis_cluster_is_refused(blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.providers.redis")
    connection = {"conn_type": "redis", "host": "127.0.0.1", "port": 1, "extra": {"cluster": True}}
    monkeypatch.setenv("AIRFLOW_CONN_PACE", json.dumps(connection))
    with pytest.raises(BluxConfigError, match="is a Redis Cluster"):
        push(rate_limit_conn_id="pace")


def test_a_missing_provider_is_told_with_the_extra_that_brings_it(
    blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.redis.hooks.redis", None)  # Python: cannot be imported
    with pytest.raises(BluxConfigError, match=r"pip install 'airflow-provider-blux\[redis\]'$"):
        push(rate_limit_conn_id="pace")

    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    assert extras["redis"][0].startswith("apache-airflow-providers-redis")

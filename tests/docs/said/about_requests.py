"""Provokes the messages about the connection, and about the answers of Blux."""

from __future__ import annotations

import socket

import pytest

from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxSendEventsOperator
from tests.delivery.pushing import request_of
from tests.docs.said.scene import EVENTS, UNAVAILABLE, USERS, Scene, says
from tests.docs.said.untrusted import UntrustedServer
from tests.redis_server import NOBODY


def send_once(hook: BluxHook | None = None) -> None:
    """Send one request without the retries of a delivery."""
    with (hook or BluxHook()).get_conn() as client:
        endpoint = endpoints_for("upsert_users", "application")[0]
        client.send(request_of(endpoint, USERS))


@says("The conn_id")
def unknown_connection(scene: Scene) -> None:
    BluxHook("nobody").upsert_users(USERS)


@says("Redis does not answer")
def no_redis(scene: Scene) -> None:
    pytest.importorskip("airflow.providers.redis")
    scene.patch.setenv("AIRFLOW_CONN_PACE", NOBODY)
    BluxHook().upsert_users(USERS, rate_limit_conn_id="pace")


@says("Connection … has no credentials")
def no_credentials(scene: Scene) -> None:
    scene.patch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", '{"conn_type": "blux", "login": "a", "password": "b"}')
    BluxHook().send_events(EVENTS)


@says("Connection …: … is set, but")
def half_a_pair(scene: Scene) -> None:
    scene.connect(password="")
    BluxHook().upsert_users(USERS)


@says("Connection …: unknown extra")
def unknown_extra(scene: Scene) -> None:
    scene.connect(extra={"timeouts": 5})
    BluxHook().upsert_users(USERS)


@says("Connection …: host")
def plain_http(scene: Scene) -> None:
    scene.connect(host="http://api.example.com/prod")
    BluxHook().upsert_users(USERS)


@says("Connection …: is of type")
def another_type(scene: Scene) -> None:
    scene.connect(conn_type="http")
    BluxHook().upsert_users(USERS)


@says("Connection …: extra is no")
def extra_of_text(scene: Scene) -> None:
    scene.patch.setenv("AIRFLOW_CONN_BLUX_DEFAULT", '{"conn_type": "blux", "extra": "timeout=30"}')
    BluxHook().upsert_users(USERS)


@says("Connection …: login")
def application_id_with_a_line_break(scene: Scene) -> None:
    scene.connect(login="app\n")
    BluxHook().upsert_users(USERS)


@says("Connection …: requests before")
def refused_later(scene: Scene) -> None:
    scene.blux.fault(kind="status", status=403, skip=1)
    BluxHook().upsert_users(USERS, batch_size=1, concurrency=1)


@says("Connection …: extra rate_limits")
def wrong_rate_limits(scene: Scene) -> None:
    scene.connect(extra={"rate_limits": {"users": 10}})
    BluxHook().upsert_users(USERS)


@says("Connection …: extra verify")
def missing_bundle(scene: Scene) -> None:
    scene.connect(extra={"verify": str(scene.folder / "ca.pem")})
    BluxHook().upsert_users(USERS)


@says("Connection …: The connection holds")
def key_with_a_line_break(scene: Scene) -> None:
    scene.connect(password="key\n")
    BluxHook().upsert_users(USERS)


@says("The … API has no")
def wrong_api(scene: Scene) -> None:
    BluxSendEventsOperator(task_id="send", events=EVENTS, api="application")


@says("The certificate of")
def untrusted_certificate(scene: Scene) -> None:
    with UntrustedServer() as port:
        scene.connect(host=f"https://127.0.0.1:{port}/prod")
        send_once()


@says("Connection …: the credentials are refused")
def wrong_key(scene: Scene) -> None:
    scene.connect(password="another")
    BluxHook().upsert_users(USERS)


@says("Blux answered 404", "Blux answered 307")
def refused_as_such(scene: Scene) -> str:
    said = []
    for status in (404, 307):
        scene.blux.fault(kind="status", status=status, times=1)
        with pytest.raises(Exception, match=str(status)) as raised:
            BluxHook().upsert_users(USERS)
        said.append(str(raised.value))
    return "\n".join(said)


@says("Blux refused")
def wrong_schema(scene: Scene) -> None:
    scene.blux.fault(kind="status", status=400, body={"message": "grade must be a number"})
    BluxHook().upsert_users([{"user_id": str(number)} for number in range(30)])


@says("Blux answered 429")
def busy(scene: Scene) -> None:
    scene.blux.fault(kind="status", status=429, headers={"Retry-After": "0"}, times=1)
    BluxHook().upsert_users(USERS)


@says("Blux answered 503")
def unavailable(scene: Scene) -> None:
    scene.blux.fault(**UNAVAILABLE)
    BluxHook().upsert_users(USERS)


@says("No answer to")
def no_answer(scene: Scene) -> None:
    scene.connect(extra={"timeout": 0.1})
    scene.blux.fault(kind="delay", seconds=60, times=1)
    send_once()


@says("No connection to")
def no_connection(scene: Scene) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        scene.connect(host=f"http://127.0.0.1:{nobody.getsockname()[1]}/prod")
        send_once()


@says("The connection to")
def broken_connection(scene: Scene) -> None:
    scene.blux.fault(kind="reset", times=1)
    send_once()

"""The PostgreSQL and the Redis of a run: looked for, or said to be missing; what it keeps there is its own.

They are found as their own clients do it: PGHOST, PGPORT, PGUSER, PGPASSWORD, and BLUX_REDIS, which is a URL.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from urllib.parse import quote, urlsplit

_WAIT_SECONDS = 5
_REDIS_PORT = 6379


@dataclass(frozen=True, kw_only=True)
class PostgreSQL:
    """A PostgreSQL server, and the database that a run has of its own there."""

    host: str = field(default_factory=lambda: os.environ.get("PGHOST", "127.0.0.1"))
    port: int = field(default_factory=lambda: int(os.environ.get("PGPORT", "5432")))
    user: str = field(default_factory=lambda: os.environ.get("PGUSER", "postgres"))
    password: str = field(default_factory=lambda: os.environ.get("PGPASSWORD", ""), repr=False)
    database: str = field(default_factory=lambda: f"blux_cluster_{os.getpid()}")

    @property
    def url(self) -> str:
        """The database of the run, as SQLAlchemy names it."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql+psycopg2://{quote(self.user)}{secret}@{self.host}:{self.port}/{self.database}"

    def missing(self) -> str | None:
        """Say what is missing, and how to start it; nothing when it answers."""
        import psycopg2

        try:
            self._connect().close()
        except psycopg2.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            return (
                f"PostgreSQL: none answers at {self.host}:{self.port} to user {self.user} ({reason}).\n"
                "  PGHOST, PGPORT, PGUSER and PGPASSWORD name another. The user must be allowed to create databases.\n"
                "  To start one: initdb -D FOLDER -U postgres -A trust && "
                f"pg_ctl -D FOLDER -o '-h 127.0.0.1 -p {self.port} -k /tmp' -w start"
            )
        return None

    @contextmanager
    def database_of_its_own(self) -> Iterator[None]:
        """Create the database, and drop it in the end."""
        self._execute(f'CREATE DATABASE "{self.database}"')
        try:
            yield
        finally:
            self._execute(f'DROP DATABASE "{self.database}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with closing(self._connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def _connect(self) -> Any:
        import psycopg2

        return psycopg2.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname="postgres",
            connect_timeout=_WAIT_SECONDS,
        )


@dataclass(frozen=True, kw_only=True)
class Redis:
    """A Redis server.

    :param broker: number of the database for Celery's queues.
    :param pace: number of the database for the pace that the tasks share.
    """

    broker: int
    pace: int
    url: str = field(default_factory=lambda: os.environ.get("BLUX_REDIS", "redis://127.0.0.1:6379/0"), repr=False)
    #: Begins the name of every key of the broker's, so that nobody else's queue is read or removed.
    prefix: str = field(default_factory=lambda: f"blux_cluster_{os.getpid()}.")

    @property
    def broker_url(self) -> str:
        """Where Celery's queues are."""
        return self._url(self.broker)

    @property
    def pace_connection(self) -> str:
        """The Airflow connection to the shared pace, whose keys are the emulator's own and expire after an hour.

        Airflow's hook reads the number of the database from the extras, not from the path of a URL.
        """
        parts = urlsplit(self.url)
        connection = {
            "conn_type": "redis",
            "host": parts.hostname,
            "port": parts.port or _REDIS_PORT,
            "login": parts.username,
            "password": parts.password,
            "extra": {"db": self.pace, "ssl": parts.scheme == "rediss"},
        }
        return json.dumps(connection)

    def missing(self) -> str | None:
        """Say what is missing, and how to start it; nothing when it answers."""
        from redis.exceptions import RedisError

        parts = urlsplit(self.url)
        host, port = parts.hostname, parts.port or _REDIS_PORT
        try:
            for number in (self.broker, self.pace):
                with closing(self._client(self._url(number))) as client:
                    client.ping()
        except RedisError as error:
            return (
                f"Redis: none answers at {host}:{port} ({type(error).__name__}).\n"
                "  BLUX_REDIS names another, as redis://127.0.0.1:6379/0.\n"
                f"  To start one: redis-server --bind 127.0.0.1 --port {port} --save '' --daemonize yes"
            )
        return None

    @contextmanager
    def queues_of_its_own(self) -> Iterator[None]:
        """Remove what the broker has left in the end."""
        try:
            yield
        finally:
            with closing(self._client(self.broker_url)) as client:
                for key in client.scan_iter(match=f"{self.prefix}*"):
                    client.delete(key)

    def _url(self, number: int) -> str:
        return urlsplit(self.url)._replace(path=f"/{number}").geturl()

    def _client(self, url: str) -> Any:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            url,
            socket_timeout=_WAIT_SECONDS,
            socket_connect_timeout=_WAIT_SECONDS,
            retry=Retry(NoBackoff(), retries=0),
        )


def missing(postgresql: PostgreSQL, redis: Redis) -> list[str]:
    """Say everything that a run needs and does not find here."""
    said = []
    try:
        distribution("apache-airflow-providers-celery")
    except PackageNotFoundError:
        said.append("Airflow's provider for Celery: not in this environment. Run: make cluster-test")
    return [*said, *filter(None, (postgresql.missing(), redis.missing()))]

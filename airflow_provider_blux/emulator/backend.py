"""The state shared by the two APIs and the control plane: credentials, settings, records, faults."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_blux.emulator.endpoints import APPLICATION_PREFIX
from airflow_provider_blux.emulator.faults import FaultPlan
from airflow_provider_blux.emulator.rates import DEFAULT_RATES, LIMIT_KINDS, Limiters, LimitKind, rates_by_key
from airflow_provider_blux.emulator.store import Store


@dataclass(frozen=True, kw_only=True)
class Address:
    """The address of an emulator.

    :param url: URL of the Open API, without a slash at the end.
    :param names: host names by which clients reach the emulator. Those of loopback (``localhost``) need not be named.
    :param verify: path of the file with the emulator's certificate; ``None`` without TLS.
    """

    url: str
    names: tuple[str, ...] = ()
    verify: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The credentials that a client must send."""

    application_id: str = "demo-app"
    secret_key: str = field(default="demo-secret-key", repr=False)
    project_id: str = "demo-project"
    open_api_key: str = field(default="demo-open-api-key", repr=False)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, str) or not value:
                raise ValueError(f"{name} must be text and not empty: no client could send it")

    def connection(self, address: Address) -> dict[str, Any]:
        """Return the Airflow connection to an emulator at ``address``."""
        extra = {"open_api_url": address.url, "project_id": self.project_id, "open_api_key": self.open_api_key}
        if address.verify:
            extra["verify"] = str(address.verify)
        return {
            "conn_type": "blux",
            "host": f"{address.url}{APPLICATION_PREFIX}",
            "login": self.application_id,
            "password": self.secret_key,
            "extra": extra,
        }


DEMO = Credentials()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The behaviour of the emulator, apart from faults.

    :param police_rates: whether requests above ``rates`` are answered with 429.
    :param limit_kind: the kind of limiter, see :mod:`airflow_provider_blux.emulator.rates`.
    :param retry_after: seconds that a 429 asks to wait; ``None`` for a 429 without ``Retry-After``.
    :param rates: maximum number of requests in a second, by API and operation (``open.send_events``) or by operation
        alone for both APIs. An operation that is absent gets its rate from ``DEFAULT_RATES``.
    :param latency: seconds that every request to the two APIs waits after the check of its credentials.
    :param seed: seed of the random numbers that faults use.
    """

    police_rates: bool = False
    limit_kind: LimitKind = "sliding_second"
    retry_after: int | None = 1
    rates: Mapping[str, int] = field(default_factory=dict)
    latency: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.police_rates, bool):
            raise ValueError("police_rates must be true or false")  # noqa: TRY004 - a wrong value like any other
        if self.limit_kind not in LIMIT_KINDS:
            raise ValueError(f"limit_kind must be one of {', '.join(LIMIT_KINDS)}")
        if self.retry_after is not None and (type(self.retry_after) is not int or self.retry_after < 0):
            raise ValueError("retry_after must be a whole number of seconds, or null")
        if not isinstance(self.rates, Mapping):
            raise ValueError("rates must be an object of whole numbers by operation")  # noqa: TRY004
        if isinstance(self.latency, bool) or not isinstance(self.latency, int | float) or not 0 <= self.latency < 3600:
            raise ValueError("latency must be a number of seconds")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ValueError("seed must be a whole number")  # noqa: TRY004
        object.__setattr__(self, "rates", {**DEFAULT_RATES, **rates_by_key(self.rates)})

    def as_json(self) -> dict[str, Any]:
        """Return the settings as the control plane shows them."""
        return {**vars(self), "rates": dict(self.rates)}


class Backend:
    """The state of one emulator: what it has received, its settings and its faults.

    :param state: SQLite file that stores what was received; ``None`` to lose it when the process ends. Settings and
        faults are not stored.
    :param settings: the settings at the start and after a reset.
    """

    def __init__(self, *, address: Address, credentials: Credentials, settings: Settings, state: Path | None) -> None:
        self.address = address
        self.credentials = credentials
        self.settings = settings
        self._start_settings = settings
        self._rng = random.Random(settings.seed)  # noqa: S311 - only for faults
        # Converts monotonic times to Unix times. The monotonic clock cannot be set back, but a state file outlives it.
        self.epoch = time.time() - time.monotonic()
        self.limiters = Limiters()
        self.faults = FaultPlan(self._rng)
        self.store = Store(state)
        self.lock = self.store.lock
        for operation, arrived in self.store.arrivals():
            self.limiters.arrive(operation, arrived)
        # Number of resets. A request that arrived before a reset and is processed after it is dropped.
        self.resets = 0
        self.stopping = threading.Event()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def reset(self) -> None:
        """Delete everything received and all faults; restore the settings of the start."""
        with self.lock:
            self.resets += 1
            self.store.clear()
            self.limiters.clear()
            self.faults.clear()
            self._apply(self._start_settings)

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Change the given settings; all others keep their values.

        A rate that is absent from ``rates`` also keeps its value. A given ``seed`` restarts the random numbers.

        :raises ValueError: a setting is unknown, or its value is wrong.
        """
        current = self.settings.as_json()
        for name in changes:
            if name not in current:
                raise ValueError(f"{name} is not one of the settings {', '.join(current)}")
        new = {**current, **changes}
        if isinstance(changes.get("rates"), Mapping):
            new["rates"] = {**current["rates"], **rates_by_key(changes["rates"])}
        self._apply(Settings(**new), reseed="seed" in changes)

    def state(self) -> dict[str, Any]:
        """Return ``counts``, ``requests`` and ``max_requests_in_one_second``, which ``Emulator.state`` explains."""
        return {
            "counts": self.store.counts(),
            "requests": self.store.totals(),
            "max_requests_in_one_second": self.limiters.peaks(),
        }

    def _apply(self, settings: Settings, *, reseed: bool = True) -> None:
        self.settings = settings
        if reseed:
            self._rng.seed(settings.seed)

"""Answers the requests of both APIs.

Each request goes through these steps. A number in parentheses is the status of a request that the step refuses.

1. Count its arrival.
2. Check the credentials (401).
3. Wait for ``latency`` and ``delay`` faults.
4. Apply ``status`` and ``reset`` faults whose field ``processed`` is false.
5. Check the rate, if ``police_rates`` is set (429).
6. Check the Content-Type, the JSON and the list of records (400).
7. Apply ``too_large`` faults (413).
8. Check the length of the list, then every record (400).
9. Apply ``refuse`` faults (400).
10. Store all records, or none.
11. Apply ``truncate`` faults, and ``status`` and ``reset`` faults whose field ``processed`` is true.
12. Store the request itself, with its status and faults.
13. Answer it.

A request that is refused, or struck in step 4, continues with step 12. So the faults of step 11 do not see it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from airflow_provider_blux.emulator import shapes
from airflow_provider_blux.emulator.backend import Backend
from airflow_provider_blux.emulator.endpoints import ENDPOINTS, Endpoint
from airflow_provider_blux.emulator.faults import Fault, Moment
from airflow_provider_blux.emulator.messages import RESET, Answer, Request, Route, json_answer, phrase, text_answer
from airflow_provider_blux.emulator.shapes import RefusedError
from airflow_provider_blux.emulator.store import USERS_OF

_OK: Final = {"message": "ok"}


@dataclass(kw_only=True)
class _Exchange:
    """One request while it is processed.

    :param arrived: Unix time of arrival.
    :param resets: number of the emulator's resets when the request arrived.
    :param size: length of the body in bytes.
    :param refusal: why the Content-Type, the JSON or the list of records is refused; ``None`` if they are correct.
    :param faults: kinds of the faults that struck the request.
    """

    endpoint: Endpoint
    arrived: float
    is_above_rate: bool
    resets: int
    size: int = 0
    records: list[Any] = field(default_factory=list)
    refusal: RefusedError | None = None
    faults: list[str] = field(default_factory=list)


class Wire:
    """Answers the requests of both APIs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        """Return a route for every endpoint."""
        return [Route("POST", endpoint.path, partial(self._answer, endpoint)) for endpoint in ENDPOINTS]

    def _answer(self, endpoint: Endpoint, request: Request) -> Answer:
        backend = self._backend
        arrived = request.arrived + backend.epoch
        settings, key = backend.settings, endpoint.rate_key
        exchange = _Exchange(
            endpoint=endpoint,
            arrived=arrived,
            is_above_rate=not backend.limiters.admits(settings.limit_kind, key, settings.rates[key], arrived),
            resets=backend.resets,
        )
        try:
            answer = self._process(exchange, request)
        except RefusedError as refused:
            answer = json_answer({"message": refused.message}, refused.status, refused.headers)
        except OSError:  # the client has closed the connection in the middle of its body
            answer = RESET
        with backend.lock:
            if exchange.resets == backend.resets:
                backend.store.note_request(
                    arrived=arrived,
                    api=endpoint.api,
                    operation=endpoint.operation,
                    records=len(exchange.records),
                    status=answer.status,
                    fault="+".join(exchange.faults) or None,
                )
        return answer

    def _process(self, exchange: _Exchange, request: Request) -> Answer:
        body = request.body()
        exchange.size = len(body)
        try:  # parsed first, so that the number of records is recorded for every request; a refusal is raised later
            shapes.check_media_type(request.headers)
            exchange.records = shapes.listed(shapes.parse(body), exchange.endpoint.list_key)
        except RefusedError as refused:
            exchange.refusal = refused
        self._authenticate(exchange.endpoint, request)
        # One request at a time: no reset comes in between, and the same seed gives the same random faults.
        with self._backend.lock:
            delay = self._backend.faults.delay(exchange.endpoint)
            if delay:
                exchange.faults.append("delay")
            if not (seconds := self._backend.settings.latency + delay):
                return self._decide(exchange)
        self._backend.stopping.wait(seconds)
        with self._backend.lock:
            return self._decide(exchange)

    def _decide(self, exchange: _Exchange) -> Answer:
        settings, endpoint = self._backend.settings, exchange.endpoint
        if exchange.resets != self._backend.resets or self._backend.stopping.is_set():
            return RESET
        if fault := self._strike("arrival", exchange):
            return _fault_answer(fault)
        if settings.police_rates and exchange.is_above_rate:
            headers = None if settings.retry_after is None else {"Retry-After": str(settings.retry_after)}
            raise RefusedError(f"more than {settings.rates[endpoint.rate_key]} requests a second", 429, headers)
        if exchange.refusal:
            raise exchange.refusal
        self._check(exchange)
        self._store(exchange)
        accepted = json_answer(_OK, 202 if endpoint.api == "open" else 200)
        if fault := self._strike("stored", exchange):
            return replace(accepted, is_truncated=True) if fault.kind == "truncate" else _fault_answer(fault)
        return Answer(status=202) if endpoint.api == "open" else accepted

    def _authenticate(self, endpoint: Endpoint, request: Request) -> None:
        credentials = self._backend.credentials
        if endpoint.api == "application":
            given: tuple[Any, ...] = request.parts["application_id"], request.headers.get("authorization")
            wanted: tuple[Any, ...] = credentials.application_id, credentials.secret_key
        else:
            given = request.parameters().get("project_id"), request.headers.get("authorization")
            wanted = [credentials.project_id], f"Bearer {credentials.open_api_key}"
        if given != wanted:
            raise RefusedError("Unauthorized", 401)

    def _check(self, exchange: _Exchange) -> None:
        endpoint, records = exchange.endpoint, exchange.records
        if self._strike("size", exchange):
            raise RefusedError("the request is too large", 413)
        if len(records) > endpoint.max_records:
            raise RefusedError(f"{endpoint.list_key} must not hold more than {endpoint.max_records} records")
        for index, record in enumerate(records):
            endpoint.shape(record, endpoint.where(index))
        if fault := self._strike("records", exchange):
            index = next(index for index, record in enumerate(records) if _carries(record, fault))
            echo = f": {json.dumps(records[index], ensure_ascii=False)}" if fault.echo else ""
            raise RefusedError(f"{endpoint.where(index)} is refused{echo}")

    def _strike(self, moment: Moment, exchange: _Exchange) -> Fault | None:
        records = exchange.records

        def applies(fault: Fault) -> bool:
            if fault.kind == "too_large":
                return _exceeds(len(records), fault.records) or _exceeds(exchange.size, fault.bytes)
            return fault.kind != "refuse" or any(_carries(record, fault) for record in records)

        fault = self._backend.faults.strike(moment, exchange.endpoint, applies)
        if fault:
            exchange.faults.append(fault.kind)
        return fault

    def _store(self, exchange: _Exchange) -> None:
        store, endpoint, records = self._backend.store, exchange.endpoint, exchange.records
        match endpoint.operation:
            case "upsert_users":
                store.upsert(USERS_OF[endpoint.api], records)
            case "delete_users":
                store.delete_users(endpoint.api, records, exchange.arrived)
            case "send_events":
                store.append_events(records)
            case _:
                store.upsert("devices", records)


def _fault_answer(fault: Fault) -> Answer:
    if fault.kind == "reset":
        return RESET
    if isinstance(fault.body, str):
        return text_answer(fault.body, "text/plain; charset=utf-8", fault.status, fault.headers)
    body = {"message": phrase(fault.status)} if fault.body is None else fault.body
    return json_answer(body, fault.status, fault.headers)


def _exceeds(number: int, limit: int | None) -> bool:
    return limit is not None and number > limit


def _carries(record: Any, fault: Fault) -> bool:
    ids = [record] if isinstance(record, str) else [record.get("user_id"), record.get("device_id")]
    return any(one in fault.ids for one in ids)

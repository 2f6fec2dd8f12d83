"""The two APIs as a client meets them.

The order of things, for every request: its arrival is counted · the credentials are checked (401) · it is held, by
``latency`` and delay faults · faults that strike on arrival · the rates, if they are policed (429) · Content-Type,
JSON and the list (400) · too_large faults (413) · the list's limit, then every record (400) · refuse faults (400) · it
is stored, whole or not at all · faults that strike once it is stored · it is noted in the journal · it is answered.
A fault that strikes after storing passes a request by that is refused before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_blux.emulator import shapes
from airflow_provider_blux.emulator.backend import Backend
from airflow_provider_blux.emulator.connection import Reset, Truncated
from airflow_provider_blux.emulator.endpoints import ENDPOINTS, Endpoint
from airflow_provider_blux.emulator.faults import Fault, Moment
from airflow_provider_blux.emulator.model import USERS_OF
from airflow_provider_blux.emulator.shapes import RefusedError

_OK: Final = {"message": "ok"}


@dataclass(kw_only=True)
class _Exchange:
    """One request on its way to an answer."""

    endpoint: Endpoint
    arrived: float
    is_above_rate: bool
    resets: int
    records: int = 0
    faults: list[str] = field(default_factory=list)


class Wire:
    """Answers the requests of both APIs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[Route]:
        """Return a route for every endpoint."""
        return [
            Route(endpoint.path, partial(self._answer, endpoint), methods=["POST"], name=endpoint.path)
            for endpoint in ENDPOINTS
        ]

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        backend = self._backend
        arrived = request.scope["state"]["arrived"] + backend.epoch
        settings, key = backend.settings, endpoint.rate_key
        exchange = _Exchange(
            endpoint=endpoint,
            arrived=arrived,
            is_above_rate=not backend.limiters.admits(settings.limit_kind, key, settings.rates[key], arrived),
            resets=backend.resets,
        )
        try:
            response = await self._process(exchange, request)
        except RefusedError as refused:
            response = JSONResponse({"message": refused.message}, refused.status, refused.headers)
        except ClientDisconnect:  # in the middle of its body
            response = Reset()
        if exchange.resets == backend.resets:
            backend.journal.note(
                arrived=arrived,
                api=endpoint.api,
                operation=endpoint.operation,
                records=exchange.records,
                status=None if isinstance(response, Reset) else response.status_code,
                fault="+".join(exchange.faults) or None,
            )
        return response

    async def _process(self, exchange: _Exchange, request: Request) -> Response:
        body = await request.body()
        refusal: RefusedError | None = None
        records: list[Any] = []
        try:  # here, so that the journal knows the number of records of every request; answered when it is its turn
            payload = shapes.parse(body, request.headers.get("content-type", ""))
            records = shapes.listed(payload, exchange.endpoint.list_key)
            exchange.records = len(records)
        except RefusedError as refused:
            refusal = refused
        self._authenticate(exchange.endpoint, request)
        await self._hold(exchange)
        if exchange.resets != self._backend.resets or self._backend.stopping.is_set():
            return Reset()
        if fault := self._strike("arrival", exchange):
            return _fault_answer(fault)
        self._police(exchange)
        if refusal:
            raise refusal
        self._check(exchange, records, len(body))
        self._store(exchange, records)
        if fault := self._strike("stored", exchange):
            return Truncated(_OK, _success(exchange)) if fault.kind == "truncate" else _fault_answer(fault)
        if exchange.endpoint.api == "open":
            return Response(status_code=_success(exchange))
        return JSONResponse(_OK, _success(exchange))

    def _authenticate(self, endpoint: Endpoint, request: Request) -> None:
        credentials = self._backend.credentials
        if endpoint.api == "application":
            given = request.path_params["application_id"], request.headers.get("authorization")
            wanted: tuple[Any, ...] = credentials.application_id, credentials.secret_key
        else:
            given = request.query_params.getlist("project_id"), request.headers.get("authorization")
            wanted = [credentials.project_id], f"Bearer {credentials.open_api_key}"
        if given != wanted:
            raise RefusedError("Unauthorized", 401)

    async def _hold(self, exchange: _Exchange) -> None:
        delay = self._backend.faults.delay(exchange.endpoint)
        if delay:
            exchange.faults.append("delay")
        await self._backend.pause(self._backend.settings.latency + delay)

    def _police(self, exchange: _Exchange) -> None:
        settings = self._backend.settings
        if settings.police_rates and exchange.is_above_rate:
            limit, seconds = settings.rates[exchange.endpoint.rate_key], settings.retry_after
            headers = None if seconds is None else {"Retry-After": str(seconds)}
            raise RefusedError(f"more than {limit} requests a second", 429, headers)

    def _check(self, exchange: _Exchange, records: list[Any], size: int) -> None:
        endpoint = exchange.endpoint
        if self._strike("size", exchange, records, size):
            raise RefusedError("the request is too large", 413)
        if len(records) > endpoint.max_records:
            raise RefusedError(f"{endpoint.list_key} must not hold more than {endpoint.max_records} records")
        for index, record in enumerate(records):
            endpoint.shape(record, endpoint.where(index))
        if fault := self._strike("records", exchange, records):
            index = next(index for index, record in enumerate(records) if _carries(record, fault))
            echo = f": {json.dumps(records[index], ensure_ascii=False)}" if fault.echo else ""
            raise RefusedError(f"{endpoint.where(index)} is refused{echo}")

    def _strike(
        self, moment: Moment, exchange: _Exchange, records: list[Any] | None = None, size: int = 0
    ) -> Fault | None:
        def applies(fault: Fault) -> bool:
            if fault.kind == "too_large":
                return _exceeds(len(records or ()), fault.records) or _exceeds(size, fault.bytes)
            return fault.kind != "refuse" or any(_carries(record, fault) for record in records or ())

        fault = self._backend.faults.strike(moment, exchange.endpoint, applies)
        if fault:
            exchange.faults.append(fault.kind)
        return fault

    def _store(self, exchange: _Exchange, records: list[Any]) -> None:
        model, endpoint = self._backend.model, exchange.endpoint
        match endpoint.operation:
            case "upsert_users":
                model.upsert(USERS_OF[endpoint.api], records)
            case "delete_users":
                model.delete_users(endpoint.api, records, exchange.arrived)
            case "send_events":
                model.append_events(records)
            case _:
                model.upsert("devices", records)


def _success(exchange: _Exchange) -> int:
    return 202 if exchange.endpoint.api == "open" else 200


def _fault_answer(fault: Fault) -> Response:
    if fault.kind == "reset":
        return Reset()
    headers = dict(fault.headers or {})
    if isinstance(fault.body, str):
        return Response(fault.body, fault.status, headers, media_type="text/plain")
    if fault.body is not None:
        return JSONResponse(fault.body, fault.status, headers)
    if fault.status in {204, 304}:
        return Response(None, fault.status, headers)
    return JSONResponse({"message": _phrase(fault.status)}, fault.status, headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"


def _exceeds(number: int, limit: int | None) -> bool:
    return limit is not None and number > limit


def _carries(record: Any, fault: Fault) -> bool:
    return any(record_id in fault.ids for record_id in _ids_of(record))


def _ids_of(record: str | Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(record, str):
        yield record
    else:
        yield record.get("user_id")
        yield record.get("device_id")

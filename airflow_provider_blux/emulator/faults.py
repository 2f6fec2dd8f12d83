"""The plan of faults: which requests fail, and how.

A fault is a JSON object. These fields choose the requests that it strikes: ``operation`` and ``api`` (any by default),
``skip`` (number of matching requests that pass first), ``times`` (maximum number of requests that it strikes; no limit
by default), ``probability`` (of striking each matching request after those, from 0 to 1; 1 by default). The ``kind``
decides what happens to a request that the fault strikes:

============= ======================================================================================================
``status``    it is answered with ``status``, ``headers`` and ``body``; if ``processed`` is true, it is stored first
``delay``     it waits ``seconds``, or a random time from ``seconds`` to ``seconds_max``; then it is processed as usual
``reset``     its connection is reset before it is stored; if ``processed`` is true, after it is stored
``truncate``  it is stored, and its connection is closed in the middle of the answer
``refuse``    it is answered with 400 if a record has one of ``ids``; if ``echo`` is true, the answer repeats the record
``too_large`` it is answered with 413 if it has more than ``records`` records or ``bytes`` bytes
============= ======================================================================================================
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from airflow_provider_blux.emulator.endpoints import APIS, ENDPOINTS, OPERATIONS, Endpoint
from airflow_provider_blux.emulator.messages import NO_BODY

# When a fault takes effect: before a request is answered (`delay`), on its arrival, when its size is known, when its
# records are known, or after they were stored.
Moment = Literal["delay", "arrival", "size", "records", "stored"]
# The kinds without the field `processed`.
_MOMENTS: Final[Mapping[str, Moment]] = {
    "delay": "delay",
    "truncate": "stored",
    "refuse": "records",
    "too_large": "size",
}
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\xa0-\xff]*")
# The server computes these; another value would only break the server's own connection.
_FRAMING: Final = ("content-length", "transfer-encoding", "connection")


@dataclass(kw_only=True)
class Fault:
    """A rule of the emulator that makes matching requests fail or wait; the module's docstring explains the fields.

    A field that does not belong to the ``kind`` keeps its default.

    :param seen: number of matching requests so far, including skipped ones.
    :param struck: number of those on which the fault took effect. When it reaches ``times``, the fault has ended, and
        later requests are not counted.
    """

    kind: str
    operation: str | None = None
    api: str | None = None
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    status: int = 0
    headers: Mapping[str, str] | None = None
    body: Any = None
    processed: bool = False
    seconds: float = 0.0
    seconds_max: float | None = None
    ids: tuple[str, ...] = ()
    echo: bool = False
    records: int | None = None
    bytes: int | None = None
    seen: int = 0
    struck: int = 0

    @property
    def moment(self) -> Moment:
        """Return the step of a request's processing at which the fault takes effect."""
        return _MOMENTS.get(self.kind, "stored" if self.processed else "arrival")

    def concerns(self, endpoint: Endpoint) -> bool:
        """Return whether the ``operation`` and ``api`` of the fault match ``endpoint``."""
        return self.operation in {None, endpoint.operation} and self.api in {None, endpoint.api}

    def strikes(self, rng: random.Random) -> bool:
        """Count a matching request, unless the fault has ended; return whether the fault strikes the request."""
        if self.times is not None and self.struck >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.skip or rng.random() >= self.probability:
            return False
        self.struck += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Return the fault as JSON: the fields that belong to its ``kind``, and the counts ``seen`` and ``struck``."""
        needed, possible = _KINDS[self.kind]
        fields = asdict(self)
        return {name: fields[name] for name in (*_COMMON, *needed, *possible, "seen", "struck")}


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _headers(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and _HEADER_NAME.fullmatch(name)
        and name.lower() not in _FRAMING
        and isinstance(content, str)
        and _HEADER_VALUE.fullmatch(content)
        for name, content in value.items()
    )


def _ids(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(i, str) and i for i in value)


def _json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


_FIELDS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "operation": (lambda value: value in OPERATIONS, f"one of {', '.join(OPERATIONS)}"),
    "api": (lambda value: value in APIS, f"one of {', '.join(APIS)}"),
    "times": (_whole(1), "a whole number above zero"),
    "skip": (_whole(0), "a whole number"),
    "probability": (lambda value: _number(value) and value <= 1, "a number from 0 to 1"),
    "status": (lambda value: _whole(200)(value) and value < 600, "a status from 200 to 599"),
    "headers": (_headers, f"an object of valid headers without {', '.join(_FRAMING)}"),
    "body": (_json, "a value that JSON can hold, or text"),
    "processed": (lambda value: isinstance(value, bool), "true or false"),
    "seconds": (_number, "a number of seconds"),
    "seconds_max": (_number, "a number of seconds"),
    "ids": (_ids, "a list of ids, not empty, each of them text"),
    "echo": (lambda value: isinstance(value, bool), "true or false"),
    "records": (_whole(0), "a whole number"),
    "bytes": (_whole(0), "a whole number"),
}
_COMMON: Final = ("kind", "operation", "api", "times", "skip", "probability")
# For each kind: its required fields, and its optional fields.
_KINDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "status": (("status",), ("headers", "body", "processed")),
    "delay": (("seconds",), ("seconds_max",)),
    "reset": ((), ("processed",)),
    "truncate": ((), ()),
    "refuse": (("ids",), ("echo",)),
    "too_large": ((), ("records", "bytes")),
}


def fault_from(source: Any) -> Fault:
    """Return the fault that a JSON object describes.

    :raises ValueError: the object is not a valid fault; the message says what is wrong.
    """
    if not isinstance(source, dict):
        raise ValueError("a fault must be an object")  # noqa: TRY004 - a wrong value like any other
    kind = source.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}")
    needed, possible = _KINDS[kind]
    # A null counts as not given: the plan shows the fields of a fault that were not given as nulls.
    given = {name: value for name, value in source.items() if value is not None}
    for name in given:
        if name not in {*_COMMON, *needed, *possible}:
            raise ValueError(f"{name} is not a field of a {kind} fault")
    for name in needed:
        if name not in given:
            raise ValueError(f"a {kind} fault needs {name}")
    for name, value in given.items():
        if name != "kind" and not _FIELDS[name][0](value):
            raise ValueError(f"{name} must be {_FIELDS[name][1]}")
    if "ids" in given:
        given["ids"] = tuple(given["ids"])
    fault = Fault(**given)
    _check_sense(fault)
    return fault


def _check_sense(fault: Fault) -> None:
    if fault.kind == "too_large" and fault.records is None and fault.bytes is None:
        raise ValueError("a too_large fault needs records or bytes")
    if fault.seconds_max is not None and fault.seconds_max < fault.seconds:
        raise ValueError("seconds_max must not be below seconds")
    if not any(map(fault.concerns, ENDPOINTS)):
        raise ValueError(f"the {fault.api} API has no {fault.operation}, so the fault would never strike")
    if fault.status in NO_BODY and fault.body is not None:
        raise ValueError(f"a {fault.status} answer has no body")


class FaultPlan:
    """The planned faults, in order.

    Faults strike at certain steps of processing a request, such as before or after its records are stored. If several
    faults could strike a request at the same step, only the first one does, and the others do not count the request.
    ``delay`` faults are the exception: all of them strike, and their delays add up.

    :meth:`strike` and :meth:`delay`, which count the request, are called with the lock of the emulator.

    :param rng: source of random numbers; seeded, so that a run can be repeated.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault at the end of the plan."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return the plan, with how many matching requests each fault has ``seen`` and ``struck``."""
        return [fault.as_json() for fault in self._faults]

    def strike(self, moment: Moment, endpoint: Endpoint, applies: Callable[[Fault], bool]) -> Fault | None:
        """Return the first fault that strikes a request to ``endpoint`` at ``moment``; ``None`` if none does.

        The request is counted by all matching faults up to the returned one.

        :param applies: returns whether a fault matches the size and the records of the request.
        """
        return next(self._striking(moment, endpoint, applies), None)

    def delay(self, endpoint: Endpoint) -> float:
        """Count a request to ``endpoint`` and return how many seconds it must wait.

        All ``delay`` faults for the endpoint count the request. The delays of those that strike it are added up.
        """
        return sum(
            self._rng.uniform(fault.seconds, fault.seconds_max or fault.seconds)
            for fault in self._striking("delay", endpoint, lambda _: True)
        )

    def _striking(self, moment: Moment, endpoint: Endpoint, applies: Callable[[Fault], bool]) -> Iterator[Fault]:
        for fault in self._faults:
            if fault.moment == moment and fault.concerns(endpoint) and applies(fault) and fault.strikes(self._rng):
                yield fault

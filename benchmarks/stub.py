"""The cheapest server that can hold a client to a rate: reads requests, polices their rate, answers.

``python -m benchmarks.stub``. The emulator looks into every record, which at 300,000 ids a second is more than one
process can do; this server counts bytes. ``GET /arrivals`` tells when each request arrived, in Unix time, and how it
was answered; ``GET /in-flight`` how many were there at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from airflow_provider_blux.emulator.rates import LIMIT_KINDS, Limiters, LimitKind
from benchmarks.table import say

_END_OF_HEAD = b"\r\n\r\n"
_ACCEPTED = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"message":"ok"}'
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\n%bContent-Length: 0\r\n\r\n"
_REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
# Unix time by a clock that cannot be set back, as the emulator's.
_EPOCH = time.time() - time.monotonic()


class Police:
    """Counts arrivals and decides on each.

    :param limit: most requests a second; ``None`` for any number.
    :param limit_kind: how they are policed, see :mod:`airflow_provider_blux.emulator.rates`.
    :param retry_after: seconds that a 429 asks to wait; 0 for a 429 without ``Retry-After``.
    :param latency: seconds until the answer.
    :param refuse: the number of one request (1 for the first) that is answered 401; ``None`` for none.
    """

    def __init__(
        self,
        limit: int | None,
        latency: float,
        refuse: int | None,
        limit_kind: LimitKind = "sliding_second",
        retry_after: int = 1,
    ) -> None:
        self.limit = limit
        self.limit_kind: LimitKind = limit_kind
        self.too_many = _TOO_MANY % (b"Retry-After: %d\r\n" % retry_after if retry_after else b"")
        self.latency = latency
        self.refuse = refuse
        self.arrivals: list[tuple[float, int]] = []
        self._in_flight = self._most_in_flight = 0
        self._seconds_in_flight = self._last_answer = 0.0
        self._limiters = Limiters()

    def begin(self) -> None:
        """Count a request whose first bytes are here."""
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def end(self, arrived: float, now: float) -> None:
        """Count the answer of a request."""
        self._in_flight -= 1
        self._seconds_in_flight += now - arrived
        self._last_answer = now

    def in_flight(self) -> dict[str, float]:
        """Return how many requests there were at once, at most and on average."""
        seconds = self._last_answer - self.arrivals[0][0] if self.arrivals else 1.0
        return {"most": self._most_in_flight, "mean": self._seconds_in_flight / seconds}

    def arrive(self, now: float) -> bytes:
        """Count an arrival and return its answer."""
        status, answer = 200, _ACCEPTED
        if self.limit is not None and not self._limiters.admits(self.limit_kind, "requests", self.limit, now):
            status, answer = 429, self.too_many
        elif len(self.arrivals) + 1 == self.refuse:
            status, answer = 401, _REFUSED
        self.arrivals.append((now, status))
        return answer


class Connection(asyncio.Protocol):
    """One connection; a client that waits for each answer sends one request at a time."""

    def __init__(self, police: Police) -> None:
        self._police = police
        self._head = b""
        self._arrived = 0.0
        self._body_left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the time of a request's first bytes, and answer once its last are here."""
        if not self._body_left:
            self._arrived = self._arrived if self._head else _EPOCH + time.monotonic()
            self._head += data
            head, found, body = self._head.partition(_END_OF_HEAD)
            if not found:
                return
            self._head = b""
            if head.startswith(b"GET"):
                self._write(_as_json(self._police.in_flight() if b"/in-flight" in head else self._police.arrivals))
                return
            self._police.begin()
            self._body_left = _content_length(head)
            data = body
        self._body_left -= len(data)
        if self._body_left <= 0:
            self._body_left = 0
            answer = self._police.arrive(self._arrived)
            if self._police.latency:
                asyncio.get_running_loop().call_later(self._police.latency, self._answer, answer)
            else:
                self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self._police.end(self._arrived, _EPOCH + time.monotonic())
        self._write(answer)

    def _write(self, answer: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(answer)


def _as_json(numbers: Any) -> bytes:
    body = json.dumps(numbers).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve(police: Police) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(police), "127.0.0.1", 0, backlog=1024)
    say(f"Stub: http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stub", description=__doc__)
    parser.add_argument("--limit", type=int, help="most requests a second (default: any number)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until the answer (default: %(default)s)")
    parser.add_argument("--limit-kind", choices=LIMIT_KINDS, default=LIMIT_KINDS[0], help="(default: %(default)s)")
    parser.add_argument("--retry-after", type=int, default=1, help="seconds, 0 for none (default: %(default)s)")
    parser.add_argument("--refuse", type=int, help="number of a request that is answered 401 (default: none)")
    options = parser.parse_args()
    asyncio.run(_serve(Police(**vars(options))))


if __name__ == "__main__":
    main()

"""aiohttp with evenly spaced starts, retries and a bound on what is in flight: as an expert writes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from benchmarks.bench.contenders.flat_rows import HEADERS, PATH, batches
from benchmarks.bench.contenders.task import Counts, Task, run

_IN_FLIGHT = 32
_SHARE_OF_THE_LIMIT = 0.99


class Starts:
    """Turns at even distances.

    :param limit: turns a second; 0 for any number.
    """

    def __init__(self, limit: float) -> None:
        self._every = 1 / (limit * _SHARE_OF_THE_LIMIT) if limit else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        if not self._every:
            return
        now = asyncio.get_running_loop().time()
        due = max(now, self._next)
        self._next = due + self._every
        await asyncio.sleep(due - now)


async def _deliver(task: Task) -> int:
    delivered = 0
    starts, free = Starts(task.limit), asyncio.Semaphore(_IN_FLIGHT)
    async with aiohttp.ClientSession(task.url, headers=HEADERS) as session, asyncio.TaskGroup() as running:

        async def send(users: list[dict[str, Any]]) -> None:
            nonlocal delivered
            body = json.dumps({"users": users}).encode()
            try:
                while True:
                    await starts.turn()
                    async with session.post(PATH, data=body) as answer:
                        await answer.read()
                    if answer.status != 429:
                        break
                    await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
                answer.raise_for_status()
            finally:
                free.release()
            delivered += len(users)

        for users in batches(task.path):
            await free.acquire()
            running.create_task(send(users))
    return delivered


def prepare(task: Task) -> Callable[[], Counts]:
    """Return the work."""
    return lambda: {"delivered": asyncio.run(_deliver(task))}


if __name__ == "__main__":
    run(prepare)

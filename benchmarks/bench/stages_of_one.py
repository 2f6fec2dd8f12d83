"""The stages of one delivery, each with those before it: ``python -m benchmarks.bench.stages_of_one URL WHAT FILE``."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from airflow_provider_blux.api.client import BluxClient
from airflow_provider_blux.api.endpoints import endpoints_for
from airflow_provider_blux.delivery.batches import Batch, cut
from airflow_provider_blux.delivery.fingerprint import Fingerprint
from airflow_provider_blux.records.shapes import encoded_merge_of, encoded_shape_of
from airflow_provider_blux.sources.files import StorageSource
from benchmarks.bench.contenders.ours import KINDS, ready
from benchmarks.bench.contenders.task import Task
from benchmarks.delivering import access
from benchmarks.table import say


class Stages:
    """The stages, in order: each does what those before it do, and one thing more."""

    def __init__(self, url: str, what: str, path: str, store: str) -> None:
        self._operation, self._api = KINDS[what]
        self._endpoint = endpoints_for(self._operation, self._api)[0]
        self._client = BluxClient({self._api: access(url, self._api)})
        self._source = StorageSource(path)
        self._whole = ready(Task(url=url, path=path, what=what, store=store))

    def read(self) -> Iterable[Any]:
        """Read the source, as a delivery does."""
        return self._source.unparsed()

    def cut(self) -> Iterator[Batch]:
        """Shape, encode and cut."""
        shape, merge = encoded_shape_of(self._operation, self._api), encoded_merge_of(self._operation)
        return cut(self.read(), shape, size=self._endpoint.max_records, merge=merge)

    def digest(self) -> Iterator[Batch]:
        """Take the digest that the checkpoint keeps."""
        digest = Fingerprint()
        for batch in self.cut():
            digest.add(batch.rows)
            yield batch

    def make(self) -> Iterable[Any]:
        """Make the requests."""
        records = (list(batch.records.values()) for batch in self.digest())
        return (self._client.prepare(self._endpoint, of_one, are_checked=True) for of_one in records)

    def send(self) -> Iterable[Any]:
        """Send, and settle: the whole delivery."""
        return self._whole()


STAGES: dict[str, Callable[[Stages], Iterable[Any]]] = {
    "reading": Stages.read,
    "shaping and encoding": Stages.cut,
    "digest": Stages.digest,
    "making requests": Stages.make,
    "sending and settling": Stages.send,
}


def main() -> None:
    """Go through every stage; write the CPU seconds up to each as JSON."""
    took = {}
    with tempfile.TemporaryDirectory() as store:
        stages = Stages(*sys.argv[1:], store=store)
        for name, stage in STAGES.items():
            began = time.process_time()
            deque(stage(stages), maxlen=0)
            took[name] = time.process_time() - began
    say(json.dumps(took))


if __name__ == "__main__":
    main()

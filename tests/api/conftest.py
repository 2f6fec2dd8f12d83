from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.redis_limiting import Key
from tests.redis_server import connected


@pytest.fixture
def key() -> Iterator[Key]:
    client = connected()
    key = Key(client)
    yield key
    client.delete(*key.names)
    client.close()

"""Records as JSON: the one way in which they are encoded."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from airflow_provider_blux.records.shapes import merge_of

Merge = Callable[[bytes, bytes], bytes]
"""Makes one record of two, each as JSON; of each property the value of the second wins."""

encode = msgspec.json.Encoder().encode
"""Returns as JSON what a shape has made of a row. (Of NaN, which no shape lets pass, it would make null.)"""
decode = msgspec.json.Decoder().decode


def encoded_merge_of(operation: str) -> Merge | None:
    """Return the function that makes one record of two with the same key; ``None`` where each is sent for itself."""
    merge = merge_of(operation)
    if merge is None:
        return None
    return lambda earlier, later: encode(merge(decode(earlier), decode(later)))

"""Time limits of tests that wait for the end of the limit: short ones, and longer ones where the machine is busy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest


def with_enough_time(seconds: float, test: Callable[[float], None]) -> None:
    """Run a test with a time limit; if it fails, run it with a limit ten and a hundred times as long.

    What is tested must work within any of the limits. But a machine may stand still for as long as the first one.
    """
    for limit in (seconds, 10 * seconds):
        with suppress(Exception, pytest.fail.Exception):
            return test(limit)
    return test(100 * seconds)

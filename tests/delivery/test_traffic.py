"""What is counted of the requests of a try."""

from __future__ import annotations

import pytest

from airflow_provider_blux.delivery.traffic import Traffic
from airflow_provider_blux.exceptions import BluxStopped


def test_the_time_that_a_slot_is_waited_for_is_counted_although_the_wait_ends_in_a_stop():
    now = 0.0
    traffic = Traffic(clock=lambda: now)

    def wait(seconds: float, *, is_stopped: bool) -> None:
        nonlocal now
        with traffic.waiting():
            now += seconds
            if is_stopped:
                raise BluxStopped("The task was told to stop.")

    wait(2.5, is_stopped=False)
    with pytest.raises(BluxStopped):
        wait(1.5, is_stopped=True)

    assert traffic.counted().waited == 4.0

"""The switch interval of the interpreter: shorter while a delivery runs, and as it was after the last one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from airflow_provider_blux.delivery.switching import SWITCH_SECONDS, FrequentSwitching
from airflow_provider_blux.hooks.blux import BluxHook

SECONDS = 10
BEFORE = 0.004


@pytest.fixture(autouse=True)
def _interval() -> Iterator[None]:
    default = sys.getswitchinterval()
    sys.setswitchinterval(BEFORE)
    yield
    sys.setswitchinterval(default)


def test_it_is_shorter_while_records_are_read_and_as_before_at_the_end(blux_emulator):
    seen = []

    def users() -> Iterator[dict[str, str]]:
        for number in range(3):
            seen.append(sys.getswitchinterval())
            yield {"user_id": f"user-{number}"}

    BluxHook().upsert_users(users())

    assert seen == [SWITCH_SECONDS] * 3
    assert sys.getswitchinterval() == BEFORE


def test_it_is_as_before_when_a_delivery_fails():
    with pytest.raises(KeyError), FrequentSwitching():
        raise KeyError

    assert sys.getswitchinterval() == BEFORE


def test_of_two_deliveries_the_last_one_restores_it():
    """Here the delivery that started first ends first."""
    switching, others_inside, end = FrequentSwitching(), threading.Event(), threading.Event()

    def other() -> None:
        with switching:
            others_inside.set()
            assert end.wait(SECONDS)

    thread = threading.Thread(target=other)
    with switching:
        thread.start()
        assert others_inside.wait(SECONDS)
    assert sys.getswitchinterval() == SWITCH_SECONDS
    end.set()
    thread.join(SECONDS)

    assert sys.getswitchinterval() == BEFORE


@pytest.mark.parametrize("own", [0.0005, 0.01])
def test_an_interval_that_somebody_sets_meanwhile_stays(own):
    with FrequentSwitching():
        sys.setswitchinterval(own)

    assert sys.getswitchinterval() == pytest.approx(own)


def test_a_shorter_interval_is_left_alone():
    sys.setswitchinterval(0.0002)
    shorter = sys.getswitchinterval()

    with FrequentSwitching():
        assert sys.getswitchinterval() == shorter

    assert sys.getswitchinterval() == shorter

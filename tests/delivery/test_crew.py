"""Threads that send: how many there are, in which order they take their turns, and that none is left behind."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_blux.delivery.crew import Crew

PACED, UNPACED = 0.05, 0.0001
SECONDS = 10


class Work:
    """Pieces that take as long as a test says: each is done when it is let go."""

    def __init__(self) -> None:
        self.turns: list[int] = []
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.done: list[int] = []
        self.ended = threading.Semaphore(0)

    def wait(self, piece: int) -> int:
        self.turns.append(piece)
        return piece

    def work(self, piece: int, turn: int) -> None:
        assert piece == turn
        self.begun.release()
        assert self.let_go.acquire(timeout=SECONDS)
        self.done.append(piece)
        self.ended.release()


def named() -> int:
    return sum(thread.name.startswith("blux-sender-") for thread in threading.enumerate())


@pytest.fixture
def crew_of():
    crews: list[tuple[Work, Crew[int, int]]] = []

    def made(work: Work, *, most: int, turns_apart: float) -> Crew[int, int]:
        crews.append((work, Crew(work.wait, work.work, most=most, turns_apart=turns_apart)))
        return crews[-1][1]

    yield made
    for work, crew in crews:
        for _ in range(1000):
            work.let_go.release()
        crew.dismiss()


def test_pieces_have_their_turns_in_order(crew_of):
    work = Work()
    crew = crew_of(work, most=3, turns_apart=PACED)
    for piece in range(20):
        crew.put(piece)
        work.let_go.release()
    for _ in range(20):
        assert work.ended.acquire(timeout=SECONDS)

    assert work.turns == list(range(20))


def test_where_answers_take_long_there_are_as_many_threads_as_pieces_on_their_way(crew_of):
    work = Work()
    crew = crew_of(work, most=8, turns_apart=PACED)
    for piece in range(5):
        crew.put(piece)
    for _ in range(5):
        assert work.begun.acquire(timeout=SECONDS)

    assert named() == 5


def test_there_are_never_more_than_allowed(crew_of):
    work = Work()
    crew = crew_of(work, most=2, turns_apart=PACED)
    for piece in range(6):
        crew.put(piece)
    for _ in range(2):
        assert work.begun.acquire(timeout=SECONDS)
    crew.tend()

    assert named() == 2
    assert crew.waiting == 4


def test_a_thread_that_is_back_before_the_next_piece_does_that_as_well(crew_of):
    work = Work()
    crew = crew_of(work, most=8, turns_apart=PACED)
    for piece in range(5):
        work.let_go.release()
        crew.put(piece)
        assert work.ended.acquire(timeout=SECONDS)

    assert named() <= 2


def test_without_a_pace_one_thread_does_what_is_quickly_done_and_another_comes_when_it_is_not(crew_of):
    work = Work()
    crew = crew_of(work, most=8, turns_apart=UNPACED)
    crew.put(1)
    crew.put(2)
    assert work.begun.acquire(timeout=SECONDS)
    assert named() == 1

    while not work.begun.acquire(timeout=0.01):
        crew.tend()
    assert named() == 2


def test_what_has_had_no_turn_is_dropped_and_what_is_on_its_way_is_waited_for():
    work = Work()
    crew = Crew(work.wait, work.work, most=1, turns_apart=PACED)
    for piece in range(5):
        crew.put(piece)
    assert work.begun.acquire(timeout=SECONDS)
    for _ in range(5):
        work.let_go.release()
    crew.dismiss()

    assert work.done == work.turns
    assert work.done[0] == 0
    assert named() == 0


def test_a_crew_without_work_is_dismissed_as_well():
    work = Work()

    Crew(work.wait, work.work, most=1, turns_apart=PACED).dismiss()

    assert named() == 0

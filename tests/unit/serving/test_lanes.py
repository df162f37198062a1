from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.lanes import Lane


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def lane(
    work: Callable[[list[int]], None], *, threads: int = 4, most: int = 8, patience: float = 30.0
) -> Iterator[Lane[int]]:
    made = Lane("test", work, threads=threads, most=most, patience=patience)
    yield made
    made.close()


class Gate:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.pieces: list[list[int]] = []
        self.open = threading.Event()

    def __call__(self, jobs: list[int]) -> None:
        self.pieces.append(jobs)
        self.open.wait(5)


def test_what_comes_while_work_goes_on_is_done_together() -> None:
    gate = Gate()
    with lane(gate) as one:
        one.put(0)
        until(lambda: gate.pieces == [[0]])
        for job in (1, 2, 3):
            one.put(job)
        time.sleep(0.02)
        assert gate.pieces == [[0]]
        gate.open.set()
        until(lambda: len(gate.pieces) == 2)
    assert gate.pieces == [[0], [1, 2, 3]]


def test_a_piece_of_work_has_so_many_jobs_at_the_most_and_all_are_done_in_order() -> None:
    gate = Gate()
    with lane(gate, most=2) as one:
        one.put(0)
        until(lambda: len(gate.pieces) == 1)
        for job in range(1, 6):
            one.put(job)
        gate.open.set()
        until(lambda: sum(map(len, gate.pieces)) == 6)
    assert gate.pieces == [[0], [1, 2], [3, 4], [5]]


def test_work_that_hangs_holds_up_the_next_no_longer_than_patience() -> None:
    gate = Gate()
    with lane(gate, patience=0.05) as one:
        one.put(0)
        until(lambda: len(gate.pieces) == 1)
        assert 0 < one.age < 5
        one.put(1)
        one.put(2)
        assert len(gate.pieces) == 1
        until(lambda: len(gate.pieces) == 2)
        assert gate.pieces == [[0], [1, 2]]
        until(lambda: one.age > 0.05)
        gate.open.set()


def test_no_more_threads_hang_than_there_may_be() -> None:
    gate = Gate()
    with lane(gate, threads=2, patience=0.01) as one:
        for job in range(4):
            one.put(job)
            time.sleep(0.05)
        assert len(gate.pieces) == 2
        gate.open.set()
        until(lambda: sum(map(len, gate.pieces)) == 4)


def test_it_tells_how_long_a_job_would_wait() -> None:
    gate = Gate()
    with lane(gate, most=1) as one:
        assert one.wait() == 0.0
        one.put(0)
        until(lambda: len(gate.pieces) == 1)
        time.sleep(0.05)
        gate.open.set()
        until(lambda: one.age == 0.0 and one.wait() == 0.0)
        gate.open.clear()
        for job in range(4):
            one.put(job)
        until(lambda: len(gate.pieces) == 2)
        # A fifth of what the first took, for each of the three that wait and the one that asks.
        assert 0.03 < one.wait() < one.wait(9) < 1.0
        gate.open.set()


def test_a_closed_lane_does_nothing_more() -> None:
    gate = Gate()
    with lane(gate) as one:
        one.put(0)
        until(lambda: len(gate.pieces) == 1)
        one.put(1)
    one.put(2)
    gate.open.set()
    time.sleep(0.02)
    assert gate.pieces == [[0]]


def test_many_jobs_from_many_threads_are_each_done_once() -> None:
    done: list[int] = []
    with lane(done.extend, threads=3, most=5, patience=0.001) as one:

        def put_all(start: int) -> None:
            for number in range(start, start + 200):
                one.put(number)

        writers = [
            threading.Thread(target=put_all, args=(start,)) for start in range(0, 1_000, 200)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        until(lambda: len(done) == 1_000)
    assert sorted(done) == list(range(1_000))

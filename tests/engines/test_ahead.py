"""Items are taken a few ahead in a thread, and come out as if there were none."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from lexel.engines.ahead import Ahead

NAME = "lexel-test-ahead"


def is_running() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


def ahead(items: Iterator[int], depth: int = 2) -> Ahead[int]:
    return Ahead(items, depth=depth, name=NAME)


class Counted:
    """Numbers from 0, and what became of them."""

    def __init__(self, n: int, *, fail_at: int | None = None) -> None:
        self.n, self.fail_at = n, fail_at
        self.taken = 0
        self.threads: set[str] = set()
        self.closed_in: str | None = None

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.n):
                self.threads.add(threading.current_thread().name)
                if number == self.fail_at:
                    raise RuntimeError("the caller's own")
                self.taken += 1
                yield number
        finally:
            self.closed_in = threading.current_thread().name


def until(condition: object) -> None:
    """Wait for something that another thread is about to do."""
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_items_come_in_order_from_another_thread() -> None:
    source = Counted(50)
    with ahead(iter(source)) as items:
        assert list(items) == list(range(50))
    assert source.threads == {NAME}


def test_nothing_is_taken_before_the_block() -> None:
    source = Counted(5)
    ahead(iter(source))
    assert source.taken == 0


def test_no_more_than_the_depth_and_one_are_taken_ahead() -> None:
    source = Counted(50)
    with ahead(iter(source), depth=3) as items:
        first = next(iter(items))
        until(lambda: source.taken == 5)
        time.sleep(0.05)
        assert (first, source.taken) == (0, 5)  # the one given out, three in the queue, and one that waits


def test_an_error_is_raised_behind_the_items_before_it() -> None:
    with ahead(iter(Counted(9, fail_at=4))) as items:
        given = iter(items)
        assert [next(given) for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(RuntimeError, match="the caller's own"):
            next(given)
    assert not is_running()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_caller_who_stops_early_leaves_no_thread_and_nothing_open(taken: int) -> None:
    source = Counted(1000)
    with ahead(iter(source)) as items:
        for _, _ in zip(range(taken), items, strict=False):
            pass
        until(lambda: source.taken > taken)
    assert not is_running()
    assert source.closed_in == NAME
    assert source.taken < 10


def test_an_error_of_whoever_takes_them_ends_the_thread_too() -> None:
    source = Counted(1000)
    with pytest.raises(ValueError, match="mine"), ahead(iter(source)):
        raise ValueError("mine")
    assert not is_running()


def test_a_program_ends_although_nobody_took_everything() -> None:
    program = """
from itertools import count
from lexel.engines.ahead import Ahead

def numbers():
    with Ahead(count(), depth=2, name="left") as items:
        yield from items

left = numbers()
print(next(left))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "0\n", "")


def test_the_thread_sees_the_callers_context() -> None:
    wanted: contextvars.ContextVar[int] = contextvars.ContextVar("wanted")
    wanted.set(7)
    with ahead(wanted.get() for _ in range(2)) as items:
        assert list(items) == [7, 7]

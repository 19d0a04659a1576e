"""Gathers inputs into lists that are large enough to compute efficiently, and returns them early if the source waits.

A collection (a list, a tuple, anything with a length) never waits, so it is read in the caller's thread. Any other
iterable may wait for a person, a socket or a queue. It is read in a separate thread, so that results are returned
while it waits for more input.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Generic, NamedTuple, TypeVar

BLOCK_CHARS = 16_384
"""Characters gathered into a list; a longer text is a list of its own."""

PATIENCE_S = 0.02
"""How long the first input of a list waits for others. Fast sources fill a list sooner."""

_CLOSING_S = 0.2
"""How long closing waits for a source; a source that blocks longer ends with its next input."""

T = TypeVar("T")


class Input(NamedTuple, Generic[T]):
    """An input to be put into a list.

    Attributes:
        item: The input.
        size: Number of its characters.
        kind: Inputs of different kinds never share a list; an input without a kind can share any list.
    """

    item: T
    size: int
    kind: object = None


def gather(inputs: Generator[Input[T], None, None], *, most: int = BLOCK_CHARS) -> Generator[list[T], None, None]:
    """Gather inputs, in order, into lists of about ``most`` characters, in the caller's thread."""
    filling = _Filling[T](most)
    with closing(inputs):
        for one in inputs:
            if filling.differs(one):
                yield filling.take()
            filling.add(one)
            if filling.is_full:
                yield filling.take()
    if filling.items:
        yield filling.take()


class _Filling(Generic[T]):
    """The list that is being filled."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kind: object = None
        self.items: list[T] = []
        self.size = 0

    def differs(self, one: Input[T]) -> bool:
        return None not in (one.kind, self._kind) and one.kind != self._kind

    def add(self, one: Input[T]) -> None:
        self.items.append(one.item)
        self.size += one.size + 1  # an empty text takes room too
        if one.kind is not None:
            self._kind = one.kind

    @property
    def is_full(self) -> bool:
        return self.size >= self._most

    def take(self) -> list[T]:
        items, self.items, self.size, self._kind = self.items, [], 0, None
        return items


class LiveGatherer(Generic[T]):
    """Gathers inputs as ``gather`` does, in a thread, and returns shorter lists if the source is slow.

    It is an iterator over lists, used in a ``with`` block. An empty list means that the source is waiting; it is
    returned once before waiting for the next list. At most one list is ready, and the source is not read further until
    that list is taken. An error of the source is raised after the inputs before it.

    Leaving the block ends the iterator, even if another thread waits for it, and closes the source in the thread
    that reads it. A source that is waiting cannot be closed: its thread closes it after its next input.

    Args:
        inputs: The inputs; nothing is read before the block is entered.
        most: See ``gather``.
    """

    def __init__(self, inputs: Generator[Input[T], None, None], *, most: int = BLOCK_CHARS) -> None:
        self._inputs = inputs
        self._filling = _Filling[T](most)
        self._begun = 0.0  # when the first input of the list came
        self._ready: list[T] | None = None
        self._may_pause = False  # whether a list was returned since the last pause
        self._gave_short = False  # whether the last list was returned before it was full
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="lexel-source", daemon=True)

    def __enter__(self) -> LiveGatherer[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # The collector may close a forgotten caller in this very thread, or when the interpreter stops all threads.
        if self._thread is not threading.current_thread() and not sys.is_finalizing():
            self._thread.join(_CLOSING_S)

    def stop(self) -> None:
        """End the iterator, even if another thread waits for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[list[T]]:
        return self

    def __next__(self) -> list[T]:
        with self._changed:
            silent_since = time.monotonic()
            while not self._stopped:
                now = time.monotonic()
                if self._ready is not None:
                    items, self._ready = self._ready, None
                    self._changed.notify_all()
                    return self._given(items, is_short=False)
                if self._filling.items:
                    left = self._begun + PATIENCE_S - now
                    if left <= 0 or self._ended:
                        return self._given(self._filling.take(), is_short=True)
                elif self._ended:
                    break
                elif not self._may_pause:
                    left = None
                else:
                    left = silent_since + PATIENCE_S - now
                    if left <= 0 or self._gave_short:
                        return self._given([], is_short=False)
                self._changed.wait(left)
        if self._error is not None and not self._stopped:
            raise self._error
        raise StopIteration

    def _given(self, items: list[T], *, is_short: bool) -> list[T]:
        self._may_pause = bool(items)
        self._gave_short = is_short
        return items

    def _work(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 (it is raised again where the lists are returned)
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read(self) -> None:
        with closing(self._inputs) as inputs:
            for one in inputs:
                with self._changed:
                    if self._stopped or not self._put(one):
                        return

    def _put(self, one: Input[T]) -> bool:
        """Add an input to the list, and wait for room for the next; false if the iterator was closed."""
        if self._filling.differs(one):
            self._hand_over()
        if not self._filling.items:
            self._begun = time.monotonic()
            self._changed.notify_all()
        self._filling.add(one)
        if self._filling.is_full:
            self._hand_over()
        return not self._stopped

    def _hand_over(self) -> None:
        """Mark the full list as ready, and wait until it is taken."""
        self._ready = self._filling.take()
        self._changed.notify_all()
        while self._ready is not None and not self._stopped:
            self._changed.wait()
